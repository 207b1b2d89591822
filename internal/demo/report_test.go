package demo

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sampleRow is a row in which the browsers are where the share puts them.
func sampleRow(share router.Share) row {
	in := chosen(share)
	out := map[int]bool{}
	for n := range browsers {
		if !in[n+1] {
			out[n+1] = true
		}
	}
	r := row{share: share, at: admin.Sessions{Source: 10 + len(out), Target: len(in)}}
	r.counted = [router.Sides]int64{1000, int64(20 * len(in))}
	s := &span{}
	for side, numbers := range [router.Sides]map[int]bool{out, in} {
		for n := range numbers {
			took := time.Duration(700+side*200+n) * time.Microsecond
			s.heard(answer{browser: n, side: router.Side(side), took: took})
		}
	}
	s.snapped(router.Source)
	for range 120 {
		s.ordered()
	}
	r.seen = s.seen()
	return r
}

// sample is a report in which all is well.
func sample() *report {
	down := sampleRow(5000)
	down.kind, down.counted[router.Target] = downfall, -1
	down.seen.again = map[string]int{"08006": 2, "57P01": 1}
	down.seen.losers = map[int]bool{}
	for n := range down.seen.by[router.Target] {
		if len(down.seen.losers) < down.seen.interruptions() {
			down.seen.losers[n] = true
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &report{
		majors: [router.Sides]int{12, 18},
		toured: toured{
			rows:    []row{sampleRow(0), sampleRow(500), sampleRow(10000), down, sampleRow(5000), sampleRow(0)},
			aborted: at, back: 150 * time.Millisecond, mended: 1200 * time.Millisecond,
			broken: admin.Target{State: "broken", Reason: "it cannot be reached"},
			acts:   []act{{"phase set canary", "try", 0}, {"canary set 5", "a few", 5}, {"abort", "enough", 0}},
		},
		load: &loaded{
			took: 2 * time.Second, heard: 1500, size: 74,
			trouble: trouble{
				cancelled: pgconn.PgError{Code: queryCanceled},
				after:     3210 * time.Microsecond,
				refused:   pgconn.PgError{Code: uniqueViolation, ConstraintName: paidOnce},
			},
		},
		end: figures{exchanges: 40, own: 1060 * time.Microsecond, memory: 23 << 20},
	}
	r.aborting.last[router.Target] = at.Add(20 * time.Millisecond)
	loaded := books{orders: 3000, taken: 40_000_000, ordered: 40_000_000}
	r.before = [router.Sides]books{loaded, loaded}
	r.after = [router.Sides]books{{orders: 4500, taken: 51_234_567, ordered: 51_234_567}, loaded}
	t := &r.load.tally
	t.cents = 11_234_567
	for i := range 1500 {
		t.add(placeOrder, time.Duration(i)*10*time.Microsecond, nil)
	}
	for i := range 100 {
		t.add(browse, time.Duration(100-i)*time.Microsecond, nil)
	}
	r.audited = sampleActs(r.acts)
	return r
}

func sampleActs(acts []act) audited {
	point := json.RawMessage(`{"share":0}`)
	a := audited{list: "SEQ  ACT\n", verified: "verdict  ok\n", verdict: admin.Verdict{OK: true, Records: 5}}
	a.records = []admin.Record{{Seq: 1, Actor: "crossfade", Act: "start", Reason: "start"}}
	for i, one := range acts {
		name, _, _ := strings.Cut(one.name, " canary")
		name = strings.TrimSuffix(name, " 5")
		a.records = append(a.records, admin.Record{
			Seq: uint64(2 + i), Actor: "local", Act: name, Reason: one.reason, Before: point, After: point,
			Runtime: admin.Point{Share: one.share},
		})
	}
	for range 2 {
		a.records = append(a.records, admin.Record{Actor: "crossfade", Door: admin.DoorAuto, Act: breakerAct})
	}
	return a
}

func (r *report) whole() string {
	var rows strings.Builder
	rows.WriteString(heading())
	for i := range r.rows {
		rows.WriteString(r.rows[i].text())
	}
	return rows.String() + r.text()
}

func TestTheReportReadsAsItDid(t *testing.T) {
	failing := sample()
	failing.rows[1].seen.failed, failing.rows[1].seen.first = 1, errors.New("19 rows, want 20")
	failing.rows[3].seen.again, failing.rows[3].seen.losers = nil, nil
	failing.load.heard--
	failing.after[router.Source].taken -= 250
	failing.load.trouble.refused = pgconn.PgError{}
	failing.audited.verdict = admin.Verdict{Broken: 3}
	failing.end = figures{}
	for name, r := range map[string]*report{"all_is_well": sample(), "checks_fail": failing} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(r.whole()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), r.whole()); diff != "" {
				t.Errorf("the report differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachFaultBreaksItsCheck(t *testing.T) {
	const killed, share5, share100 = "target killed", "share 5 %", "share 100 %"
	for name, c := range map[string]struct {
		change func(*report)
		broken string // beginnings of the claims
	}{
		"all is well":                   {func(*report) {}, ""},
		"the same version twice":        {func(r *report) { r.majors[router.Source] = 18 }, "versions"},
		"a client had an error":         {func(r *report) { r.rows[0].seen.failed++ }, "client errors"},
		"an error while sessions moved": {func(r *report) { r.moving.failed++ }, "client errors"},
		"an error during the abort":     {func(r *report) { r.aborting.failed++ }, "client errors"},
		"an error without the target":   {func(r *report) { r.rows[3].seen.failed++ }, "client errors, target killed"},
		"an error on its return":        {func(r *report) { r.returning.failed++ }, "client errors, target killed"},
		"no snapshot was read": {func(r *report) {
			for i := range r.rows {
				r.rows[i].seen.snaps = [router.Sides]int{}
			}
		}, "snapshots"},
		"a connection was lost":         {func(r *report) { r.load.gone++ }, "connections"},
		"a session was left":            {func(r *report) { r.left++ }, "connections"},
		"the target answers at share 0": {func(r *report) { r.rows[0].seen.told[router.Target]++ }, "share 0 %"},
		"status has somebody at share 0": {
			func(r *report) { r.rows[0].at.Target++ }, "share 0 %",
		},
		"the target is silent at 100 %": {func(r *report) { r.rows[2].seen.told[router.Target] = 0 }, share100},
		"the source answers at 100 %":   {func(r *report) { r.rows[2].seen.told[router.Source]++ }, share100},
		"another browser than hashed":   {func(r *report) { swap(&r.rows[1]) }, share5},
		"a browser answered by both":    {func(r *report) { addAll(&r.rows[1]) }, share5},
		"a transaction lost on the way": {
			func(r *report) { r.rows[1].seen.again = map[string]int{"08006": 1} }, share5,
		},
		"a stranger lost a transaction": {
			func(r *report) { r.rows[3].seen.losers = map[int]bool{stranger(): true} }, killed,
		},
		"a move cost a transaction": {func(r *report) { r.moving.again = map[string]int{"57P01": 1} }, killed},
		"a session is told twice":   {func(r *report) { r.rows[3].seen.again["08006"]++ }, killed},
		"one is told twice later": {
			func(r *report) {
				r.returning.again, r.returning.losers = map[string]int{"08006": 2}, map[int]bool{stranger(): true}
			}, killed,
		},
		"no orders without the target": {func(r *report) { r.rows[3].seen.orders = 0 }, killed},
		"nothing was killed":           {func(r *report) { r.rows[3].kind = steady; r.rows[3].seen.again = nil }, killed},
		"the breaker stayed closed":    {func(r *report) { r.broken.State = "open" }, "breaker"},
		"the target did not come back": {func(r *report) { r.mended = 0 }, "breaker"},
		"an abort that was slow": {
			func(r *report) { r.aborting.last[router.Target] = r.aborted.Add(time.Second) }, "abort",
		},
		"no abort":                      {func(r *report) { r.aborted = time.Time{} }, "abort"},
		"an order is lost":              {func(r *report) { r.after[router.Source].orders-- }, "orders"},
		"an order is doubled":           {func(r *report) { r.after[router.Source].orders++ }, "orders"},
		"a payment is lost":             {func(r *report) { r.after[router.Source].taken-- }, "money, money"},
		"an order's state is lost":      {func(r *report) { r.after[router.Source].ordered-- }, "money"},
		"a payment the client saw fail": {func(r *report) { r.load.tally.cents-- }, "money"},
		"a write at the target":         {func(r *report) { r.after[router.Target].taken++ }, "target"},
		"a notice is lost":              {func(r *report) { r.load.heard-- }, "notices"},
		"the listener is lost":          {func(r *report) { r.load.deaf = os.ErrClosed }, "notices"},
		"the cancelled query went on":   {func(r *report) { r.load.trouble.cancelled.Code = "" }, "a slow query cancelled on purpose"},
		"the constraint has no name":    {func(r *report) { r.load.trouble.refused.ConstraintName = "" }, "a second payment refused on purpose"},
		"the session did not go on": {
			func(r *report) { r.load.trouble.err = os.ErrClosed },
			"a slow query cancelled on purpose, a second payment refused on purpose",
		},
		"an act is missing":         {func(r *report) { r.audited.records = slices.Delete(r.audited.records, 2, 3) }, "acts"},
		"an act has another reason": {func(r *report) { r.audited.records[2].Reason = "" }, "acts"},
		"an act has another share":  {func(r *report) { r.audited.records[2].Runtime.Share = 6 }, "acts"},
		"an act has no actor":       {func(r *report) { r.audited.records[2].Actor = "" }, "acts"},
		"an act has no before":      {func(r *report) { r.audited.records[2].Before = json.RawMessage("null") }, "acts"},
		"the breaker is not told":   {func(r *report) { r.audited.records = r.audited.records[:len(r.audited.records)-1] }, "acts"},
		"the chain is broken":       {func(r *report) { r.audited.verdict.OK = false }, "chain"},
		"the chain is short":        {func(r *report) { r.audited.verdict.Records = 2 }, "chain"},
	} {
		t.Run(name, func(t *testing.T) {
			r := sample()
			c.change(r)
			if got := strings.Join(slices.Compact(broken(r.checks())), ", "); got != strings.Join(slices.Compact(strings.Split(c.broken, ", ")), ", ") {
				t.Errorf("broken is %q, want %q", got, c.broken)
			}
			if holds(r.checks()) != (c.broken == "") {
				t.Error("the whole says otherwise")
			}
		})
	}
}

// stranger is a browser that half of the sessions do not have.
func stranger() int {
	n := 1
	for in := chosen(5000); in[n]; {
		n++
	}
	return n
}

// swap puts a browser at the target in the place of another.
func swap(r *row) {
	n := stranger()
	for first := range r.seen.by[router.Target] {
		delete(r.seen.by[router.Target], first)
		delete(r.seen.by[router.Source], n)
		r.seen.by[router.Target][n], r.seen.by[router.Source][first] = true, true
		return
	}
}

// addAll lets the source answer everybody as well.
func addAll(r *row) {
	for n := range r.seen.by[router.Target] {
		r.seen.by[router.Source][n] = true
	}
}

func TestTheSmallestShareHasBrowsersAndHalfIsAboutHalf(t *testing.T) {
	for share, want := range map[router.Share][2]int{0: {0, 0}, 500: {1, 8}, 5000: {24, 40}, 10000: {browsers, browsers}} {
		if n := len(chosen(share)); n < want[0] || n > want[1] {
			t.Errorf("share %s%% has %d of %d browsers", share, n, browsers)
		}
	}
}

func TestEqualVersionsAreAnError(t *testing.T) {
	old, latest := dbserver.Version{Major: 12, Minor: 22}, dbserver.Version{Major: 18, Minor: 4}
	if err := differ(old, latest); err != nil {
		t.Error(err)
	}
	if err := differ(latest, dbserver.Version{Major: 18, Minor: 1}); err == nil || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("the error is %v", err)
	}
}

func TestOnlyALostServerIsWorthAnotherTry(t *testing.T) {
	for code, want := range map[string]bool{
		"08006": true, "08003": true, "57P01": true, "57P03": true,
		queryCanceled: false, "25006": false, "26000": false, "40001": false,
	} {
		if got, again := runAgain(&pgconn.PgError{Code: code}); again != want || got != code {
			t.Errorf("%s: %v", code, again)
		}
	}
	if _, again := runAgain(os.ErrClosed); again {
		t.Error("a lost connection of the client's is not")
	}
}

func TestCommandsReadAsTheyAreTyped(t *testing.T) {
	o := &operator{address: "http://127.0.0.1:1", tokens: "/state/admin.token", token: "very-secret"}
	if got := typed([]string{"canary", "set", "5", "--reason", "a few"}); got != `crossfade canary set 5 --reason "a few"` {
		t.Error(got)
	}
	if text := o.environment(); strings.Contains(text, o.token) || !strings.Contains(text, `"$(cat /state/admin.token)"`) {
		t.Errorf("it says %s", text)
	}
}

func TestNumbersReadAsPeopleWriteThem(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_020_003: "1,020,003", -45_678: "-45,678"} {
		if got := grouped(n); got != want {
			t.Errorf("%d reads %q, want %q", n, got, want)
		}
	}
	for cents, want := range map[int64]string{0: "0.00", 5: "0.05", 1_234_567: "12,345.67", -150: "-1.50"} {
		if got := money(cents); got != want {
			t.Errorf("%d cents read %q, want %q", cents, got, want)
		}
	}
}

func TestQuantileIsTheNearestRank(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for name, c := range map[string]struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		"none":                 {nil, 0.5, 0},
		"one":                  {hundred[:1], 0.99, 100},
		"median of a hundred":  {hundred, 0.50, 50},
		"99th of a hundred":    {hundred, 0.99, 99},
		"the lowest there is":  {hundred, 0, 1},
		"the highest there is": {hundred, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quantile(slices.Clone(c.of), c.q); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestMetricsThatDifferByLabelsAreAddedUp(t *testing.T) {
	const text = `# TYPE crossfade_sessions gauge
crossfade_sessions{side="source",state="active"} 3
crossfade_sessions{side="source",state="idle"} 15
# TYPE crossfade_overhead_seconds histogram
crossfade_overhead_seconds_bucket{lane="fast",le="+Inf"} 4
crossfade_overhead_seconds_sum{lane="fast"} 0.0002
crossfade_overhead_seconds_count{lane="fast"} 4
`
	got, err := parseMetrics(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := figures{exchanges: 4, own: 200 * time.Microsecond}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figures{})); diff != "" {
		t.Errorf("figures differ (-want +got):\n%s", diff)
	}
	if _, err := parseMetrics(strings.NewReader("not metrics")); err == nil {
		t.Error("what is no metrics was read")
	}
}
