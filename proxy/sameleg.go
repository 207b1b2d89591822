package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// sameLeg is the other side of a transaction where both shapes are in one
// database: the images are applied at the commit point, in the client's own
// transaction and behind a savepoint, so that both have them or neither
// (DESIGN §3, WRITEPATH §3). Until then they wait here, and follow the client's
// savepoints without a word to the server. It is a shadow.Leg.
type sameLeg struct {
	s       *session
	changes []*shadow.Change
	saves   []int // how many changes there were at each savepoint
	sent    int
	o       *otherLeg // speaks, from the commit point on
}

// errLost says that the client's own leg is gone.
var errLost = errors.New("the source's connection is gone")

// Names of our statements in the client's transaction.
const (
	nameSame     = pgwire.Reserved + "_mirror" // the savepoint
	nameLate     = pgwire.Reserved + "_late"
	nameChecks   = pgwire.Reserved + "_checks"
	nameRestored = pgwire.Reserved + "_restored"
)

// openSame begins to gather what is applied at the commit point.
func (s *session) openSame() (shadow.Leg, error) {
	if s.mirror.lost != nil {
		return nil, s.mirror.lost
	}
	l := &sameLeg{s: s}
	s.mirror.same = l
	return l, nil
}

// Apply keeps a change.
func (l *sameLeg) Apply(c *shadow.Change) error {
	l.changes = append(l.changes, c)
	return nil
}

// Savepoint notes where a savepoint is.
func (l *sameLeg) Savepoint(depth int) error {
	l.saves = append(l.saves[:min(depth, len(l.saves))], len(l.changes))
	return nil
}

// RollbackTo drops what came since.
func (l *sameLeg) RollbackTo(depth int) error {
	if depth < len(l.saves) {
		l.changes, l.saves = l.changes[:l.saves[depth]], l.saves[:depth+1]
	}
	return nil
}

// Release forgets a savepoint.
func (l *sameLeg) Release(depth int) error {
	l.saves = l.saves[:min(depth, len(l.saves))]
	return nil
}

// Send sends nothing: the client's locks are held for as short as can be.
func (l *sameLeg) Send() {}

// Await applies what was kept. The server itself bounds each statement by the
// budget: who waits here holds locks of the client's that nobody can take back.
func (l *sameLeg) Await(budget time.Duration) error {
	if l.o == nil {
		l.begin(budget)
	}
	for _, c := range l.changes[l.sent:] {
		if err := l.o.Apply(c); err != nil {
			return err
		}
	}
	l.sent = len(l.changes)
	if err := l.o.Await(budget); err != nil {
		return err
	}
	return l.checkNow()
}

// checkNow lets the deferred constraints of the target's tables be checked, which
// would else be the client's failure at its COMMIT.
func (l *sameLeg) checkNow() error {
	var names []string
	add := func(keys []rewrite.ForeignKey) {
		for _, f := range keys {
			name := rewrite.Quote(f.From.Schema) + "." + rewrite.Quote(f.Name)
			if f.Deferrable && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, c := range l.changes {
		for _, t := range c.Pair.Targets {
			add(t.Table.ForeignKeys)
			add(t.Table.Referenced)
		}
	}
	if len(names) == 0 {
		return nil
	}
	l.o.say(nameChecks, "SET CONSTRAINTS "+strings.Join(names, ", ")+" IMMEDIATE", 'X', nil, nil, nil)
	delete(l.o.l.prepared, nameChecks) // which has another text the next time
	return l.o.flush(time.Time{})
}

// begin says what comes before the first apply: a transaction to have a savepoint
// in where the client has none (one that is begun behind its statements takes
// them in, so nothing is seen of it), the savepoint, and what begins every
// mirrored transaction.
func (l *sameLeg) begin(budget time.Duration) {
	m := l.s.mirror
	l.o = &otherLeg{s: l.s, l: l.s.legs[router.Source], mapped: m.mapped, last: map[rowOf]int{}, tell: m.tell}
	if m.implicit && !m.begun {
		l.o.say(nameLate, "BEGIN", 'X', nil, nil, nil)
		m.begun = true
	}
	l.o.say(nameSame, "SAVEPOINT "+nameSame, 'X', nil, nil, nil)
	l.o.fences(budget)
}

// restore gives the transaction the session's own settings back: what runs at
// its commit are the client's triggers. An error is the end of the client's leg.
func (m *mirroring) restore() error {
	if m.lost != nil || m.same == nil || m.same.o == nil {
		return m.lost
	}
	o := m.same.o
	o.say(nameRestored, restoreText, 'X', nil, nil, o.settings)
	return o.flush(time.Time{})
}

// Rollback takes back what was applied, once something of it has failed: the
// client's transaction goes on without.
func (l *sameLeg) Rollback() {
	if l.o == nil || l.o.failed == nil {
		return
	}
	if errors.Is(l.o.failed, errLost) {
		l.s.mirror.lost = l.o.failed
	} else if err := l.o.undoSame(); err != nil {
		l.s.mirror.lost = fmt.Errorf("%w: roll back to the savepoint: %w", errLost, err)
	}
	l.o = nil
}

// Commit and Committed have nothing to do: the client's own COMMIT is for both.
func (l *sameLeg) Commit() error { return nil }

// Committed is as Commit.
func (l *sameLeg) Committed(time.Duration) error { return nil }

// undoSame ends what the server skips behind an error, and rolls back to the
// savepoint.
func (o *otherLeg) undoSame() error {
	o.failed, o.missed, o.buf = nil, nil, append(o.buf, synced...)
	if err := o.write(0); err != nil {
		return err
	}
	for ready := false; !ready; {
		message, err := o.l.message()
		if err != nil {
			return err
		}
		switch message[0] {
		case 'Z':
			ready = true
		case 'E':
			o.forgetUnparsed()
		case '1', '2', '3', 'C', 'I':
			if len(o.owed) > 0 {
				o.owed = o.owed[1:]
			}
		}
	}
	o.owed, o.missed = nil, nil
	o.add(&pgproto3.Close{ObjectType: 'P', Name: nameSame}) // of what has failed
	o.owed = append(o.owed, owedReply{kind: 'C'})
	o.say(nameSame+"_back", "ROLLBACK TO SAVEPOINT "+nameSame, 'X', nil, nil, nil)
	o.say(nameSame+"_end", "RELEASE SAVEPOINT "+nameSame, 'X', nil, nil, nil)
	return o.flush(time.Time{})
}

// commitsOurs adds the COMMIT of a transaction that was begun behind the client's
// statements, and says how many of its replies are not the client's.
func (c *conversation) commitsOurs() int {
	if !c.m.begun {
		return 0
	}
	o := &otherLeg{s: c.s, l: c.l}
	o.say(nameCommit, "COMMIT", 'X', nil, nil, nil)
	c.out = append(c.out, o.buf...)
	return len(o.owed)
}

// aside gives the client what a server may say at any time, but for the reports
// of what is set for the applies.
func (o *otherLeg) aside(message []byte) error {
	if o.tell == nil || message[0] == 'N' {
		return nil
	}
	name, _, _ := bytes.Cut(message[wire.HeaderSize:], []byte{0})
	if message[0] == 'S' && (string(name) == "is_superuser" || slices.ContainsFunc(applySettings, func(a applySetting) bool { return a.name == string(name) })) {
		return nil
	}
	return o.tell(message)
}
