package journal

import (
	"fmt"
	"slices"
	"time"

	"github.com/crossfade-db/crossfade/shadow"
)

// retain deletes segments that ended before the window began, and those that
// there is no room for. They go oldest first, and a durable record says so before: a segment that is missing without
// one was lost. Intents of them that are still open move to the newest.
func (j *Journal) retain() error {
	j.remove()
	old := j.old()
	if len(old) == 0 {
		return nil
	}
	buf, carried, n := j.carry(old)
	if n == 0 {
		return nil
	}
	buf = appendRecord(buf, func(b []byte) []byte { return appendDrop(b, old[n-1].number) })
	if err := j.write(buf); err != nil {
		return err
	}
	j.forget(n, carried)
	j.remove()
	return nil
}

// old are the segments that nothing but open intents holds, or that there is no
// room for.
func (j *Journal) old() []*segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	since := j.o.Now().Add(-j.o.Window)
	all := j.index.segments[:len(j.index.segments)-1]
	n := 0
	for n < len(all) && all[n].ended.Before(since) {
		n++
	}
	return slices.Clone(all[:max(n, j.beyond(all))])
}

// beyond is how many of the oldest segments there is no room for; mu is held.
// One whose intents are open for the most part stays, and all after it: they
// would be written again and again and take the same room.
func (j *Journal) beyond(all []*segment) int {
	n, size := 0, j.index.bytes()
	for n < len(all) && size > j.o.Keep && 2*all[n].open <= all[n].taken {
		size -= all[n].size
		n++
	}
	return n
}

// carry copies the open intents of the first n segments, as many as are one
// batch's worth.
func (j *Journal) carry(old []*segment) (buf []byte, ids []uint64, n int) {
	for n < len(old) && len(buf) < queueMax {
		if j.openIn(old[n]) > 0 {
			err := j.read(old[n], func(r *record) {
				if j.isIn(r.id, old[n]) {
					buf = appendRecord(buf, func(b []byte) []byte { return appendIntent(b, r.id, &r.intent) })
					ids = append(ids, r.id)
				}
			})
			if err != nil {
				j.stays(old[n].number, err)
				return nil, nil, 0
			}
		}
		n++
	}
	return buf, ids, n
}

// stays says once that a segment with open intents cannot be read.
func (j *Journal) stays(number uint64, err error) {
	if j.tail.unread != number {
		j.o.Log.Error("an old segment of the journal cannot be read: it and all after it stay", "err", err)
	}
	j.tail.unread = number
}

func (j *Journal) openIn(s *segment) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return s.open
}

func (j *Journal) isIn(id uint64, s *segment) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	seg, open := j.index.open[id]
	return open && seg == s
}

// forget leaves out the first n segments, whose open intents were carried.
func (j *Journal) forget(n int, carried []uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	since := j.o.Now().Add(-j.o.Window)
	for _, s := range j.index.segments[:n] {
		j.tail.doomed = append(j.tail.doomed, s.number)
		if s.ended.After(since) {
			j.shortened(s.ended)
		}
	}
	j.index.segments = slices.Delete(j.index.segments, 0, n)
	j.place(carried)
}

// shortened notes, and says once in a while, that settled intents go early; mu is
// held.
func (j *Journal) shortened(until time.Time) {
	if j.o.Now().Sub(j.index.short) > j.o.Window {
		j.o.Log.Warn("the journal has no room for its window: what a restart of a server may lose is remembered for a shorter time",
			"limit", j.o.Keep, "window", j.o.Window.String())
	}
	if until.After(j.index.short) {
		j.index.short = until
	}
}

// remove deletes files of which a durable record says that they may be gone,
// unless somebody reads the journal.
func (j *Journal) remove() {
	if len(j.tail.doomed) == 0 || !j.walk.TryLock() {
		return
	}
	defer j.walk.Unlock()
	j.tail.doomed = slices.DeleteFunc(j.tail.doomed, func(number uint64) bool {
		return j.o.FS.Remove(j.path(number)) == nil
	})
}

// Window calls yes for every intent that is kept: all that were settled within
// the window, some that were before, and those that are open. A server that
// lives anew may have lost the commits of any of them.
func (j *Journal) Window(yes func(*shadow.Intent)) error {
	j.walk.RLock()
	defer j.walk.RUnlock()
	j.mu.Lock()
	kept := make([]segment, len(j.index.segments))
	for i, s := range j.index.segments {
		kept[i] = *s
	}
	j.mu.Unlock()
	for i := range kept {
		err := j.read(&kept[i], func(r *record) { yes(&r.intent) })
		if err != nil {
			return err
		}
	}
	return nil
}

// read calls yes for the intents of a segment.
func (j *Journal) read(seg *segment, yes func(*record)) error {
	j.mu.Lock()
	size := seg.size
	j.mu.Unlock()
	data, err := j.o.FS.Read(j.path(seg.number), size)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	h, ok := decodeHead(data)
	if !ok || h.number != seg.number {
		return &Corruption{File: j.path(seg.number), Reason: "the head does not match its sum"}
	}
	s := newScan(&h, data)
	for {
		r, flaw := s.next()
		switch {
		case flaw != nil:
			return &Corruption{File: j.path(seg.number), Offset: flaw.offset, Reason: flaw.reason}
		case r == nil && s.at != size:
			return &Corruption{File: j.path(seg.number), Offset: s.at, Reason: "its end is missing"}
		case r == nil:
			return nil
		case r.kind == kindIntent:
			yes(r)
		}
	}
}
