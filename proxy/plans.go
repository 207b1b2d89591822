package proxy

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/router"
)

// plans remember what becomes of texts, in two levels: by the text itself, and
// by the text without its literals (PERFORMANCE §5.4). What a text means hangs on
// the session's search_path and login, so these are part of the key.
type plans struct {
	mu     sync.RWMutex
	exact  map[exactKey]*writes.Plan
	shapes map[shapeKey]*writes.Plan
}

type exactKey struct {
	text uint64
	env  string
}

type shapeKey struct{ text, env string }

// plansMost bounds how many texts are remembered at each level; then all are
// forgotten, and learnt again.
const plansMost = 20_000

// parsers bounds the cold parses at once: they run in C, each on a thread.
var parsers = make(chan struct{}, 4)

// planned is what becomes of a text in the session.
func (s *session) planned(text []byte, key uint64) *writes.Plan {
	m := s.mirror
	if s.readsOddly() {
		return writes.Decide(nil, m.names.env) // its bytes mean something else (DEPENDENCIES)
	}
	plan := s.plannedBy(m.names, text, key)
	switch {
	case m.doubtful && (plan.Class == writes.Copy || plan.Class == writes.Verbatim || copies(plan)):
		return plan // else they would make every table dirty
	case m.doubtful:
		return inDoubt(doubted(plan, s.plannedBy(m.guess(), text, key)), pgsql.Classify(text, 0)&pgsql.Opaque != 0)
	case m.moving == namesMayMove:
		return doubted(plan, s.plannedBy(m.guess(), text, key))
	default:
		return plan
	}
}

// readsOddly says that the bytes of a text mean something else than they do by
// default.
func (s *session) readsOddly() bool {
	return s.eng.Reading().Backslashes || s.eng.Pinned() == router.PinEncoding
}

// plannedBy is what becomes of a text if its names mean that.
func (s *session) plannedBy(n *names, text []byte, key uint64) *writes.Plan {
	if known := s.mirror.mapped.plans.known(exactKey{key, n.key}); known != nil {
		return known
	}
	return s.planAnew(n, text, key)
}

func (p *plans) known(key exactKey) *writes.Plan {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.exact[key]
}

// planAnew looks for the shape of a text, and analyses what is not known.
func (s *session) planAnew(n *names, text []byte, key uint64) *writes.Plan {
	m := s.mirror
	cache := &m.mapped.plans
	m.normal = m.normal[:0]
	normal, ok := parse.Key(text, m.normal)
	m.normal = normal
	if ok {
		shape := shapeKey{string(normal), n.key}
		cache.mu.RLock()
		like := cache.shapes[shape]
		cache.mu.RUnlock()
		if like != nil {
			if st, fits := parse.Resplice(text, like.Statement); fits {
				plan := *like
				plan.Statement = st
				return &plan
			}
		}
		plan := s.analyse(n, text, normal)
		if plan.Statement != nil {
			cache.keep(func() { cache.shapes[shape] = plan })
		}
		cache.keep(func() { cache.exact[exactKey{key, n.key}] = plan })
		return plan
	}
	plan := s.analyse(n, text, text)
	cache.keep(func() { cache.exact[exactKey{key, n.key}] = plan })
	return plan
}

func (p *plans) keep(put func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exact == nil || len(p.exact) > plansMost || len(p.shapes) > plansMost {
		p.exact, p.shapes = map[exactKey]*writes.Plan{}, map[shapeKey]*writes.Plan{}
	}
	put()
}

// analyse parses a text, in one of a few places.
func (s *session) analyse(n *names, text, normal []byte) *writes.Plan {
	parsers <- struct{}{}
	defer func() { <-parsers }()
	st, err := parse.Analyse(text, s.server.opt.Mirror.Parse)
	if err != nil {
		st = nil
	}
	plan := writes.Decide(st, n.env)
	if tally := s.server.opt.Mirror.Observer.Tally; tally != nil {
		plan.Tally = tally(digest(normal), kindOf(plan), plan.Tables())
	}
	return plan
}

// digest names a statement: xxh64 of its text without literals.
func digest(normal []byte) string { return fmt.Sprintf("%016x", xxhash.Sum64(normal)) }

func kindOf(p *writes.Plan) string {
	if p.Statement == nil {
		return rewrite.Unknown.String()
	}
	return p.Statement.Kind.String()
}

func itoa(n int) string { return strconv.Itoa(n) }
