package live

import (
	"iter"
	"time"

	"github.com/crossfade-db/crossfade/router"
)

// Session is what is known of a session while it lasts.
type Session struct {
	ID     uint64
	User   string
	Key    string // the name of what was hashed, never its value
	Bucket uint16
	Side   router.Side
	Pin    router.Reason // None: it can move
	Since  time.Time     // on this side
}

// PutSession says how a session is from now on.
func (l *Live) PutSession(s Session) {
	txn := l.tables.Txn(true)
	defer txn.Abort()
	must(txn.Insert(sessions, &s))
	txn.Commit()
}

// DeleteSession says that a session is over; one that is not there is no error.
func (l *Live) DeleteSession(number uint64) {
	txn := l.tables.Txn(true)
	defer txn.Abort()
	row, err := txn.First(sessions, id, number)
	must(err)
	if row == nil {
		return
	}
	must(txn.Delete(sessions, row))
	txn.Commit()
}

// Sessions are all sessions of one instant, by their number. What it yields is
// not to be changed.
func (l *Live) Sessions() iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		if l.tables == nil {
			return
		}
		rows, err := l.tables.Txn(false).Get(sessions, id)
		must(err)
		for row := rows.Next(); row != nil; row = rows.Next() {
			if !yield(row.(*Session)) {
				return
			}
		}
	}
}

// Counts are how many sessions there are.
type Counts struct {
	Sides [router.Sides]int
	Pins  [router.Reasons]int // those that cannot move, by the reason
}

// CountSessions looks at all of them: some tenths of a millisecond for 10,000.
func (l *Live) CountSessions() Counts {
	var c Counts
	for s := range l.Sessions() {
		c.Sides[s.Side]++
		if s.Pin != router.None {
			c.Pins[s.Pin]++
		}
	}
	return c
}
