package proxy

import (
	"bytes"
	"iter"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// names are what the names in a session's texts mean. They are believed until a
// text may have changed that. A name that means another table than was thought
// is found where rows are captured, as each says which table it is of; a write
// that is thought to be of no mapped table has no such proof, so that nothing is
// left to chance there.
type names struct {
	env *writes.Env
	key string // of plans
}

// names under a search_path. A path of nil knows no name but those with a schema.
func (m *mirroring) namesUnder(path, temporary []string, login string, role bool) *names {
	env := &writes.Env{Plan: m.mapped.Plan, Path: path, Temporary: temporary, Rights: m.mapped.Rights[login], Role: role, Encoded: m.encoded}
	key := strings.Join(path, "\x00") + "\x01" + strings.Join(temporary, "\x00") + "\x01" + login + "\x01" +
		strconv.FormatBool(role) + strconv.FormatBool(m.encoded)
	return &names{env, key}
}

// guess is that any name may mean anything.
func (m *mirroring) guess() *names { return m.namesUnder(nil, nil, "", true) }

// guessNames holds until the source can be asked.
func (m *mirroring) guessNames() { m.names, m.stale = m.guess(), true }

// moving says what becomes of names in the middle of a batch.
type moving uint8

const (
	namesStay    moving = iota
	namesMayMove        // a function of the database may do it, which hardly any does
	namesMove           // a text does it
)

// movesNames says whether names mean the same throughout a batch.
func (s *session) movesNames(in []byte, b *engine.Batch) moving {
	const may = pgsql.Opaque | pgsql.Executes
	switch {
	case len(b.Texts) < 2 && b.Effects&pgsql.Several == 0 && s.eng.Synced():
		return namesStay // there is but one statement
	case b.Effects&pgsql.Temporary != 0:
		return namesMove
	case b.Effects&pgsql.Transaction != 0 && (s.mirror.within || s.eng.Tx() != 'I' && s.namesAreStale()) && s.runsBehindControl(in):
		return namesMove // what was set within the transaction is taken back
	case b.Effects&pgsql.Names != 0 && !every(s.texts(in), func(text []byte) bool { return !setsNames(text) }):
		return namesMove
	case b.Effects&may != 0:
		return namesMayMove
	default:
		return namesStay
	}
}

// texts are those that a batch runs, in order.
func (s *session) texts(in []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		made := map[string][]byte{}
		for len(in) > 0 {
			h := wire.Parse(in)
			if h.State != wire.Whole {
				return
			}
			body := in[wire.HeaderSize:h.Size]
			in = in[h.Size:]
			var text []byte
			switch h.Type {
			case 'Q':
				text, _, _ = bytes.Cut(body, []byte{0})
			case 'P':
				name, rest, _ := bytes.Cut(body, []byte{0})
				made[string(name)], _, _ = bytes.Cut(rest, []byte{0})
			case 'B':
				name := string(engine.BoundName(body))
				if st := s.eng.Mobile().Statements[name]; made[name] != nil {
					text = made[name]
				} else if st != nil {
					text = st.Text()
				}
			}
			if len(text) > 0 && !yield(text) {
				return
			}
		}
	}
}

func every(texts iter.Seq[[]byte], holds func([]byte) bool) bool {
	for text := range texts {
		if !holds(text) {
			return false
		}
	}
	return true
}

// runsBehindControl says that something comes behind transaction control.
func (s *session) runsBehindControl(in []byte) bool {
	behind := false
	return !every(s.texts(in), func(text []byte) bool {
		effects := pgsql.Classify(text, 0)
		if behind || effects.Has(pgsql.Transaction|pgsql.Several) {
			return false
		}
		behind = effects&pgsql.Transaction != 0
		return true
	})
}

// setsNames says that a text changes a setting that names hang on.
func setsNames(text []byte) bool {
	moves := false
	complete := pgsql.SettingNames(text, 0, func(name string) bool {
		moves = moves || name == "search_path" || name == "role" || name == "session_authorization"
		return true
	})
	return moves || !complete && pgsql.Classify(text, 0)&pgsql.Names != 0
}

// saysNames says that it matters what names mean: nothing of ours may come
// between BEGIN and SET TRANSACTION.
func (s *session) saysNames(in []byte, b *engine.Batch) bool {
	if s.eng.Tx() != 'T' || b.Effects&pgsql.Writes != 0 {
		return true
	}
	return !every(s.texts(in), func(text []byte) bool {
		p := s.planned(text, engine.TextKey(text))
		return p.Class == writes.Control || p.Class == writes.Pass && len(p.Parts) == 0 && p.Statement.Kind == rewrite.Session
	})
}

// namesAreStale says that the source has to be asked.
func (s *session) namesAreStale() bool {
	m := s.mirror
	return m.names == nil || m.stale || m.state != s.eng.Mobile().Version
}

// forgetPrepared forgets the statements of ours where a text may drop all that a
// leg has: on the leg that answers, and at the source, which may be asked in its
// place.
func (s *session) forgetPrepared(b *engine.Batch) {
	if b.Effects&(pgsql.Prepares|pgsql.Opaque) == 0 {
		return
	}
	for _, side := range []router.Side{router.Source, s.eng.Side()} {
		if l := s.legs[side]; l != nil {
			l.captured, l.prepared = nil, nil
		}
	}
}

// learnNames asks the source what names mean in the session. Where it cannot be
// asked they may mean anything.
func (s *session) learnNames() error {
	m := s.mirror
	version := s.eng.Mobile().Version
	encoding := s.eng.Reading().Encoding
	m.encoded = encoding != "" && encoding != "UTF8"
	if s.eng.Tx() == 'E' || !s.eng.Synced() {
		m.guessNames()
		return nil
	}
	var f pgwire.Flight
	f.Run("SELECT pg_catalog.array_to_string(pg_catalog.current_schemas(true), pg_catalog.chr(1)), CURRENT_USER OPERATOR(pg_catalog.<>) SESSION_USER, SESSION_USER" +
		", (SELECT pg_catalog.string_agg(CAST(relname AS pg_catalog.text), pg_catalog.chr(1)) FROM pg_catalog.pg_class" +
		" WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())")
	out, err := f.Sync()
	l := s.legs[router.Source]
	if s.eng.Side() != router.Source {
		l = s.legs[s.eng.Side()]
	}
	landing, err := s.fly(l, out, err)
	switch {
	case err != nil:
		return s.legFailed(l, err)
	case landing.Failed != nil || len(landing.Rows) != 1 || len(landing.Rows[0]) != 4:
		m.guessNames()
		return nil
	}
	row := landing.Rows[0]
	m.names = m.namesUnder(strings.Split(string(row[0]), "\x01"), strings.Split(string(row[3]), "\x01"), string(row[2]), string(row[1]) == "t")
	m.state, m.stale, m.within = version, false, s.eng.Tx() != 'I'
	return nil
}

// doubted is what becomes of a text whose names may mean something else by the
// time that it runs: what is captured would show it, and all other is as if no
// name were known.
func doubted(known, guessed *writes.Plan) *writes.Plan {
	switch {
	case known.Class == writes.Capture, known.Class == writes.Definition:
		return known
	case known.Class != writes.Sequence || len(known.Parts) != len(guessed.Parts):
		return guessed
	}
	plan := *known
	plan.Parts = make([]writes.Part, len(known.Parts))
	for i, part := range known.Parts {
		plan.Parts[i] = writes.Part{Plan: doubted(part.Plan, guessed.Parts[i].Plan), Text: part.Text}
	}
	return &plan
}

// copies says that a text has a COPY FROM of a table that is not known to be
// mapped.
func copies(p *writes.Plan) bool {
	return p.Class == writes.Pass && p.Statement != nil && p.Statement.Kind == rewrite.CopyIn
}
