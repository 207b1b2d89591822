package journal

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// fakeDisk is a disk that forgets what was not synced when it crashes.
type fakeDisk struct {
	mu      sync.Mutex
	names   map[string]*fakeFile // as a process sees them
	durable map[string]*fakeFile // as the directory has them on the disk
	faults  []trouble            // of the next operations of their kind
	hold    chan struct{}        // each sync of a file waits for it, if there is one
}

type fakeFile struct {
	data   []byte
	synced int  // bytes that are on the disk
	failed bool // a sync has failed: what was dirty then is clean, and may be nowhere
}

// files are the names and sizes of now.
func (d *fakeDisk) files() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	sizes := map[string]int{}
	for name, f := range d.names {
		sizes[name] = len(f.data)
	}
	return sizes
}

// operation is what may fail.
type operation int

const (
	opWrite operation = iota
	opSync
	opCreate
	opRemove
	opRead
)

type trouble struct {
	op  operation
	err error
}

func newFakeDisk() *fakeDisk {
	return &fakeDisk{names: map[string]*fakeFile{}, durable: map[string]*fakeFile{}}
}

// fail makes the next n operations of a kind fail.
func (d *fakeDisk) fail(op operation, err error, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range n {
		d.faults = append(d.faults, trouble{op, err})
	}
}

// stall makes each sync of a file wait.
func (d *fakeDisk) stall(hold chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hold = hold
}

func (d *fakeDisk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = nil
}

func (d *fakeDisk) fault(op operation, name string) error {
	i := slices.IndexFunc(d.faults, func(f trouble) bool { return f.op == op })
	if i < 0 {
		return nil
	}
	err := &fs.PathError{Op: [...]string{"write", "sync", "create", "remove", "read"}[op], Path: name, Err: d.faults[i].err}
	d.faults = slices.Delete(d.faults, i, i+1)
	return err
}

func (d *fakeDisk) MkdirAll(string) error { return nil }

func (d *fakeDisk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.names {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

func (d *fakeDisk) Read(name string, limit int64) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fault(opRead, name); err != nil {
		return nil, err
	}
	f, ok := d.names[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(f.data[:min(int64(len(f.data)), limit)]), nil
}

func (d *fakeDisk) Create(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fault(opCreate, name); err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	}
	f := &fakeFile{}
	d.names[name] = f
	return &fakeHandle{d, name, f}, nil
}

func (d *fakeDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fault(opRemove, name); err != nil {
		return err
	}
	delete(d.names, name)
	return nil
}

func (d *fakeDisk) Sync(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.names[name]; f != nil {
		return d.sync(f, name)
	}
	for n := range d.durable {
		if filepath.Dir(n) == name && d.names[n] == nil {
			delete(d.durable, n)
		}
	}
	for n, f := range d.names {
		if filepath.Dir(n) == name {
			d.durable[n] = f
		}
	}
	return nil
}

func (d *fakeDisk) sync(f *fakeFile, name string) error {
	if err := d.fault(opSync, name); err != nil {
		f.failed = true
		return err
	}
	if !f.failed {
		f.synced = len(f.data)
	}
	return nil
}

type fakeHandle struct {
	d    *fakeDisk
	name string
	f    *fakeFile
}

func (h *fakeHandle) Write(b []byte) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err := h.d.fault(opWrite, h.name); err != nil {
		if errors.Is(err, syscall.ENOSPC) { // what there is room for is written
			h.f.data = append(h.f.data, b[:len(b)/2]...)
		}
		return len(b) / 2, err
	}
	h.f.data = append(h.f.data, b...)
	return len(b), nil
}

func (h *fakeHandle) Sync() error {
	h.d.mu.Lock()
	hold := h.d.hold
	h.d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return h.d.sync(h.f, h.name)
}

func (h *fakeHandle) Close() error { return nil }

// crash is what the disk holds after the loss of power: what was synced, and
// of the rest any sectors in any order, in a file that may be cut anywhere.
func (d *fakeDisk) crash(seed uint64) *fakeDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	rng := rand.New(rand.NewPCG(seed, 0))
	after := newFakeDisk()
	keep := []int{0, 50, 90, 100}[rng.IntN(4)] // percent of lost sectors that are there
	for _, name := range sortedKeys(d.durable) {
		f := d.durable[name]
		if d.names[name] == f || rng.IntN(2) == 0 { // else it was removed
			after.names[name] = f.crashed(rng, keep)
		}
	}
	for _, name := range sortedKeys(d.names) {
		f := d.names[name]
		if d.durable[name] == nil && rng.IntN(2) == 0 { // made, and the directory not synced
			after.names[name] = f.crashed(rng, keep)
		}
	}
	for name, f := range after.names {
		after.durable[name] = f
	}
	return after
}

func (f *fakeFile) crashed(rng *rand.Rand, keep int) *fakeFile {
	size := f.synced + rng.IntN(len(f.data)-f.synced+1)
	if rng.IntN(2) == 0 {
		size = len(f.data)
	}
	data := make([]byte, size)
	copy(data, f.data[:min(f.synced, size)])
	for from := f.synced; from < size; {
		to := min(from/sector*sector+sector, size)
		if rng.IntN(100) < keep {
			copy(data[from:to], f.data[from:to])
		}
		from = to
	}
	return &fakeFile{data: data, synced: size}
}

// copy is the same disk, as another process would find it after kill -9.
func (d *fakeDisk) copy() *fakeDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	same := newFakeDisk()
	for name, f := range d.names {
		same.names[name] = &fakeFile{data: slices.Clone(f.data), synced: f.synced, failed: f.failed}
		if d.durable[name] == f {
			same.durable[name] = same.names[name]
		}
	}
	return same
}
