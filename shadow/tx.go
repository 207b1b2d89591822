package shadow

import (
	"errors"
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Leg is the other side's end of one client transaction, READ COMMITTED. After
// an error its transaction is only good for Rollback.
type Leg interface {
	// Apply sends a change, without waiting for the answer. A delete that meets no
	// row takes the key.
	Apply(*Change) error
	// Send sends what Apply has kept, if it has; that it cannot is said by Await.
	Send()
	// Await waits until all that was sent has been answered.
	Await(budget time.Duration) error
	// Savepoint and RollbackTo work on the savepoint at a depth, 0 the outermost.
	Savepoint(depth int) error
	RollbackTo(depth int) error
	Release(depth int) error
	// Commit asks for the end of the transaction, and Committed waits for it; an
	// error of either says that it may or may not have been committed.
	Commit() error
	Committed(budget time.Duration) error
	// Rollback ends it, in the background if need be. It is called once at most.
	Rollback()
}

// Budget says how much of a transaction is mirrored inline, and how long its
// client waits for the other side.
type Budget struct {
	Wait  time.Duration // per wait at the commit point
	Rows  int           // beyond these it is for the worker
	Bytes int
}

// state of a Tx, in this order; abandoned can follow any before decided.
type state uint8

const (
	empty state = iota // nothing captured
	open               // the leg has a transaction with images
	abandoned
	ended
)

// Options are what a Tx works with.
type Options struct {
	// Open begins a transaction at the other side, at the first change; an error
	// is a cause to abandon.
	Open    func() (Leg, error)
	Journal Journal
	Epoch   Epoch
	Budget  Budget
	// Incarnation is of the authority that the transaction runs on.
	Incarnation Incarnation
	// Atomic: the leg is in the authority's own transaction, so that what was
	// applied is committed with it and is in no doubt.
	Atomic bool
	// Others waits for transactions that have committed on the authority and not
	// yet on the other side; false: there was none, or it took longer than that.
	Others func(most time.Duration) bool
}

// Tx is the mirror of one transaction of the authority: what it changed, and
// the transaction at the other side that takes it over.
type Tx struct {
	opt     Options
	leg     Leg
	state   state
	cause   Cause // of being abandoned
	txid    TxID
	entries []entry
	keys    map[string]map[rewrite.RowKey]struct{}
	whole   map[string]Cause // tables of which any row may have changed
	missing map[string]*Keys // rows that the other side is not given
	saves   []save
	rows    int
	bytes   int
}

// entry is what has to be sent again when the other side's transaction is tried
// anew: a change or a savepoint.
type entry struct {
	change   *Change
	depth    int  // of a savepoint, when change is nil
	released bool // it is the end of one
}

// save is a savepoint of the client.
type save struct {
	name    string
	entries int  // when it was made
	sent    bool // the leg has it
}

// Begin makes the mirror of a transaction that has changed nothing yet.
func Begin(opt Options) *Tx { return &Tx{opt: opt} }

// ErrRefused is an error of Leg.Open for a cause that it names.
type ErrRefused struct{ Cause Cause }

func (e ErrRefused) Error() string { return "not mirrored: " + string(e.Cause) }

// CauseOf is why an error of the leg leaves keys dirty.
func CauseOf(err error) Cause {
	var refused ErrRefused
	if errors.As(err, &refused) {
		return refused.Cause
	}
	return CauseFailed
}

// Empty says that there is nothing to mirror and nothing to remember.
func (t *Tx) Empty() bool { return len(t.keys) == 0 && len(t.whole) == 0 && len(t.missing) == 0 }

// Open says that the other side has a transaction with images.
func (t *Tx) Open() bool { return t.state == open }

// Identify notes the transaction of the authority.
func (t *Tx) Identify(id TxID) {
	if id != 0 {
		t.txid = id
	}
}

// Identified says that the transaction's id is known.
func (t *Tx) Identified() bool { return t.txid != 0 }

// Whole notes that any row of a table may have changed.
func (t *Tx) Whole(table string, why Cause) {
	if t.whole == nil {
		t.whole = map[string]Cause{}
	}
	if before, known := t.whole[table]; known && before != CauseFailed {
		return // that it was changed out of sight is not taken back
	}
	t.whole[table] = why
}

// Captured takes a change over. Its keys are remembered whatever becomes of it.
func (t *Tx) Captured(c *Change) {
	switch {
	case c.Kind == Truncated:
		for _, p := range c.Pairs {
			t.Whole(p.Name(), CauseFailed)
		}
	case c.Rows() == 0:
		return
	default:
		c.last()
		t.remember(c)
	}
	t.rows += c.Rows()
	t.bytes += c.Bytes()
	if t.misses(c) {
		t.abandon(CauseUncaptured)
	}
	t.send(c)
}

func (t *Tx) remember(c *Change) {
	name := c.Pair.Name()
	if t.whole[name] == CauseBulk {
		return
	}
	if t.keys == nil {
		t.keys = map[string]map[rewrite.RowKey]struct{}{}
	}
	if t.keys[name] == nil {
		t.keys[name] = map[rewrite.RowKey]struct{}{}
	}
	for _, image := range c.Images {
		if key, ok := c.Pair.KeyOf(image); ok {
			t.keys[name][key] = struct{}{}
		}
	}
	for _, key := range c.Gone {
		t.keys[name][key] = struct{}{}
	}
	for key := range t.keys[name] {
		if len(t.keys[name])*(len(key)+keyCost) > keysMost { // by the size of any of them
			delete(t.keys, name)
			t.Whole(name, CauseBulk)
		}
		break
	}
}

const (
	// keysMost is what the keys of one table may take in an intent, in bytes; then
	// the table is remembered as a whole.
	keysMost = 4 << 20
	keyCost  = 4 // of a key's length
)

// send applies a change, or keeps from it when the transaction is too large.
func (t *Tx) send(c *Change) {
	switch {
	case t.state == abandoned || t.state == ended:
		return
	case t.rows > t.opt.Budget.Rows || t.bytes > t.opt.Budget.Bytes:
		t.abandon(CauseBulk)
		return
	case t.state == empty:
		if err := t.begin(); err != nil {
			t.abandon(CauseOf(err))
			return
		}
	}
	t.entries = append(t.entries, entry{change: c})
	if err := t.leg.Apply(c); err != nil {
		t.failed(err)
	}
}

func (t *Tx) begin() error {
	leg, err := t.opt.Open()
	if err != nil {
		return err
	}
	t.leg, t.state = leg, open
	return nil
}

// failed abandons the transaction over an error of the leg.
func (t *Tx) failed(err error) { t.abandon(CauseOf(err)) }

// abandon gives the other side up: its transaction is rolled back, and the keys
// become dirty once the authority has committed.
func (t *Tx) abandon(why Cause) {
	if t.state == abandoned || t.state == ended {
		return
	}
	if t.leg != nil {
		t.leg.Rollback()
		t.leg = nil
	}
	t.state, t.cause, t.entries = abandoned, why, nil
}

// Abandon gives the other side up, as what follows cannot be mirrored.
func (t *Tx) Abandon(why Cause) { t.abandon(why) }

// Cause is why the transaction is not mirrored; empty while it is.
func (t *Tx) Cause() Cause { return t.cause }

// again sends all that was captured in a new transaction of the leg.
// Each is answered before the next, as one may need what another has to put
// there first.
func (t *Tx) again(deadline time.Time) error {
	if t.leg != nil {
		t.leg.Rollback()
	}
	t.leg = nil
	leg, err := t.opt.Open()
	if err != nil {
		return err
	}
	t.leg = leg
	for _, e := range t.entries {
		switch {
		case e.change != nil:
			err = t.leg.Apply(e.change)
		case e.released:
			err = t.leg.Release(e.depth)
		default:
			err = t.leg.Savepoint(e.depth)
		}
		if err == nil && !t.opt.Atomic {
			err = t.leg.Await(time.Until(deadline))
		}
		if err != nil {
			return err
		}
	}
	if t.opt.Atomic { // which sends nothing before
		return t.leg.Await(time.Until(deadline))
	}
	return nil
}

// Retry says when an error of the other side may be gone.
type Retry uint8

// Retries.
const (
	Never  Retry = iota
	Soon         // a lock that only the other side takes
	Behind       // an earlier transaction has not committed there yet
)

// Retrying is an error that may be gone when the same is tried again.
type Retrying interface{ Retry() Retry }

// pause waits until an error may be gone; false: it will not be in time.
func (t *Tx) pause(err error, pause time.Duration, deadline time.Time) bool {
	var r Retrying
	left := time.Until(deadline)
	if !errors.As(err, &r) || left <= t.opt.Budget.Wait/retryShare {
		return false
	}
	switch r.Retry() {
	case Soon:
		if left < pause+t.opt.Budget.Wait/retryShare {
			return false
		}
		<-time.After(pause)
		return true
	case Behind:
		// the one behind which it was may have ended since
		return t.opt.Others != nil && t.opt.Others(left/2) || pause == firstPause
	case Never:
	}
	return false
}

// retryShare of the budget has to be left for another try: one that is cut short
// says nothing about the other side.
const retryShare = 4

const firstPause = time.Millisecond

// await waits for the applies; what an unfinished transaction there may cause is
// tried again within the budget (WRITEPATH §1).
func (t *Tx) await() error {
	if t.state != open {
		return nil
	}
	deadline := time.Now().Add(t.opt.Budget.Wait)
	err := t.leg.Await(t.opt.Budget.Wait)
	for pause := firstPause; err != nil && t.pause(err, pause, deadline); pause *= 2 {
		err = t.again(deadline)
	}
	return err
}

// Rolled takes back all of it: the authority has rolled back.
func (t *Tx) Rolled() {
	if t.leg != nil {
		t.leg.Rollback()
		t.leg = nil
	}
	t.state = ended
}

// Endings.
const (
	Committed Ending = iota
	RolledBack
	Unknown
)

// Tables are the names of the tables that the transaction has changed.
func (t *Tx) Tables() []string {
	var names []string
	for name := range t.keys {
		names = append(names, name)
	}
	for name := range t.whole {
		if _, known := t.keys[name]; !known {
			names = append(names, name)
		}
	}
	for name := range t.missing {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
