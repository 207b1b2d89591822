package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// tail is where the journal grows. It belongs to whoever writes.
type tail struct {
	file   File // nil: none can be written
	seg    *segment
	number uint64 // the highest that was tried
	retry  time.Duration
	spare  []byte   // the buffer of the last batch
	doomed []uint64 // segments that need not be kept, and are still there
	unread uint64   // a segment that should go, and cannot be read
	broken error    // nobody knows what the file holds; nil: it can be written
	end    error    // of the last write, once done is closed
}

// leadMax is how much may wait for somebody who waits for it, in bytes.
const leadMax = 64 << 10

// run is the committer: it writes what nobody else does, and heals.
func (j *Journal) run() {
	defer close(j.done)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for on := true; on; {
		select {
		case <-j.wake:
			on = j.turn(false)
		case <-tick.C: // settles wait no longer
			on = j.turn(true)
		case <-j.quit:
			j.writing <- struct{}{}
			j.finish()
			<-j.writing
			on = false
		}
	}
}

// turn is one of the committer's; false: the journal is closed.
func (j *Journal) turn(retains bool) bool {
	j.writing <- struct{}{}
	defer j.release()
	err := j.commit()
	if err == nil && retains {
		if err = j.retain(); err != nil {
			j.stop(err)
		}
	}
	return err == nil || j.heal()
}

// lead writes a batch for who waits for it, unless somebody else writes at the
// time: to wake the committer and be woken by it takes longer than many a disk.
func (j *Journal) lead(b *batch) {
	if b.isDone() {
		return
	}
	select {
	case j.writing <- struct{}{}:
	default:
		return
	}
	defer j.release()
	if !b.isDone() && j.commit() != nil {
		j.wakeUp()
	}
}

// release ends somebody's writing. Who has come meanwhile waits for the committer.
func (j *Journal) release() {
	<-j.writing
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.filling.buf) > 0 {
		j.wakeUp()
	}
}

// commit writes what has come since the last time, if anything has.
func (j *Journal) commit() error {
	if j.tail.broken != nil {
		return j.tail.broken
	}
	b, settles := j.take()
	if b == nil {
		return nil
	}
	buf := b.buf
	if len(settles) > 0 {
		buf = appendRecord(buf, func(buf []byte) []byte { return appendSettle(buf, settles) })
	}
	err := j.write(buf)
	if err != nil {
		j.stop(err)
		j.refuse(b, settles, err)
		return err
	}
	j.accept(b)
	if cap(buf) <= 2*queueMax {
		j.tail.spare = buf
	}
	return nil
}

// take begins a new batch and returns the one before, which is the caller's
// then; nil if there is nothing to write.
func (j *Journal) take() (*batch, []uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b, settles := j.filling, j.settles
	if len(b.buf) == 0 && len(settles) == 0 {
		return nil, nil
	}
	j.filling, j.settles, j.tail.spare = newBatch(j.tail.spare), nil, nil
	j.room.Broadcast()
	return b, settles
}

// write makes records durable, in a new segment if this one is full.
func (j *Journal) write(buf []byte) error {
	seg := j.tail.seg
	old := seg.taken > 0 && j.o.Now().Sub(seg.began) > j.o.Window/2
	if seg.size > headSize && (old || seg.size+int64(len(buf)) > j.o.SegmentSize) {
		if err := j.rotate(); err != nil {
			return err
		}
		seg = j.tail.seg
	}
	chain := seal(buf, seg.nonce, seg.size, seg.chain)
	if _, err := j.tail.file.Write(buf); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if j.o.Durability == Fsync {
		began := time.Now()
		if err := j.tail.file.Sync(); err != nil {
			return fmt.Errorf("append: %w", err)
		}
		j.o.Synced(time.Since(began))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	seg.size, seg.chain = seg.size+int64(len(buf)), chain
	j.index.stats.Bytes += uint64(len(buf))
	if j.o.Durability == Fsync {
		seg.sure = seg.size
		j.index.stats.Syncs++
	}
	return nil
}

func (j *Journal) accept(b *batch) {
	j.tail.retry = firstRetry
	j.mu.Lock()
	j.place(b.ids)
	j.mu.Unlock()
	close(b.done)
}

// place says where intents are; it is called with mu held.
func (j *Journal) place(ids []uint64) {
	seg := j.tail.seg
	for _, id := range ids {
		if _, open := j.index.open[id]; open { // else it was settled meanwhile
			j.index.open[id] = seg
			seg.open++
		}
	}
	seg.taken += len(ids)
}

// refuse ends a batch that is not durable, and keeps its settles.
func (j *Journal) refuse(b *batch, settles []uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settles = append(settles, j.settles...)
	j.fail(b, stopped(err))
}

// fail is called with mu held.
func (j *Journal) fail(b *batch, err error) {
	for _, id := range b.ids {
		delete(j.index.open, id)
	}
	b.err = err
	close(b.done)
}

// rotate ends the segment and begins the next one.
func (j *Journal) rotate() error {
	if err := j.tail.closeFile(j.o.Durability == Process); err != nil {
		return fmt.Errorf("end a segment: %w", err)
	}
	j.tail.seg.sure = j.tail.seg.size
	return j.begin()
}

func (t *tail) closeFile(sync bool) error {
	f := t.file
	t.file = nil
	if f == nil {
		return nil
	}
	if sync {
		if err := f.Sync(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// begin makes the next segment, durably; no record is in it.
func (j *Journal) begin() error {
	j.tail.number++
	h := head{number: j.tail.number, began: j.o.Now()}
	_, _ = rand.Read(h.nonce[:]) // never fails
	var last *segment
	if n := len(j.index.segments); n > 0 { // only the committer changes them
		last = j.index.segments[n-1]
		h.prev, h.end, h.sure, h.chain = last.number, last.size, last.sure, last.chain
	}
	j.mu.Lock()
	h.lastID = j.index.lastID
	j.mu.Unlock()
	file, err := j.create(&h)
	if err != nil {
		return err
	}
	seg := &segment{number: h.number, nonce: h.nonce, size: headSize, sure: headSize, chain: h.sum(), began: h.began}
	j.mu.Lock()
	defer j.mu.Unlock()
	if last != nil {
		last.ended = h.began
	}
	j.index.segments = append(j.index.segments, seg)
	j.tail.file, j.tail.seg = file, seg
	return nil
}

func (j *Journal) create(h *head) (File, error) {
	name := j.path(h.number)
	file, err := j.o.FS.Create(name)
	if err != nil {
		return nil, fmt.Errorf("begin a segment: %w", err)
	}
	_, err = file.Write(h.encode())
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = j.o.FS.Sync(j.dir)
	}
	if err != nil {
		_ = file.Close()
		_ = j.o.FS.Remove(name) // Open knows what it is, if it stays
		return nil, fmt.Errorf("begin a segment: %w", err)
	}
	return file, nil
}

func (j *Journal) path(number uint64) string { return filepath.Join(j.dir, fileName(number)) }

// finish writes what is left when the journal is closed.
func (j *Journal) finish() {
	j.mu.Lock()
	j.err = ErrClosed
	j.room.Broadcast()
	j.mu.Unlock()
	err := j.commit()
	j.tail.end = errors.Join(err, j.tail.closeFile(err == nil && j.o.Durability == Process))
}
