package report

import (
	"fmt"
	"strings"
	"time"
)

// Severity says how much a risk weighs.
type Severity string

// Severities.
const (
	High   Severity = "high"   // something that was promised may not hold now
	Medium Severity = "medium" // somebody must know and decide
	Low    Severity = "low"    // the limits of what this report shows
)

// Risk is something open, in a sentence that stands by itself.
type Risk struct {
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
}

// risks collects them; those of one severity stay in the order of the list.
type risks struct{ high, medium, low []Risk }

func (r *risks) add(s Severity, format string, args ...any) {
	risk := Risk{s, fmt.Sprintf(format, args...)}
	switch s {
	case High:
		r.high = append(r.high, risk)
	case Medium:
		r.medium = append(r.medium, risk)
	case Low:
		r.low = append(r.low, risk)
	}
}

func risksOf(r *Report, all []Divergence) []Risk {
	var found risks
	found.chain(&r.Verify.Chain)
	found.differences(&r.Divergences, all, r.Subject.Made)
	found.backlog(&r.Backlog)
	found.standing(&r.Standing)
	found.coverage(&r.Coverage)
	found.tables(r.Tables)
	found.outages(r.Outages, r.Subject.Made)
	for _, text := range r.Weak {
		found.add(Medium, "%s", text)
	}
	return append(append(append([]Risk{}, found.high...), found.medium...), found.low...)
}

func (r *risks) chain(c *Chain) {
	if !c.OK {
		r.add(High, "The chain of acts does not hold from record %d on: %s. What this page says of acts after it proves nothing.", c.Broken, c.Why)
	}
}

// waiversMost is how many waivers stand one by one.
const waiversMost = 20

func (r *risks) differences(d *Divergences, all []Divergence, now time.Time) {
	if d.Open > 0 {
		r.add(High, "%s: neither found equal again nor covered by a waiver that lasts.", plural(d.Open, "difference is open", "differences are open"))
	}
	waived := 0
	for i := range all {
		if all[i].State != Waived || all[i].Waiver == nil {
			continue
		}
		if waived++; waived <= waiversMost {
			r.waiver(&all[i], now)
		}
	}
	if waived > waiversMost {
		r.add(Medium, "%s waived beside these: divergence list --state waived shows them.", plural(waived-waiversMost, "difference is", "differences are"))
	}
	if d.Least {
		r.add(Low, "There are more differences than this report counts (%s): divergence export has all.", count(uint64(d.Total)))
	}
}

func (r *risks) waiver(d *Divergence, now time.Time) {
	w := d.Waiver
	if d.Open {
		r.add(High, "The waiver of difference %d (%s, %s) ended %s, and the difference is still there.", d.ID, d.Table, d.Kind, moment(w.Until))
		return
	}
	r.add(Medium, "Difference %d (%s, %s) is not repaired: %s has waived it until %s (%s left), because: %s", d.ID, d.Table, d.Kind,
		w.Actor, moment(w.Until), age(w.Until.Sub(now)), w.Reason)
}

func (r *risks) backlog(b *Backlog) {
	if b.Dirty > 0 {
		r.add(Medium, "%s and %s may differ between the two sides now; the oldest for %s.", plural(b.Keys, "key", "keys"),
			plural(b.Ranges, "key range", "key ranges"), age(time.Duration(b.OldestSeconds*float64(time.Second))))
	}
	if b.Flapping > 0 {
		r.add(High, "%s again and again: the mapping is wrong, or somebody writes to the target beside the proxy.",
			plural(b.Flapping, "key differs", "keys differ"))
	}
}

func (r *risks) standing(s *Standing) {
	switch s.Mirror {
	case "off":
		r.add(High, "Mirroring is switched off by hand: writes reach the %s alone. Reason: %s", s.Authority, s.Reason)
	case "broken":
		r.add(High, "The breaker holds the target off: writes reach the %s alone. Reason: %s", s.Authority, s.Reason)
	case "idle":
		r.add(Medium, "Nothing is mirrored in phase %s.", s.Phase)
	}
	switch s.Worker {
	case "paused":
		r.add(High, "The worker is paused, so nothing is repaired. Reason: %s", s.Why)
	case "blocked":
		r.add(Medium, "The worker cannot work: %s", s.Why)
	}
}

func (r *risks) coverage(c *Coverage) {
	if missed := unmirrored(c.Statements); missed > 0 {
		r.add(Medium, "%s of %s executions of writes were not mirrored as they ran (%s). Each reason is under Coverage; the keys or tables were marked and repaired, or are in the backlog.",
			count(missed), count(c.Writes.Seen), share(missed, c.Writes.Seen))
	}
	for _, g := range c.Gaps {
		switch {
		case strings.HasSuffix(g.Meaning, unseen):
			r.add(Medium, "The rows that %s changed could not be seen (%s); until the ranges that this made dirty are walked, nothing proves these tables equal: %s.",
				plural(int(g.Executions), "execution", "executions"), g.Reason, some(g.Tables))
		case g.Reason == unexplained:
			r.add(Low, "Of %s nobody has recorded why they were not mirrored or not compared: some failed or changed no row.",
				plural(int(g.Executions), "execution", "executions"))
		}
	}
	switch {
	case c.Reads.Seen > 0 && c.Reads.Compared == 0:
		r.add(Low, "No read was compared, so this report says nothing about what queries return at the target.")
	case c.Reads.Compared > 0 && c.Reads.Diverged == 0:
		r.add(Low, "%s reads were compared and none differed. That bounds the share of reads that differ to about %s at 95 %% confidence, for statements as frequent as those compared, and not for those that were skipped.",
			count(c.Reads.Compared), bound(c.Reads.Compared))
	}
}

func (r *risks) tables(tables []Table) {
	var waiting, loose []string
	for _, t := range tables {
		if !t.Ready {
			waiting = append(waiting, t.Source)
		}
		if !t.Strict {
			loose = append(loose, t.Source)
		}
		if t.Declared != "" {
			r.add(Medium, "%s was declared to be copied by other means (%s). No walk of ours has compared its rows since then.", t.Source, t.Declared)
		}
	}
	if len(waiting) > 0 {
		r.add(Medium, "The target may not answer reads of %s yet: %s.", plural(len(waiting), "table", "tables"), some(waiting))
	}
	if len(loose) > 0 {
		r.add(Low, "Strict mode is off for %s of %d: a write that the target refuses is acknowledged all the same, remembered, and repaired later.",
			plural(len(loose), "table", "tables"), len(tables))
	}
}

func (r *risks) outages(outages []Outage, now time.Time) {
	if len(outages) == 0 {
		return
	}
	var sum time.Duration
	for _, o := range outages {
		sum += o.lasted(now)
	}
	last := outages[len(outages)-1]
	r.add(Medium, "The breaker held the target off %s, %s in all. The last time began %s: %s", plural(len(outages), "time", "times"), age(sum),
		moment(last.Since), last.Reason)
}

// lasted is how long an outage was, or has been.
func (o Outage) lasted(now time.Time) time.Duration {
	if o.Until == nil {
		return now.Sub(o.Since)
	}
	return o.Until.Sub(o.Since)
}
