package journal

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// step is one thing that happens to a journal.
type step struct {
	What  string
	N     int
	Bytes int
	Seed  uint64
}

var drawStep = rapid.Custom(func(t *rapid.T) step {
	return step{
		What: rapid.SampledFrom([]string{
			"append", "append", "append", "append", "leave", "settle", "settle", "wait", "long wait",
			"full", "write fault", "sync fault", "create fault", "remove fault", "restart", "kill", "crash", "crash", "crash in flight",
		}).Draw(t, "what"),
		N:     rapid.IntRange(1, 12).Draw(t, "n"),
		Bytes: rapid.SampledFrom([]int{0, 8, 300, 1500, 5000}).Draw(t, "bytes"),
		Seed:  rapid.Uint64().Draw(t, "seed"),
	}
})

// oracle knows what a journal has promised.
type oracle struct {
	dir     string
	disk    *fakeDisk
	j       *Journal
	serial  uint64
	given   map[uint64][]*shadow.Intent // by id: it may be given again after an intent that was never durable
	must    map[uint64]*shadow.Intent   // durable, and not settled
	settled map[uint64]*shadow.Intent   // settled, perhaps not on the disk
	gone    map[uint64]time.Time        // settled on the disk: never open again
	kept    map[shadow.TxID]time.Time   // when it was settled
	flights []flight
}

type flight struct {
	entry  *Entry
	intent *shadow.Intent
}

var options = Options{SegmentSize: 4 * kib, Window: time.Minute}

func TestWhatIsAcknowledgedSurvivesEveryCrash(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(drawStep, 1, 40).Draw(rt, "script")
		var err error
		synctest.Test(t, func(*testing.T) {
			o := &oracle{
				dir: "/var/journal", disk: newFakeDisk(), given: map[uint64][]*shadow.Intent{}, must: map[uint64]*shadow.Intent{},
				settled: map[uint64]*shadow.Intent{}, gone: map[uint64]time.Time{}, kept: map[shadow.TxID]time.Time{},
			}
			err = o.run(script)
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func (o *oracle) run(script []step) error {
	if err := o.open(); err != nil {
		return err
	}
	defer func() { _ = o.j.Close() }()
	for i, s := range script {
		if err := o.do(s); err != nil {
			return fmt.Errorf("step %d (%s): %w", i, s.What, err)
		}
		if err := o.checkWindow(); err != nil {
			return fmt.Errorf("after step %d (%s): %w", i, s.What, err)
		}
	}
	return o.reopen(o.disk.crash(1), true)
}

func (o *oracle) do(s step) error {
	switch s.What {
	case "append":
		o.append(s)
		return o.land()
	case "leave":
		o.append(s)
	case "settle":
		o.settle(s)
	case "wait":
		<-time.After(2 * beat)
	case "long wait":
		<-time.After(2*time.Minute + 10*time.Second)
	case "full":
		o.disk.fail(opWrite, syscall.ENOSPC, s.N%3+1)
	case "write fault":
		o.disk.fail(opWrite, syscall.EIO, 1)
	case "sync fault":
		o.disk.fail(opSync, syscall.EIO, s.N%3+1)
	case "create fault":
		o.disk.fail(opCreate, syscall.ENOSPC, s.N%3+1)
	case "remove fault":
		o.disk.fail(opRemove, syscall.EIO, s.N)
	case "restart":
		o.disk.heal()
		if err := o.land(); err != nil {
			return err
		}
		if err := o.j.Close(); err != nil && o.j.Stats().Stopped == nil {
			return err
		}
		return o.reopen(o.disk, false)
	case "kill":
		return o.reopen(o.disk.copy(), true)
	case "crash":
		return o.reopen(o.disk.crash(s.Seed), true)
	case "crash in flight":
		return o.crashInFlight(s)
	}
	return nil
}

// crashInFlight takes the disk between a write and its fsync.
func (o *oracle) crashInFlight(s step) error {
	hold := make(chan struct{})
	o.disk.stall(hold)
	o.append(s)
	synctest.Wait()
	after := o.disk.crash(s.Seed)
	close(hold)
	o.flights = nil
	return o.reopen(after, true)
}

func (o *oracle) append(s step) {
	for i := range s.N {
		o.serial++
		in := &shadow.Intent{
			Epoch: 3, TxID: shadow.TxID(o.serial), Incarnation: "7301-1-2026",
			Tables: []shadow.TableKeys{{Table: "public.users", Keys: []rewrite.RowKey{rewrite.RowKey(make([]byte, s.Bytes+i))}}, {Table: "all", Whole: true}},
		}
		e := o.j.Append(in)
		if e.ID() != 0 {
			o.given[e.ID()] = append(o.given[e.ID()], in)
			o.flights = append(o.flights, flight{e, in})
		}
	}
}

// land waits for all that is in flight.
func (o *oracle) land() error {
	before := make(map[uint64]bool, len(o.settled))
	for id := range o.settled {
		before[id] = true
	}
	for _, f := range o.flights {
		id := f.entry.ID()
		if f.entry.Wait() != nil {
			continue
		}
		if o.must[id] != nil {
			return fmt.Errorf("id %d was given twice", id)
		}
		if _, ok := o.gone[id]; ok {
			return fmt.Errorf("id %d was given again", id)
		}
		o.must[id] = f.intent
		for id := range before { // these rode with it, or before it
			delete(o.settled, id)
			o.gone[id] = time.Now()
		}
	}
	o.flights = nil
	return nil
}

func (o *oracle) settle(s step) {
	if o.land() != nil {
		return // the next step will say so
	}
	for _, id := range sortedKeys(o.must)[:min(s.N, len(o.must))] {
		o.j.Settle(id)
		o.settled[id], o.kept[o.must[id].TxID] = o.must[id], time.Now()
		delete(o.must, id)
	}
}

// reopen begins a new life on what is left of a disk.
func (o *oracle) reopen(after *fakeDisk, abandon bool) error {
	o.disk.heal()
	if abandon {
		// The old life goes on with its own disk only to end its goroutine.
		_ = o.j.Close()
		o.flights = nil
	}
	after.faults = nil
	o.disk = after
	return o.open()
}

func (o *oracle) open() error {
	with := options
	with.FS = o.disk
	j, open, err := Open(o.dir, with)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	o.j = j
	found := map[uint64]*shadow.Intent{}
	for i := range open {
		found[open[i].ID] = &open[i].Intent
		if err := o.checkOpen(&open[i]); err != nil {
			return err
		}
	}
	for id, in := range o.must {
		if found[id] == nil {
			return fmt.Errorf("intent %d (transaction %d) was acknowledged and is lost", id, in.TxID)
		}
	}
	if n := j.Stats().Open; n != len(open) {
		return fmt.Errorf("%d intents are open, and %d were returned", n, len(open))
	}
	// What comes back without having been acknowledged is never again owed.
	maps.DeleteFunc(found, func(id uint64, _ *shadow.Intent) bool { return o.must[id] == nil && o.settled[id] == nil })
	o.must, o.settled = found, map[uint64]*shadow.Intent{}
	return nil
}

func (o *oracle) checkOpen(open *OpenIntent) error {
	if _, ok := o.gone[open.ID]; ok {
		return fmt.Errorf("intent %d is open again after its settling was durable", open.ID)
	}
	if !slices.ContainsFunc(o.given[open.ID], func(in *shadow.Intent) bool { return reflect.DeepEqual(*in, open.Intent) }) {
		return fmt.Errorf("intent %d (transaction %d) is invented", open.ID, open.Intent.TxID)
	}
	if in := o.must[open.ID]; in != nil && in.TxID != open.Intent.TxID {
		return fmt.Errorf("intent %d is transaction %d, want %d", open.ID, open.Intent.TxID, in.TxID)
	}
	return nil
}

// checkWindow finds every open intent in the window, and every one that was
// settled within it.
func (o *oracle) checkWindow() error {
	seen := map[shadow.TxID]bool{}
	if err := o.j.Window(func(in *shadow.Intent) { seen[in.TxID] = true }); err != nil {
		return err
	}
	for id, in := range o.must {
		if !seen[in.TxID] {
			return fmt.Errorf("open intent %d is not in the window", id)
		}
	}
	for tx, at := range o.kept {
		if ago := time.Since(at); ago < options.Window && !seen[tx] {
			return fmt.Errorf("transaction %d was settled %v ago, and is not in the window", tx, ago)
		}
	}
	return nil
}
