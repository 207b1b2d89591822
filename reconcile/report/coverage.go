package report

import (
	"cmp"
	"slices"
)

// class is what can be asked of a statement: to be mirrored, or compared.
type class uint8

const (
	writing class = iota // also what nobody understood: it may write
	reading
	neither // of transactions and sessions: there is nothing to mirror or compare
	mixed   // of which nobody knows what they were
)

var classes = map[string]class{
	"read": reading, "select": reading, "show": reading, "values": reading, "copy_out": reading,
	"control": neither, "session": neither,
	"other": mixed,
}

func (s *Statement) class() class { return classes[s.Kind] }

// missed counts the executions that were not mirrored, or not compared.
func (s *Statement) missed() uint64 {
	switch s.class() {
	case writing:
		return s.Seen - min(s.Mirrored, s.Seen)
	case reading:
		return s.Seen - min(s.Compared, s.Seen)
	case mixed:
		return s.Seen - min(s.Mirrored+s.Compared, s.Seen)
	case neither:
	}
	return 0
}

func coverageOf(statements []Statement) Coverage {
	c := Coverage{Statements: list(slices.Clone(statements)), Gaps: []Gap{}}
	for i := range c.Statements {
		s := &c.Statements[i]
		s.Tables = list(s.Tables)
		if s.Skipped == nil {
			s.Skipped = map[string]uint64{}
		}
		switch s.class() {
		case writing:
			c.Writes.add(s)
		case reading:
			c.Reads.add(s)
		case neither:
			c.Neither.add(s)
		case mixed:
			c.Mixed.add(s)
		}
	}
	slices.SortStableFunc(c.Statements, func(a, b Statement) int {
		return cmp.Or(-cmp.Compare(a.Diverged, b.Diverged), -cmp.Compare(a.missed(), b.missed()), -cmp.Compare(a.Seen, b.Seen),
			cmp.Compare(a.Digest, b.Digest))
	})
	c.Gaps = gapsOf(c.Statements)
	return c
}

func (c *Covered) add(s *Statement) {
	c.Statements++
	c.Seen += s.Seen
	c.Mirrored += s.Mirrored
	c.Compared += s.Compared
	c.Matched += s.Matched
	c.Diverged += s.Diverged
}

// unmirrored counts executions of writes that were not mirrored for a reason.
func unmirrored(statements []Statement) (n uint64) {
	for i := range statements {
		if statements[i].class() != writing {
			continue
		}
		for reason, times := range statements[i].Skipped {
			if !slices.Contains(nothing, reason) {
				n += times
			}
		}
	}
	return n
}

// gapsOf sums what was left out, the most frequent reason first. What has no
// reason has one as well: it is not known.
func gapsOf(statements []Statement) []Gap {
	gaps := map[string]*Gap{}
	tables := map[string]map[string]bool{}
	note := func(reason string, n uint64, s *Statement) {
		if n == 0 {
			return
		}
		if gaps[reason] == nil {
			gaps[reason], tables[reason] = &Gap{Reason: reason, Meaning: meaningOf(reason)}, map[string]bool{}
		}
		gaps[reason].Executions += n
		gaps[reason].Statements++
		for _, t := range s.Tables {
			tables[reason][t] = true
		}
	}
	for i := range statements {
		s := &statements[i]
		var explained uint64
		for reason, n := range s.Skipped {
			note(reason, n, s)
			explained += n
		}
		note(unexplained, s.missed()-min(explained, s.missed()), s)
	}
	list := make([]Gap, 0, len(gaps))
	for reason, g := range gaps {
		g.Tables = sortedKeys(tables[reason])
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b Gap) int {
		return cmp.Or(-cmp.Compare(a.Executions, b.Executions), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}
