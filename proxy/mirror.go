package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/image"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// MirrorOptions are what mirroring works with; a server without them relays.
type MirrorOptions struct {
	Journal shadow.Journal
	// Mapped is what is mirrored now; nil inside: nothing.
	Mapped      *atomic.Pointer[Mapped]
	Epoch       func() shadow.Epoch
	Incarnation func() shadow.Incarnation // of the source
	// Dialling is asked before a leg is dialled in which life its side is, and what
	// it returns when the leg has logged in: an error of either says that this is
	// not known, so that the leg may not be used. It may wait, as long as ctx
	// lasts. nil: nobody is asked.
	Dialling func(ctx context.Context, at router.Side) (dialled func(ctx context.Context) error, err error)
	Ready    func(table string) bool // its reads may be answered by the target
	// Dirty says that a row may differ, alone or with its table; nil: none does.
	Dirty       func(table string, key rewrite.RowKey) bool
	Budget      time.Duration
	OpenFor     [2]time.Duration // of the breaker: the first time, and the longest; zero: its own
	LockTimeout time.Duration
	Wait        time.Duration // canary.wait
	Rows        int           // limits.inline_rows
	Bytes       int
	Early       bool // mirror.answer: authority
	// Linger is how long the end of a commit that was answered early is left to its
	// session, which does it beside its next one; zero: 5 ms.
	Linger      time.Duration
	OneServer   bool // both shapes are in one database
	Uncaptured  Uncaptured
	Definitions Definitions
	Frame       int // bytes of a message that is held
	Parse       parse.Limits
	Observer    MirrorObserver
}

// Uncaptured says what happens to a write whose rows cannot be seen.
type Uncaptured uint8

// Fates of an uncaptured write.
const (
	DirtyTable Uncaptured = iota
	RefuseUncaptured
	IgnoreUncaptured
)

// Definitions says what happens to a change of a mapped table's definition.
type Definitions uint8

// Fates of a definition.
const (
	RefuseDefinition Definitions = iota
	AuthorityDefinition
)

// MirrorObserver is told what becomes of writes; a nil func is silence.
type MirrorObserver struct {
	// Mirrored tells how a transaction with captured writes ended, per table.
	Mirrored func(table string, outcome shadow.Outcome, cause shadow.Cause)
	// Uncaptured tells of a statement whose rows could not be seen.
	Uncaptured func(why writes.Why)
	// Tally gives the counters of a statement, by a digest that its literals are
	// no part of.
	Tally func(digest, kind string, tables []string) writes.Tally
	// Step times one step of a mirrored commit.
	Step func(step string, took time.Duration)
	// Defined tells that a definition has changed, so that the catalogs have to be
	// read again.
	Defined func()
	// Refused tells of an error of the target within a mirrored transaction.
	Refused func(sqlstate string)
	// Missed tells of a delete that met no row at the target, and whether its key
	// was taken there.
	Missed func(followed bool)
	// Effect tells of a row that the target did not have when an update or a delete
	// of it came, which nothing explains; the transaction has ended on both sides,
	// and with it the difference.
	Effect func(table string, key rewrite.RowKey, id shadow.TxID)
	// Fenced tells that the target refuses our epoch.
	Fenced func()
}

// Mapped is a mapping held against both catalogs, with what is made of it.
// It is immutable; texts are made at the first use.
type Mapped struct {
	Plan *rewrite.Plan
	// Rights of the logins at the source, by login name.
	Rights map[string]map[rewrite.Name]writes.Rights

	mu      sync.Mutex
	targets map[*rewrite.Target]*targetTexts
	watched []watched
	byOID   map[uint32]*rewrite.Pair
	plans   plans
}

// targetTexts are the statements that bring images to one target, and the names
// that they are prepared under.
type targetTexts struct {
	*image.Texts
	name string
}

// watched is a table whose changes the server counts. One that is not mapped is
// watched for its deferred triggers.
type watched struct {
	oid  uint32
	pair *rewrite.Pair
}

// pending are the commits of mapped tables that are on their way to the target:
// a read there waits for those that began before it (DESIGN §5).
type pending struct {
	mu  sync.Mutex
	all map[string]map[*commit]struct{}
}

// commit is one that is under way.
type commit struct {
	tx     *shadow.Tx // which changes no more
	later  atomic.Pointer[later]
	waited atomic.Bool // somebody waits for it
	done   chan struct{}
}

// begin notes a commit of tables.
func (p *pending) begin(tx *shadow.Tx, tables []string) *commit {
	c := &commit{tx: tx, done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[string]map[*commit]struct{}{}
	}
	for _, name := range tables {
		if p.all[name] == nil {
			p.all[name] = map[*commit]struct{}{}
		}
		p.all[name][c] = struct{}{}
	}
	return c
}

// end notes that it has ended on both sides, or that its keys are dirty.
func (p *pending) end(c *commit, tables []string) {
	p.mu.Lock()
	for _, name := range tables {
		delete(p.all[name], c)
	}
	p.mu.Unlock()
	close(c.done)
}

// wait waits for the commits of a table that are under way, until a deadline.
func (p *pending) wait(tables []*rewrite.Pair, most time.Duration) bool {
	var under []*commit
	p.mu.Lock()
	for _, t := range tables {
		for c := range p.all[t.Name()] {
			under = append(under, c)
		}
	}
	p.mu.Unlock()
	return len(under) == 0 || allEnded(under, most)
}

// waitAll waits for the commits that are under way; false: there is none, or
// they took longer than that.
func (p *pending) waitAll(most time.Duration) bool {
	p.mu.Lock()
	var under []*commit
	for _, commits := range p.all {
		for c := range commits {
			under = append(under, c)
		}
	}
	p.mu.Unlock()
	return len(under) > 0 && allEnded(under, most)
}

// allEnded waits for commits.
func allEnded(under []*commit, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for _, c := range under {
		c.waited.Store(true)
		c.later.Load().hurry()
	}
	for _, c := range under {
		select {
		case <-c.done:
		case <-timer.C:
			return false
		}
	}
	return true
}

// mapped is what is mirrored now; nil: nothing.
func (s *Server) mapped() *Mapped {
	if s.opt.Mirror == nil {
		return nil
	}
	return s.opt.Mirror.Mapped.Load()
}

// Unmirrored counts the sessions that are in the middle of something and do not
// mirror by that mapping.
func (s *Server) Unmirrored(by *Mapped) (n int) {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	for _, session := range s.sessions.all {
		busy := session.slot.generation.Load()&1 == 1 || session.share != nil && session.share.inside.Load()
		if busy && (session.share == nil || session.share.mirrored.Load() != by) {
			n++
		}
	}
	return n
}

// unmirrored is why nothing is applied to the target at the moment.
func (s *Server) unmirrored() shadow.Cause {
	policy := s.policy()
	switch {
	case policy.Off:
		return shadow.CauseOff
	case policy.Target != router.TargetOpen:
		return shadow.CauseBreaker
	default:
		return ""
	}
}

// fenceRefused: another authority or epoch is in force at the target, or the
// fence is not there. Nothing is written there until somebody has looked.
func (s *Server) fenceRefused() {
	if tell := s.opt.Mirror.Observer.Fenced; tell != nil {
		tell()
	}
	s.breaker.trip("its fence refuses this proxy (crossfade.epoch)")
}

// mirrorFailed counts an error of the target; what concerns the server and not
// one row opens the breaker.
func (s *Server) mirrorFailed(e *pgwire.ServerError) {
	if tell := s.opt.Mirror.Observer.Refused; tell != nil {
		tell(e.Code)
	}
	switch {
	case trouble(e.Code):
		s.breaker.trip("it refuses writes (SQLSTATE " + e.Code + ")")
	case e.Code == "25006":
		s.breaker.trip("it is read-only")
	}
}

// missedDelete counts a delete that met no row at the target.
func (s *Server) missedDelete(followed bool) {
	if tell := s.opt.Mirror.Observer.Missed; tell != nil {
		tell(followed)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// textNumber numbers the statements of all mappings of the process: a leg may
// outlive the mapping that it has prepared statements of.
var textNumber atomic.Uint64

// textsFor are the statements for one target.
func (m *Mapped) textsFor(p *rewrite.Pair, t *rewrite.Target) *targetTexts {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x := m.targets[t]; x != nil {
		return x
	}
	if m.targets == nil {
		m.targets = map[*rewrite.Target]*targetTexts{}
	}
	x := &targetTexts{Texts: image.For(p, t), name: pgwire.Reserved + "_" + itoa(int(textNumber.Add(1))) + "_"}
	m.targets[t] = x
	return x
}

// pairOf is the pair that a table of the source belongs to; nil: none.
func (m *Mapped) pairOf(oid uint32) *rewrite.Pair {
	m.watch()
	return m.byOID[oid] // which does not change any more
}

// watch are the tables whose changes are counted for statements that may change
// more than they show: those that are mapped, and their partitions.
func (m *Mapped) watch() []watched {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watched != nil {
		return m.watched
	}
	m.watched, m.byOID = []watched{}, map[uint32]*rewrite.Pair{}
	for name, t := range m.Plan.Source.Tables {
		if pair := m.Plan.Pair(name); pair != nil && t.Kind == rewrite.OrdinaryTable {
			m.watched = append(m.watched, watched{t.OID, pair})
			m.byOID[t.OID] = pair
		} else if pair == nil && t.Late() {
			m.watched = append(m.watched, watched{t.OID, nil})
		}
	}
	return m.watched
}
