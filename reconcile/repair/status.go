package repair

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Status is what the worker does, for those who look.
type Status struct {
	Paused bool
	// Waiting names what keeps lanes from going on: paused, the words of
	// Options.Blocked, unreachable, sessions (some do not mirror yet),
	// transactions (older than a mark), writers (of the target, older than a
	// walk), lock_waits, busy, error.
	Waiting  []string
	Repaired uint64 // keys that were written
	Equal    uint64 // keys that needed nothing
	InFlight int    // keys that wait for their transactions
	// Oldest is since when the one waits that has waited longest; zero: none does.
	Oldest   time.Time
	Refused  int // keys that the target does not take
	Flapping int // keys that differ again and again; Resume tries them again
	Walks    []Walk
}

// Walk is the progress of a table's range.
type Walk struct {
	Table   string
	Rows    int64         // done
	Total   int64         // estimated; 0: nobody knows
	PerSec  float64       // over the whole walk
	Soonest time.Duration // until it is done, if all goes as in its best part
	Latest  time.Duration // as in its worst; both zero: it is too early to say
}

// Status tells what the worker does.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Paused: w.paused, Repaired: w.counts[Wrote], Equal: w.counts[Equal], Waiting: slices.Sorted(maps.Keys(w.reasons))}
	for _, wait := range w.waits {
		switch wait.why {
		case InFlight:
			s.InFlight++
			if s.Oldest.IsZero() || wait.since.Before(s.Oldest) {
				s.Oldest = wait.since
			}
		case Refused:
			s.Refused++
		case Flapping:
			s.Flapping++
		case Equal, Wrote, Busy, Unproven, Obstructed, Unmapped, Broken, outcomes:
		}
	}
	s.Walks = w.tables.status(w.opt.Now())
	return s
}

// board is what lanes know of each other's walks.
type board struct {
	mu       sync.Mutex
	taken    map[string]bool
	rest     map[string]time.Time // tables that are left alone until then
	moved    map[string]time.Time // when their walks have last got on
	walks    map[string]*progress
	throttle string
	asked    time.Time
}

func (b *board) leaveAlone(table string, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest[table] = until
}

func (b *board) status(now time.Time) []Walk {
	b.mu.Lock()
	defer b.mu.Unlock()
	var walks []Walk
	for _, table := range slices.Sorted(maps.Keys(b.walks)) {
		if b.taken[table] {
			walks = append(walks, b.walks[table].status(table, now))
		}
	}
	return walks
}

// progress of a range. Rates are of pieces of a second or more.
type progress struct {
	mu          sync.Mutex
	id          int64
	done, total int64
	began       time.Time
	from        int64 // rows that were done when it began
	piece       time.Time
	pieceRows   int64
	best, worst float64 // rows in a second
}

const pieceLeast = time.Second

func (p *progress) begin(now time.Time, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began, p.piece, p.total, p.from, p.pieceRows = now, now, total, p.done, 0
	p.best, p.worst = 0, 0
}

func (p *progress) more(now time.Time, rows int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += int64(rows)
	p.pieceRows += int64(rows)
	took := now.Sub(p.piece)
	if took < pieceLeast {
		return
	}
	rate := float64(p.pieceRows) / took.Seconds()
	if p.best == 0 {
		p.worst = rate
	}
	p.best, p.worst = max(p.best, rate), min(p.worst, rate)
	p.piece, p.pieceRows = now, 0
}

// status has no guess before a hundredth is done, nor where the total is not
// known or was wrong.
func (p *progress) status(table string, now time.Time) Walk {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := Walk{Table: table, Rows: p.done, Total: p.total}
	if took := now.Sub(p.began).Seconds(); took > 0 && !p.began.IsZero() {
		w.PerSec = float64(p.done-p.from) / took
	}
	left := float64(p.total - p.done)
	if p.best <= 0 || p.worst <= 0 || left <= 0 || p.done*100 < p.total {
		return w
	}
	w.Soonest = time.Duration(left / p.best * float64(time.Second))
	w.Latest = time.Duration(left / p.worst * float64(time.Second))
	return w
}
