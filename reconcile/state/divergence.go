package state

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Sighting is a difference as somebody has met it. What it shows of rows is
// what the evidence policy allows; Key alone is in the clear, as repair needs it.
type Sighting struct {
	Kind     DivergenceKind  `json:"kind"`
	Table    string          `json:"table"`
	Key      string          `json:"-"`
	KeyShown string          `json:"key"`
	Columns  []string        `json:"columns"` // of the target, that differ
	Digest   string          `json:"digest"`  // of the statement; empty: not known
	TxID     uint64          `json:"transaction"`
	Epoch    uint64          `json:"epoch"`
	Cause    string          `json:"cause"`
	Before   json.RawMessage `json:"before,omitempty"` // of the other side
	After    json.RawMessage `json:"after,omitempty"`  // of the authority
}

// Divergence is a difference and what became of it: one for each table, key and
// kind.
type Divergence struct {
	ID    uint64          `json:"id"`
	State DivergenceState `json:"state"`
	Sighting
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Count     uint64    `json:"seen"` // how often
	Life      Life      `json:"life"`
	Waiver    *Waiver   `json:"waiver,omitempty"` // the last one, in force or not
}

// Seen is a sighting in a state at a time. A Verified one may leave the kind
// empty: then all of the key's divergences are.
type Seen struct {
	Sighting
	State DivergenceState
	At    time.Time
	Known bool // it only adds to one that is there; else nothing is noted
}

// Bounds of what is kept (THREATS V30).
const (
	divergencesMost = 10_000   // of a table; of them merely suspected: half
	sightingMost    = 64 * kib // of what one sighting brings
)

// ErrNoRoom says that a new divergence was left out, as its table has too many or
// it is too large.
var ErrNoRoom = errors.New("there is no room for another divergence")

// Diverge notes sightings, in one transaction, and says of each what became of
// it: nil, ErrNoRoom, or why there cannot be such a one. One of a table, key and
// kind that is known already adds to it. most bounds how many are kept of a
// table, 0: 10,000. With an error nothing was noted.
func (s *Store) Diverge(ctx context.Context, most int, seen ...Seen) (fates []error, err error) {
	most = cmp.Or(max(most, 0), divergencesMost)
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		fates = make([]error, len(seen))
		r := rooms{most: most, of: map[string]*room{}}
		for i := range seen {
			if fates[i] = seen[i].fault(); fates[i] != nil {
				continue
			}
			if fates[i], err = s.sight(ctx, tx, &seen[i], &r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fates, nil
}

// fault is why there cannot be such a sighting.
func (n *Seen) fault() error {
	size := len(n.Key) + len(n.KeyShown) + len(n.Before) + len(n.After) + len(n.Digest) + len(n.Cause)
	for _, column := range n.Columns {
		size += len(column)
	}
	switch {
	case n.State == Verified && n.Kind == "":
		return nil
	case !n.Kind.valid() || n.State == Waived || lives[n.State] == nil:
		return fmt.Errorf("a divergence of kind %q cannot be seen as %q", n.Kind, n.State)
	case size > sightingMost:
		return ErrNoRoom
	}
	return nil
}

func (s *Store) sight(ctx context.Context, tx *sql.Tx, n *Seen, r *rooms) (fate, err error) {
	if n.Kind == "" {
		return nil, s.verifyKey(ctx, tx, n)
	}
	known, err := s.divergences(ctx, tx, "WHERE tbl = ? AND key = ? AND kind = ?", n.Table, blob(n.Key), string(n.Kind))
	switch {
	case err != nil:
		return nil, err
	case len(known) == 1:
		return s.sightAgain(ctx, tx, &known[0], n)
	case n.Known:
		return nil, nil
	}
	room, err := s.room(ctx, tx, n.Table, r)
	switch {
	case err != nil:
		return nil, err
	case !room.take(n.State, r.most):
		return ErrNoRoom, nil
	}
	d := Divergence{State: n.State, Sighting: n.Sighting, FirstSeen: n.At, LastSeen: n.At, Count: 1}
	d.Life.reached(n.State, n.At)
	return nil, s.writeDivergence(ctx, tx, &d)
}

// room is how many divergences there are of a table.
type room struct{ all, suspected int }

type rooms struct {
	most int
	of   map[string]*room
}

func (s *Store) room(ctx context.Context, tx *sql.Tx, table string, r *rooms) (*room, error) {
	if r.of[table] != nil {
		return r.of[table], nil
	}
	n := &room{}
	row := tx.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE state = ?) FROM divergences WHERE tbl = ?", Suspected, table)
	if err := row.Scan(&n.all, &n.suspected); err != nil {
		return nil, s.explain("read", err)
	}
	r.of[table] = n
	return n, nil
}

// take says that there is room for one more, and counts it.
func (r *room) take(state DivergenceState, most int) bool {
	if r.all >= most || state == Suspected && r.suspected >= (most+1)/2 {
		return false
	}
	r.all++
	if state == Suspected {
		r.suspected++
	}
	return true
}

func (s *Store) sightAgain(ctx context.Context, tx *sql.Tx, d *Divergence, n *Seen) (fate, err error) {
	next, fate := d.sighted(n.State, n.At)
	if fate != nil {
		return fate, nil
	}
	if next != d.State {
		d.Life.reached(next, n.At)
	}
	d.State, d.LastSeen, d.Count = next, n.At, d.Count+1
	if next == n.State { // what is weaker does not take the evidence away
		d.Sighting = n.Sighting
	}
	return nil, s.writeDivergence(ctx, tx, d)
}

// verifyKey notes that both sides were found equal at a key.
func (s *Store) verifyKey(ctx context.Context, tx *sql.Tx, n *Seen) error {
	known, err := s.divergences(ctx, tx, "WHERE tbl = ? AND key = ? AND state <> ?", n.Table, blob(n.Key), Verified)
	if err != nil {
		return err
	}
	for i := range known {
		known[i].State, known[i].Life.Verified = Verified, n.At
		if err := s.writeDivergence(ctx, tx, &known[i]); err != nil {
			return err
		}
	}
	return nil
}

// ErrNoDivergence says that there is none of that number.
var ErrNoDivergence = errors.New("there is no such divergence")

// SetState brings a divergence to a state, if its life goes on there: else it
// is a *TransitionError.
func (s *Store) SetState(ctx context.Context, id uint64, to DivergenceState, at time.Time) error {
	return s.change(ctx, id, func(d *Divergence) error {
		if to == Waived || !d.State.canBecome(to) {
			return &TransitionError{ID: id, From: d.State, To: to}
		}
		d.State = to
		d.Life.reached(to, at)
		return nil
	})
}

// Waive notes that somebody has taken a divergence on. A second waiver takes the
// place of the first.
func (s *Store) Waive(ctx context.Context, id uint64, w Waiver) error {
	if w.By == "" || w.Reason == "" || !w.Until.After(w.Since) {
		return errors.New("a waiver needs a name, a reason, and an end that is to come")
	}
	return s.change(ctx, id, func(d *Divergence) error {
		w.From = d.State
		switch {
		case d.State == Waived:
			w.From = d.Waiver.From
		case !d.State.canBecome(Waived):
			return &TransitionError{ID: id, From: d.State, To: Waived}
		}
		w.By, w.Reason = valid(w.By), valid(w.Reason)
		d.State, d.Waiver = Waived, &w
		return nil
	})
}

// Expire gives divergences whose waiver has ended the state back that they had,
// and says how many there were.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE divergences SET state = waived_from WHERE state = ? AND waive_until <= ?", Waived, micro(now))
		if err != nil {
			return s.explain("write", err)
		}
		n, err = result.RowsAffected()
		return err
	})
	return int(n), err
}

// change does something to one divergence.
func (s *Store) change(ctx context.Context, id uint64, do func(*Divergence) error) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		known, err := s.divergences(ctx, tx, "WHERE id = ?", int64(id))
		switch {
		case err != nil:
			return err
		case len(known) == 0:
			return fmt.Errorf("divergence %d: %w", id, ErrNoDivergence)
		}
		if err := do(&known[0]); err != nil {
			return err
		}
		return s.writeDivergence(ctx, tx, &known[0])
	})
}
