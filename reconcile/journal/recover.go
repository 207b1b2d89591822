package journal

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"

	"github.com/crossfade-db/crossfade/shadow"
)

// OpenIntent is an intent whose outcome was not known when the journal ended.
type OpenIntent struct {
	ID     uint64
	Intent shadow.Intent
}

// past is what the files of a directory say.
type past struct {
	dir      string
	fs       FS
	segments []*segment // oldest first, each the predecessor of the next
	newest   uint64     // the highest number of any file
	lastID   uint64
	dropped  uint64 // segments up to it may be gone
	cut      int64  // bytes of the torn tail
	torn     *Corruption
	open     map[uint64]found
	settler  map[*segment]uint64 // the segment where the last of one's intents was settled
	tables   map[string]bool
	faults   []fault
	remove   []uint64 // files that hold nothing, or nothing any more
}

type found struct {
	intent  shadow.Intent
	segment *segment
}

// fault is a corruption in a segment, which counts unless that was dropped.
type fault struct {
	number uint64
	what   Corruption
}

// readDir reads a journal and changes nothing.
func readDir(dir string, fs FS) (*past, error) {
	p := &past{dir: dir, fs: fs, open: map[uint64]found{}, settler: map[*segment]uint64{}, tables: map[string]bool{}}
	heads, err := p.heads()
	if err != nil {
		return p, err
	}
	links := p.links(heads)
	for i := range links {
		var after *head
		if i+1 < len(links) && links[i+1].prev == links[i].number {
			after = links[i+1]
		}
		if err := p.read(links[i], after); err != nil {
			return p, err
		}
	}
	if err := p.strays(heads); err != nil {
		return p, err
	}
	p.forgetDropped()
	p.forgetEmpty()
	return p, p.corruption()
}

// heads reads how each segment begins; nil where that cannot be read.
func (p *past) heads() (map[uint64]*head, error) {
	names, err := p.fs.List(p.dir)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	heads := map[uint64]*head{}
	for _, name := range names {
		number, ok := numberOf(name)
		if !ok {
			continue
		}
		b, err := p.fs.Read(p.path(number), headSize)
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		heads[number] = nil
		if h, ok := decodeHead(b); ok && h.number == number {
			heads[number] = &h
			p.lastID = max(p.lastID, h.lastID)
		}
		p.newest = max(p.newest, number)
	}
	return heads, nil
}

func (p *past) path(number uint64) string { return filepath.Join(p.dir, fileName(number)) }

// links are the segments that belong together, oldest first: the newest that
// can be read, and each one's predecessor. Where that is missing, the one before
// goes on, so that all that is readable is read.
func (p *past) links(heads map[uint64]*head) []*head {
	numbers := slices.Sorted(maps.Keys(heads))
	below := func(number uint64) *head {
		for _, n := range slices.Backward(numbers) {
			if n < number && heads[n] != nil {
				return heads[n]
			}
		}
		return nil
	}
	var links []*head
	for last := below(math.MaxUint64); last != nil; {
		links = append(links, last)
		prev, there := heads[last.prev]
		switch {
		case last.prev == 0 || (prev != nil && last.prev < last.number):
			last = prev
			continue
		case there:
			p.fault(last.prev, 0, "the head does not match its sum")
		default:
			p.fault(last.prev, 0, "the segment is not there")
		}
		last = below(min(last.prev, last.number))
	}
	slices.Reverse(links)
	return links
}

// read takes what a segment holds; after is the head of the next one. Behind
// what that says was synced for sure, a crash may have torn the last batch.
func (p *past) read(h, after *head) error {
	end, sure := int64(math.MaxInt64), int64(headSize)
	if after != nil {
		end, sure = after.end, after.sure
	}
	data, err := p.fs.Read(p.path(h.number), end)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	data = trimmed(data)
	seg := &segment{number: h.number, nonce: h.nonce, began: h.began}
	p.segments = append(p.segments, seg)
	s := newScan(h, data)
	fl := p.take(s, seg)
	seg.size, seg.sure, seg.chain = s.at, s.start, s.chain
	if after != nil {
		seg.sure = min(max(s.start, after.sure), s.at)
	}
	missing := int64(len(data)) - s.at
	if after != nil {
		missing = end - s.at
		fl = cmp.Or(fl, s.ends(after))
	}
	switch {
	case fl == nil:
	case fl.torn && fl.offset >= sure:
		p.cut += missing
		p.torn = &Corruption{File: p.path(h.number), Offset: fl.offset, Reason: fl.reason}
	default:
		p.fault(h.number, fl.offset, fl.reason)
		s.rest(p.note)
	}
	return nil
}

// trimmed leaves out zeros behind the last record: no record ends in one, and a
// crash leaves those that were written ahead.
func trimmed(data []byte) []byte {
	n := len(data)
	for n > headSize && data[n-1] == 0 {
		n--
	}
	return data[:n]
}

func (p *past) take(s *scan, seg *segment) *flaw {
	for {
		r, flaw := s.next()
		if r == nil {
			return flaw
		}
		p.note(r)
		switch r.kind {
		case kindIntent:
			p.lastID = max(p.lastID, r.id)
			p.open[r.id] = found{r.intent, seg}
			seg.taken++
		case kindSettle:
			for _, id := range r.settled {
				p.settle(id)
			}
		case kindDrop:
			p.dropped = max(p.dropped, r.dropped)
		}
	}
}

func (p *past) settle(id uint64) {
	p.lastID = max(p.lastID, id)
	if f, open := p.open[id]; open {
		p.settler[f.segment] = p.segments[len(p.segments)-1].number
		delete(p.open, id)
	}
}

// note keeps which tables the journal names.
func (p *past) note(r *record) {
	for i := range r.intent.Tables {
		p.tables[r.intent.Tables[i].Table] = true
	}
}

// strays are files that no other names as its predecessor: segments whose
// making failed or was cut short, which hold nothing.
func (p *past) strays(heads map[uint64]*head) error {
	for _, number := range slices.Sorted(maps.Keys(heads)) {
		if slices.ContainsFunc(p.segments, func(s *segment) bool { return s.number == number }) {
			continue
		}
		if number <= p.dropped {
			p.remove = append(p.remove, number)
			continue
		}
		b, err := p.fs.Read(p.path(number), headSize+1)
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		unfinished := len(b) < headSize || (len(b) == headSize && (zero(b) || heads[number] != nil))
		if !unfinished {
			p.fault(number, 0, "the head does not match its sum, or no other segment knows it")
			continue
		}
		p.remove = append(p.remove, number)
		if heads[number] == nil {
			p.cut += int64(len(b))
		}
	}
	return nil
}

// forgetDropped leaves out what was to be deleted.
func (p *past) forgetDropped() {
	gone := func(s *segment) bool { return s.number <= p.dropped }
	for _, s := range p.segments {
		if gone(s) {
			p.remove = append(p.remove, s.number)
		}
	}
	p.segments = slices.DeleteFunc(p.segments, gone)
	maps.DeleteFunc(p.open, func(_ uint64, f found) bool { return gone(f.segment) })
}

// forgetEmpty leaves out segments at the end that hold no record: the next one
// would vouch for a head that may never have been synced.
func (p *past) forgetEmpty() {
	for n := len(p.segments); n > 0 && p.segments[n-1].size == headSize; n-- {
		p.remove = append(p.remove, p.segments[n-1].number)
		p.segments = p.segments[:n-1]
	}
}

// tidy removes files that hold nothing, and makes durable what was read: it may
// be in the memory of the system only, and the next segment vouches for it.
func (p *past) tidy() error {
	for _, number := range p.remove {
		if err := p.fs.Remove(p.path(number)); err != nil {
			return fmt.Errorf("tidy journal: %w", err)
		}
	}
	if len(p.segments) == 0 {
		return nil
	}
	if err := p.fs.Sync(p.path(p.segments[len(p.segments)-1].number)); err != nil {
		return fmt.Errorf("tidy journal: %w", err)
	}
	return nil
}

func (p *past) fault(number uint64, offset int64, reason string) {
	p.faults = append(p.faults, fault{number, Corruption{File: p.path(number), Offset: offset, Reason: reason}})
}

// corruption is the oldest fault that counts, as an error.
func (p *past) corruption() error {
	var oldest *fault
	for i := range p.faults {
		if f := &p.faults[i]; f.number > p.dropped && (oldest == nil || f.number < oldest.number) {
			oldest = f
		}
	}
	if oldest == nil {
		return nil
	}
	oldest.what.Tables = slices.Sorted(maps.Keys(p.tables))
	return &oldest.what
}

func (p *past) intents() []OpenIntent {
	var open []OpenIntent
	for id, f := range p.open {
		open = append(open, OpenIntent{ID: id, Intent: f.intent})
	}
	slices.SortFunc(open, func(a, b OpenIntent) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return open
}
