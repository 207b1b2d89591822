package journal

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/shadow"
)

// Journal is one directory, which its owner must keep for this process. Its
// methods may be called at the same time.
type Journal struct {
	dir  string
	o    Options
	tail tail
	walk sync.RWMutex // who holds it for reading keeps the files

	wake chan struct{} // there is something to write
	quit chan struct{}
	done chan struct{} // the committer has ended

	writing chan struct{} // who has put something in it has tail; before mu
	mu      sync.Mutex
	room    sync.Cond // of mu: the queue was taken, or err is set
	filling *batch
	settles []uint64 // to be written with the next batch
	err     error    // why nothing is taken; nil: it is
	index   index
}

// index is what is known about the files; mu guards it.
type index struct {
	open     map[uint64]*segment // nil: on its way to the disk
	segments []*segment          // oldest first; the last is written
	lastID   uint64
	short    time.Time // until then settled intents are gone that the window would have; zero: none is
	stats    Stats
}

// bytes are those of all files that count.
func (x *index) bytes() (n int64) {
	for _, s := range x.segments {
		n += s.size
	}
	return n
}

// segment is one file.
type segment struct {
	number uint64
	nonce  nonce
	size   int64  // what counts of it: all behind is not trusted
	sure   int64  // what is known to be synced of that
	chain  uint32 // the sum of its last record
	began  time.Time
	ended  time.Time // when the last record or the last settling of its intents was written, whatever is later
	open   int       // intents in it that are not settled
	taken  int       // intents that were written to it
}

// batch is what one write and one fsync bring to the disk.
type batch struct {
	buf  []byte
	ids  []uint64
	done chan struct{}
	err  error // once done is closed
}

func newBatch(buf []byte) *batch { return &batch{buf: buf[:0], done: make(chan struct{})} }

func (b *batch) isDone() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// Entry is an intent on its way to the disk.
type Entry struct {
	j     *Journal
	id    uint64
	batch *batch
	err   error // it was refused
}

var _ shadow.Ticket = (*Entry)(nil)

// Wait returns nil when the intent is durable, or why it will not be.
func (e *Entry) Wait() error {
	if e.err != nil {
		return e.err
	}
	e.j.lead(e.batch)
	<-e.batch.done
	return e.batch.err
}

// ID names the intent in this directory; 0: it was refused.
func (e *Entry) ID() uint64 { return e.id }

// Open reads the journal of a directory, which is made if it is not there, and
// begins a new segment. It returns the intents that are not settled, oldest
// first; they stay open until Settle is called.
//
// With an error there is no journal. If it is a Corruption, the intents are
// those that could be read.
func Open(dir string, o Options) (*Journal, []OpenIntent, error) {
	o = o.filled()
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	p, err := readDir(dir, o.FS)
	if err != nil {
		return nil, p.intents(), err
	}
	if err := p.tidy(); err != nil {
		return nil, nil, err
	}
	if p.torn != nil {
		o.Log.Warn("the journal ends in a batch that was never acknowledged: the rest of it is cut off",
			"file", p.torn.File, "offset", p.torn.Offset, "bytes", p.cut, "fault", p.torn.Reason)
	}
	j := newJournal(dir, o)
	j.inherit(p)
	if err := j.begin(); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	if err := o.FS.Sync(filepath.Dir(dir)); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	go j.run()
	return j, p.intents(), nil
}

func newJournal(dir string, o Options) *Journal {
	j := &Journal{
		dir: dir, o: o, filling: newBatch(nil),
		wake: make(chan struct{}, 1), writing: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	j.room.L = &j.mu
	j.tail.retry = firstRetry
	return j
}

func (j *Journal) inherit(p *past) {
	j.tail.number = p.newest
	j.index = index{open: make(map[uint64]*segment, len(p.open)), segments: p.segments, lastID: p.lastID}
	j.index.stats.Cut = p.cut
	for _, s := range p.segments {
		last := max(s.number, p.settler[s])
		s.ended = j.o.Now()
		if i := slices.IndexFunc(p.segments, func(o *segment) bool { return o.number > last }); i >= 0 {
			s.ended = p.segments[i].began
		}
	}
	for id, f := range p.open {
		j.index.open[id] = f.segment
		f.segment.open++
	}
}

// Append takes an intent, which is copied. It returns at once, unless a queue
// full of others waits for the disk. It is written when somebody waits for it or
// for one beside it, and at the latest after a beat.
func (j *Journal) Append(in *shadow.Intent) *Entry {
	size := intentSize(in)
	if size > intentMax {
		return &Entry{err: tooLarge(size)}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.err == nil && len(j.filling.buf) > 0 && len(j.filling.buf)+size > queueMax {
		j.room.Wait()
	}
	if j.err != nil {
		return &Entry{err: j.err}
	}
	j.index.lastID++
	id, b := j.index.lastID, j.filling
	b.buf = appendRecord(b.buf, func(buf []byte) []byte { return appendIntent(buf, id, in) })
	b.ids = append(b.ids, id)
	j.index.open[id] = nil
	if len(b.buf) > leadMax {
		j.wakeUp()
	}
	return &Entry{j: j, id: id, batch: b}
}

// Settle says that the outcome of an intent is known and kept elsewhere, if it
// must be. It does not wait: should the process end before the next batch, the
// intent is open again.
func (j *Journal) Settle(id uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	seg, ok := j.index.open[id]
	if !ok {
		return
	}
	delete(j.index.open, id)
	if seg != nil {
		seg.open--
		seg.ended = j.o.Now()
	}
	j.settles = append(j.settles, id)
	if len(j.settles) >= settlesMax {
		j.wakeUp()
	}
}

func (j *Journal) wakeUp() {
	select {
	case j.wake <- struct{}{}:
	default: // it is awake, or about to be
	}
}

// Stats are the figures of now.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.index.stats
	s.Open, s.Segments, s.Stopped = len(j.index.open), len(j.index.segments), j.err
	s.Disk, s.Window = j.index.bytes(), j.o.Window
	if !j.index.short.IsZero() {
		s.Window = min(s.Window, j.o.Now().Sub(j.index.short))
	}
	return s
}

// Close writes what is waiting and ends the journal.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.isClosed() {
		j.mu.Unlock()
		return nil
	}
	close(j.quit)
	j.mu.Unlock()
	<-j.done
	return j.tail.end
}

// isClosed is asked with mu held.
func (j *Journal) isClosed() bool {
	select {
	case <-j.quit:
		return true
	default:
		return false
	}
}
