package proxy

import (
	"strings"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// forgetPrepared forgets the statements of ours on the leg that answers, where a
// text may drop all that it has.
func (s *session) forgetPrepared(b *engine.Batch) {
	if l := s.legs[s.eng.Side()]; l != nil && b.Effects&(pgsql.Prepares|pgsql.Opaque) != 0 {
		l.captured, l.prepared = nil, nil
	}
}

// namesMove says that a text may change what names mean in the middle of it.
func namesMove(text []byte) bool {
	moves := false
	complete := pgsql.SettingNames(text, 0, func(name string) bool {
		moves = moves || name == "search_path" || name == "role" || name == "session_authorization"
		return true
	})
	return moves || !complete || pgsql.Classify(text, 0)&pgsql.Temporary != 0
}

// learnEnvironment asks the source what names mean in the session.
func (s *session) learnEnvironment() error {
	m := s.mirror
	version := s.eng.Mobile().Version
	encoding := s.eng.Reading().Encoding
	m.encoded = encoding != "" && encoding != "UTF8"
	if s.eng.Tx() == 'E' || s.eng.Tx() == 'I' && !s.eng.Settled() {
		if m.env == nil {
			m.environment(nil, nil, "", true)
		}
		return nil // it cannot be asked now
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
		m.environment(nil, nil, "", true)
		return nil
	}
	row := landing.Rows[0]
	m.environment(strings.Split(string(row[0]), "\x01"), strings.Split(string(row[3]), "\x01"), string(row[2]), string(row[1]) == "t")
	m.state = version
	m.local = s.eng.Tx() != 'I' && m.local // until the transaction has ended
	return nil
}
