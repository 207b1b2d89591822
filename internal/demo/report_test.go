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
	failing.after.taken -= 250
	failing.load.trouble.refused = pgconn.PgError{}
	failing.audited.verdict = admin.Verdict{Broken: 3}
	failing.end = figures{}
	failing.dumps[2].sums[router.Target] = strings.Repeat("fedcba9876543210", 4)
	failing.planted.healed[1].State = admin.Confirmed
	failing.story.Divergences.Open = 1
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
	const killed, share5, share100 = "target killed", "canary 5 %", "canary 100 %"
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
		"the target answers at share 0": {func(r *report) { r.rows[0].seen.told[router.Target]++ }, "canary 0 %"},
		"status has somebody at share 0": {
			func(r *report) { r.rows[0].at.Target++ }, "canary 0 %",
		},
		"the target is silent at 100 %": {func(r *report) { r.rows[2].seen.told[router.Target] = 0 }, share100},
		"nobody answered a browser": {
			func(r *report) { delete(r.rows[0].seen.by[router.Source], 1) }, "canary 0 %",
		},
		"another browser than hashed":   {func(r *report) { swap(&r.rows[1]) }, share5},
		"the target answers a stranger": {func(r *report) { r.rows[1].seen.by[router.Target][stranger()] = true }, share5},
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
		"no orders without the target":  {func(r *report) { r.rows[3].seen.orders = 0 }, killed},
		"nothing was killed":            {func(r *report) { r.rows[3].kind = steady; r.rows[3].seen.again = nil }, killed},
		"work hung with the target":     {func(r *report) { r.rows[3].seen.worst = budget + busyTimes + 1 }, killed},
		"no work was timed":             {func(r *report) { r.rows[3].seen.worst = 0 }, killed},
		"the breaker stayed closed":     {func(r *report) { r.away.broken.State = "open" }, "breaker"},
		"the target did not come back":  {func(r *report) { r.away.mended = 0 }, "breaker"},
		"no key was noted":              {func(r *report) { r.away.dirty = 0 }, "keys"},
		"the keys stayed dirty":         {func(r *report) { r.away.drained = 0 }, "keys"},
		"the target was not empty":      {func(r *report) { r.filled.before = 1 }, "filled"},
		"the target was not filled":     {func(r *report) { r.filled.after = 0 }, "filled"},
		"no progress was told":          {func(r *report) { r.filled.told = 0 }, "filled"},
		"nothing was sold meanwhile":    {func(r *report) { r.filled.orders = 0 }, "filled"},
		"a range was left":              {func(r *report) { r.filled.tables[1].Ranges = 1 }, "filled"},
		"a table is not mapped":         {func(r *report) { r.filled.tables = r.filled.tables[1:] }, "filled"},
		"the target read another shape": {func(r *report) { r.rows[0].seen.shaped[router.Target]++ }, "shape"},
		"no canary session fell back":   {func(r *report) { r.end.fallbacks["shape"] = 0 }, "shape"},
		"nothing was written and read there": {func(r *report) {
			for _, s := range r.spans() {
				s.own[router.Target] = 0
			}
		}, "own writes"},
		"a refused row was not found":    {func(r *report) { r.planted.rejected = r.planted.rejected[1:] }, "constraint"},
		"the constraint was not named":   {func(r *report) { r.planted.rejected[0].Cause = "" }, "constraint"},
		"the waiver has no reason":       {func(r *report) { r.planted.waived.Waiver.Reason = "" }, "constraint"},
		"the waiver has no end":          {func(r *report) { r.planted.waived.Waiver.Until = time.Time{} }, "constraint"},
		"nothing was waived":             {func(r *report) { r.planted.waived = admin.Divergence{} }, "constraint"},
		"a refused row was not healed":   {func(r *report) { r.planted.healed[2].State = admin.Repaired }, "constraint"},
		"another row was healed":         {func(r *report) { r.planted.healed[2].ID = 99 }, "constraint"},
		"the stray change was not found": {func(r *report) { r.planted.stray = nil }, "stray change"},
		"the stray change has no column": {func(r *report) { r.planted.stray[0].Columns = nil }, "stray change"},
		"it was found twice":             {func(r *report) { r.planted.stray = append(r.planted.stray, r.planted.stray[0]) }, "stray change"},
		"it was not repaired":            {func(r *report) { r.planted.stray[0].Life.Repaired = nil }, "stray change"},
		"it was not looked at again":     {func(r *report) { r.planted.stray[0].State = admin.Repaired }, "stray change"},
		"a row differs in the end":       {func(r *report) { r.dumps[1].sums[router.Target] = "f00" }, "dump"},
		"a row is missing in the end":    {func(r *report) { r.dumps[1].rows[router.Target]-- }, "dump"},
		"a table was not dumped":         {func(r *report) { r.dumps = r.dumps[1:] }, "dump"},
		"a table is empty":               {func(r *report) { r.dumps[0].rows = [router.Sides]int64{} }, "dump"},
		"there is no page":               {func(r *report) { r.story.page = 0 }, "report"},
		"the report has no outage":       {func(r *report) { r.story.Outages = nil }, "report"},
		"the report has no waiver":       {func(r *report) { r.story.Decisions[0].Reason = "" }, "report"},
		"the report has one more kind":   {func(r *report) { r.story.Divergences.Total++ }, "report"},
		"a divergence is open":           {func(r *report) { r.story.Divergences.Open++ }, "report"},
		"a key is dirty in the end":      {func(r *report) { r.story.Backlog.Dirty++ }, "report"},
		"nothing was mirrored inline":    {func(r *report) { r.story.Coverage.Writes.Mirrored = 0 }, "report"},
		"an abort that was slow": {
			func(r *report) { r.aborting.last[router.Target] = r.aborted.Add(time.Second) }, "abort",
		},
		"no abort":                      {func(r *report) { r.aborted = time.Time{} }, "abort"},
		"an order is lost":              {func(r *report) { r.after.orders-- }, "orders"},
		"an order is doubled":           {func(r *report) { r.after.orders++ }, "orders"},
		"a payment is lost":             {func(r *report) { r.after.taken-- }, "money, money"},
		"an order's state is lost":      {func(r *report) { r.after.ordered-- }, "money"},
		"a payment the client saw fail": {func(r *report) { r.load.tally.cents-- }, "money"},
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
		"an act has failed":         {func(r *report) { r.audited.records[2].Result = admin.ResultFailed }, "acts"},
		"a waiver has no trace":     {func(r *report) { r.audited.records[3].Before, r.audited.records[3].After = nil, nil }, "acts"},
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

func TestTheSmallestShareHasBrowsersAndHalfIsAboutHalf(t *testing.T) {
	for share, want := range map[router.Share][2]int{0: {0, 0}, 500: {1, 8}, partly * 100: {12, 26}, 5000: {24, 40}, 10000: {browsers, browsers}} {
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

func TestProgressReadsAsPeopleSayIt(t *testing.T) {
	p := admin.Progress{Table: "public.orders", Copied: 4_129, Total: 20_000, State: "running", Rate: 2_459}
	for want, eta := range map[string]*admin.Span{
		"  copying public.orders          4,129 of about 20,000 rows, 2,459 rows/s\n":                  nil,
		"  copying public.orders          4,129 of about 20,000 rows, 2,459 rows/s, 12 to 35 s left\n": {Low: 12, High: 35.2},
	} {
		p.ETA = eta
		if got := progress(&p); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
	p.ETA, p.State, p.Reason = nil, "throttled", "lock_waits"
	if got := progress(&p); !strings.HasSuffix(got, ", throttled lock_waits\n") {
		t.Errorf("it says %q", got)
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
# TYPE crossfade_fallbacks_total counter
crossfade_fallbacks_total{reason="shape"} 7
crossfade_fallbacks_total{reason="state"} 2
`
	got, err := parseMetrics(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := figures{exchanges: 4, own: 200 * time.Microsecond, fallbacks: map[string]int64{"shape": 7, "state": 2}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figures{})); diff != "" {
		t.Errorf("figures differ (-want +got):\n%s", diff)
	}
	if _, err := parseMetrics(strings.NewReader("not metrics")); err == nil {
		t.Error("what is no metrics was read")
	}
}
