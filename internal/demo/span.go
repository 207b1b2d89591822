package demo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/router"
)

// span is what the clients saw in one part of the demo, as while one share was
// in force. All sessions write into it.
type span struct {
	mu sync.Mutex
	spanned
}

// spanned is the content of a span.
type spanned struct {
	told   [router.Sides]int             // statements, by the server that said it answered
	took   [router.Sides][]time.Duration // how long each took
	by     [router.Sides]map[int]bool    // numbers of the browsers that were told so
	last   [router.Sides]time.Time       // when the last of them outside of a transaction began
	snaps  [router.Sides]int             // snapshots that were read, by the server that had them
	shaped [router.Sides]int             // readings of the table whose shape differs
	own    [router.Sides]int             // readings of a browser's own row, just written
	orders int                           // placed by the tills
	worst  time.Duration                 // the longest piece of work of the tills
	failed int
	first  error          // the first failure
	again  map[string]int // transactions that were told to run again, by SQLSTATE
	losers map[int]bool   // numbers of the browsers whose transactions those were
}

// answer is one statement that has named its server.
type answer struct {
	browser int
	side    router.Side
	begun   time.Time
	took    time.Duration
	inside  bool // of a transaction
}

func (s *span) heard(a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[a.side]++
	s.took[a.side] = append(s.took[a.side], a.took)
	if s.by[a.side] == nil {
		s.by[a.side] = map[int]bool{}
	}
	s.by[a.side][a.browser] = true
	if !a.inside && a.begun.After(s.last[a.side]) {
		s.last[a.side] = a.begun
	}
}

func (s *span) snapped(side router.Side) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snaps[side]++
}

// reshaped notes a reading of the table whose shape differs.
func (s *span) reshaped(side router.Side) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shaped[side]++
}

// readOwn notes that a browser has found what it had just written.
func (s *span) readOwn(side router.Side) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own[side]++
}

func (s *span) worked(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worst = max(s.worst, took)
}

func (s *span) ordered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders++
}

func (s *span) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed++
	if s.first == nil {
		s.first = err
	}
}

// interrupted notes a transaction of a browser that is to run again.
func (s *span) interrupted(browser int, sqlstate string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again == nil {
		s.again, s.losers = map[string]int{}, map[int]bool{}
	}
	s.again[sqlstate]++
	s.losers[browser] = true
}

// seen is a copy of the content.
func (s *span) seen() spanned {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.spanned
	seen.by = [router.Sides]map[int]bool{maps.Clone(s.by[router.Source]), maps.Clone(s.by[router.Target])}
	seen.again, seen.losers = maps.Clone(s.again), maps.Clone(s.losers)
	for side := range seen.took {
		seen.took[side] = slices.Clone(seen.took[side])
	}
	return seen
}

// interruptions is how many transactions were told to run again.
func (s *spanned) interruptions() int {
	n := 0
	for _, count := range s.again {
		n += count
	}
	return n
}

// runAgain is the SQLSTATE of an error that ends a transaction whose server was
// lost and leaves the session: class 08, or 57P01 to 57P03 (manual, appendix A).
func runAgain(err error) (sqlstate string, ok bool) {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return "", false
	}
	return refusal.Code, strings.HasPrefix(refusal.Code, "08") || strings.HasPrefix(refusal.Code, "57P")
}

// desk is where a session writes down what it does: in one span at a time.
type desk struct {
	mu sync.Mutex
	at *span
}

// during does one piece of work, which belongs to one span as a whole.
func (d *desk) during(do func(at *span)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do(d.at)
}

// enter changes the span. When it returns, nothing of the one before is under
// way any more.
func (d *desk) enter(s *span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = s
}

// codes lists SQLSTATEs with their numbers.
func codes(by map[string]int) string {
	var words []string
	for _, code := range slices.Sorted(maps.Keys(by)) {
		words = append(words, fmt.Sprintf("%s %d", code, by[code]))
	}
	return "(SQLSTATE " + strings.Join(words, ", ") + ")"
}
