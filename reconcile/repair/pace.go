package repair

import "time"

// Bounds of a chunk's rows.
const (
	firstRows = 200
	mostRows  = 5000
	leastRows = 50 // as long as nothing but time is in the way
)

// pace is how many rows a chunk has, so that the source is not held too long: a
// part of that is the same for every chunk, however many rows it has.
type pace struct {
	rows  int           // of the next chunk
	fixed time.Duration // the smallest that was seen
}

// after learns from a chunk that had so many rows: the next has as many as fit
// into four fifths of the time, at most half as many more, and half as many
// where the time was over. Time alone never makes it less than leastRows: where
// the trips to the servers take all of it, fewer rows would not help.
func (p *pace) after(had int, held, most time.Duration) {
	switch {
	case p.fixed == 0 || held < p.fixed:
		p.fixed = held
	case had <= leastRows:
		p.fixed += (held - p.fixed) / 8 // it is fixed for the most part
	}
	if had < p.rows {
		return // a short chunk says little
	}
	goal, rows := most*4/5, float64(p.rows)
	fit := 1.5*rows + 1
	if held > p.fixed {
		fit = min(fit, rows*float64(goal-p.fixed)/float64(held-p.fixed))
	}
	switch {
	case held > most:
		fit = min(fit, rows/2)
	case held > goal:
		fit = min(fit, rows)
	}
	floor := max(rows/2, min(rows, leastRows))
	p.rows = int(min(max(fit, floor), mostRows))
}

// smaller makes the next chunk smaller, whatever the reason.
func (p *pace) smaller() { p.rows = max(1, p.rows/4) }
