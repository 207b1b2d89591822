package report

import (
	"cmp"
	"slices"
)

// reads are the kinds of statements that change nothing; all others are held
// for writes.
var reads = []string{"read", "select", "show", "values"}

func (s *Statement) writes() bool { return !slices.Contains(reads, s.Kind) }

// missed counts the executions that were not mirrored, or not compared.
func (s *Statement) missed() uint64 {
	done := s.Compared
	if s.writes() {
		done = s.Mirrored
	}
	return s.Seen - min(done, s.Seen)
}

func coverageOf(statements []Statement) Coverage {
	c := Coverage{Statements: list(slices.Clone(statements)), Gaps: []Gap{}}
	for i := range c.Statements {
		s := &c.Statements[i]
		s.Tables = list(s.Tables)
		if s.Skipped == nil {
			s.Skipped = map[string]uint64{}
		}
		if s.writes() {
			c.Writes.add(s)
		} else {
			c.Reads.add(s)
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

// unexplained is the reason of what has none.
const unexplained = "unexplained"

var meanings = map[string]string{
	unexplained:   "No reason was recorded.",
	"new":         "The table had not been copied yet.",
	"failed":      "The target refused or failed the write; its keys were repaired afterwards, or are in the backlog.",
	"rejected":    "The target refused the write; its keys were repaired afterwards, or are in the backlog.",
	"budget":      "The target took longer than the mirror's budget; the keys became dirty.",
	"breaker":     "The target was held off; the keys became dirty.",
	"off":         "Mirroring was switched off by hand; the keys became dirty.",
	"lost":        "The outcome of a COMMIT was not known; the keys became dirty.",
	"crash":       "The proxy ended between the two commits; the keys became dirty.",
	"restart":     "A server was restarted and may have lost commits; the keys of that time became dirty.",
	"bulk":        "More rows than limits.inline_rows; the keys or the table became dirty.",
	"uncaptured":  "The changed rows could not be seen; the table became dirty as mirror.on_uncaptured says.",
	"unmirrored":  "The phase mirrored nothing at that time.",
	"unmapped":    "The table is not mapped: it exists on one side only.",
	"unparsed":    "The statement could not be analysed and went to the source unchanged.",
	"ddl":         "It changed the schema.",
	"not_sampled": "It was not in the sample of shadow reads.",
	"sample":      "It was not in the sample of shadow reads.",
	"shape":       "Its tables differ between the sides, so the source answered it.",
	"volatile":    "It calls something that answers differently each time.",
	"not_ready":   "A table of it was not ready.",
	"transaction": "It ran in a transaction that cannot be compared.",
	"dirty":       "A row of it was in flight or in the backlog.",
	"limit":       "The result was larger than what is compared.",
}

func meaningOf(reason string) string { return meanings[reason] }
