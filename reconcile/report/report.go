package report

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Report is the whole document. Its JSON keys stay.
type Report struct {
	Subject     Subject     `json:"subject"`
	Standing    Standing    `json:"standing"`
	Risks       []Risk      `json:"risks"`
	Steps       []Step      `json:"steps" doc:"of phase and share"`
	Decisions   []Act       `json:"decisions" doc:"what else people did: mirror, worker, tables, waivers"`
	Coverage    Coverage    `json:"coverage"`
	Tables      []Table     `json:"tables"`
	Divergences Divergences `json:"divergences"`
	Backlog     Backlog     `json:"backlog"`
	Outages     []Outage    `json:"outages" doc:"when the breaker held the target off"`
	Weak        []string    `json:"weak" doc:"settings of the databases that weaken a promise"`
	Verify      Verify      `json:"verify"`
}

// Step is a change of phase or share.
type Step struct {
	Act
	FromPhase string  `json:"from_phase"`
	FromShare float64 `json:"from_share"`
}

// Coverage is what was seen and what was made of it.
type Coverage struct {
	Writes     Covered     `json:"writes"`
	Reads      Covered     `json:"reads"`
	Neither    Covered     `json:"neither" doc:"of transactions and sessions: nothing to mirror or compare"`
	Mixed      Covered     `json:"mixed" doc:"beyond the number of statements that are told apart"`
	Gaps       []Gap       `json:"gaps" doc:"what was not mirrored or not compared, by reason"`
	Statements []Statement `json:"statements" doc:"the least covered first"`
}

// Covered counts executions of one class of statements.
type Covered struct {
	Statements int    `json:"statements"`
	Seen       uint64 `json:"seen"`
	Mirrored   uint64 `json:"mirrored"`
	Compared   uint64 `json:"compared"`
	Matched    uint64 `json:"matched"`
	Diverged   uint64 `json:"diverged"`
}

// Gap is what was left out for one reason.
type Gap struct {
	Reason     string   `json:"reason"`
	Meaning    string   `json:"meaning"`
	Executions uint64   `json:"executions"`
	Statements int      `json:"statements"`
	Tables     []string `json:"tables"`
}

// Divergences are all that were found, in sums and some of them one by one.
type Divergences struct {
	Total  int          `json:"total"`
	Open   int          `json:"open"`
	States Lives        `json:"states"`
	Counts []Count      `json:"counts"`
	Shown  []Divergence `json:"shown" doc:"open ones first, then the newest"`
	Least  bool         `json:"least" doc:"there are more than were counted"`
}

// Lives counts divergences by state.
type Lives struct {
	Suspected int `json:"suspected"`
	Confirmed int `json:"confirmed"`
	Repaired  int `json:"repaired"`
	Verified  int `json:"verified"`
	Waived    int `json:"waived"`
}

// Count counts those of one kind in one table.
type Count struct {
	Table string `json:"table"`
	Kind  string `json:"kind"`
	Lives Lives  `json:"states"`
}

// Outage is a time in which the breaker held the target off.
type Outage struct {
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until" doc:"null: it lasts"`
	Reason string     `json:"reason"`
}

// Verify says how a reader finds out that the report is not made up.
type Verify struct {
	Chain    Chain    `json:"chain"`
	Commands []string `json:"commands"`
}

// shownMost is how many divergences stand one by one.
const shownMost = 200

// New computes the report. It keeps what it is given.
func New(in Input) Report {
	r := Report{
		Subject: in.Subject, Standing: in.Standing, Tables: list(in.Tables), Backlog: in.Backlog, Weak: list(in.Weak),
		Steps: stepsOf(in.Acts), Decisions: decisionsOf(in.Acts), Outages: outagesOf(in.Acts),
		Coverage:    coverageOf(in.Statements),
		Divergences: divergencesOf(in.Divergences),
		Verify:      Verify{Chain: in.Chain, Commands: commands()},
	}
	r.Divergences.Least = in.Uncounted
	for _, a := range in.Acts {
		if a.Act == actStart {
			r.Subject.Starts++
		}
	}
	if len(in.Acts) > 0 {
		r.Subject.From = in.Acts[0].Time
	}
	r.Risks = risksOf(&r, in.Divergences)
	return r
}

func commands() []string {
	return []string{
		"crossfade audit verify",
		"crossfade audit export > acts.jsonl && python3 docs/verify_acts.py < acts.jsonl",
		"crossfade divergence export -o csv > divergences.csv",
		"crossfade backfill --reason audit && crossfade reconcile run --wait --reason audit && crossfade divergence list --fail",
	}
}

// list is never nil, which JSON would write as null.
func list[T any](of []T) []T {
	if of == nil {
		return []T{}
	}
	return of
}

// Names of acts that a report tells apart.
const (
	actPhase   = "phase set"
	actShare   = "canary set"
	actAbort   = "abort"
	actStart   = "start"
	actBreaker = "breaker"
)

var decided = []string{
	"mirror", "reconcile pause", "reconcile resume", "reconcile run", "table ready", "backfill", "divergence waive", "reload",
}

func stepsOf(acts []Act) []Step {
	steps := []Step{}
	phase, share := "observe", 0.0
	for _, a := range acts {
		if a.Act == actPhase || a.Act == actShare || a.Act == actAbort {
			steps = append(steps, Step{Act: a, FromPhase: phase, FromShare: share})
		}
		phase, share = a.Phase, a.Share
	}
	return steps
}

func decisionsOf(acts []Act) []Act {
	found := []Act{}
	for _, a := range acts {
		if slices.Contains(decided, a.Act) {
			found = append(found, a)
		}
	}
	return found
}

// outagesOf pairs the breaker's acts. One that was open at a stop is closed by
// the start after it, where the breaker begins anew.
func outagesOf(acts []Act) []Outage {
	outages := []Outage{}
	open := false
	for _, a := range acts {
		isBreaker := a.Act == actBreaker
		switch {
		case isBreaker && a.To == "broken" && !open:
			outages, open = append(outages, Outage{Since: a.Time, Reason: a.Reason}), true
		case open && (isBreaker && a.To != "broken" || a.Act == actStart):
			until := a.Time
			outages[len(outages)-1].Until, open = &until, false
		}
	}
	return outages
}

func divergencesOf(all []Divergence) Divergences {
	d := Divergences{Total: len(all)}
	type place struct{ table, kind string }
	counts := map[place]*Count{}
	for i := range all {
		v := &all[i]
		at := place{v.Table, v.Kind}
		if counts[at] == nil {
			counts[at] = &Count{Table: v.Table, Kind: v.Kind}
		}
		counts[at].Lives.add(v.State)
		d.States.add(v.State)
		if v.Open {
			d.Open++
		}
	}
	d.Counts = make([]Count, 0, len(counts))
	for _, c := range counts {
		d.Counts = append(d.Counts, *c)
	}
	slices.SortFunc(d.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Kind, b.Kind))
	})
	d.Shown = shownOf(all)
	return d
}

func (l *Lives) add(s State) {
	switch s {
	case Suspected:
		l.Suspected++
	case Confirmed:
		l.Confirmed++
	case Repaired:
		l.Repaired++
	case Verified:
		l.Verified++
	case Waived:
		l.Waived++
	}
}

// shownOf are the open ones first, then the newest.
func shownOf(all []Divergence) []Divergence {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b Divergence) int {
		switch {
		case a.Open && !b.Open:
			return -1
		case b.Open && !a.Open:
			return 1
		default:
			return b.FirstSeen.Compare(a.FirstSeen)
		}
	})
	shown := list(sorted[:min(len(sorted), shownMost)])
	for i := range shown {
		shown[i].Columns, shown[i].Life = list(shown[i].Columns), list(shown[i].Life)
	}
	return shown
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
