package demo

import (
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
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a report in which all is well.
func sample() *report {
	r := &report{
		load: &loaded{
			took: 2 * time.Second, heard: 1500,
			trouble: trouble{
				cancelled: pgconn.PgError{Code: queryCanceled},
				after:     3210 * time.Microsecond,
				refused:   pgconn.PgError{Code: uniqueViolation, ConstraintName: paidOnce},
			},
		},
		before:   books{orders: 3000, taken: 40_000_000, ordered: 40_000_000, committed: 100, read: 5000, written: 20_000},
		after:    books{orders: 4500, taken: 51_234_567, ordered: 51_234_567, committed: 5321, read: 1_234_567, written: 31_000},
		sessions: 18,
		midway:   figures{sessions: 18, memory: 23 << 20},
		end:      figures{sessions: 0, exchanges: 40, own: 1060 * time.Microsecond},
	}
	t := &r.load.tally
	t.cents = 11_234_567
	for i := range 1500 {
		t.add(placeOrder, time.Duration(i)*10*time.Microsecond, nil)
	}
	for i := range 100 {
		t.add(browse, time.Duration(100-i)*time.Microsecond, nil)
	}
	return r
}

func TestTheReportReadsAsItDid(t *testing.T) {
	failing := sample()
	failing.load.tally.add(browse, 0, errors.New("19 rows, want 20"))
	failing.load.heard--
	failing.after.taken -= 250
	failing.load.trouble.refused = pgconn.PgError{}
	failing.end, failing.midway.memory = figures{}, 0
	for name, r := range map[string]*report{"all_is_well": sample(), "checks_fail": failing} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(r.text()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), r.text()); diff != "" {
				t.Errorf("the report differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachFaultBreaksItsCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*report)
		broken string // beginnings of the claims
	}{
		"all is well":                   {func(*report) {}, ""},
		"a client had an error":         {func(r *report) { r.load.tally.add(browse, 0, os.ErrClosed) }, "client errors"},
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
	} {
		t.Run(name, func(t *testing.T) {
			r := sample()
			c.change(r)
			var broken []string
			for _, check := range r.checks() {
				if !check.holds {
					word, _, _ := strings.Cut(check.claim, ":")
					broken = append(broken, word)
				}
			}
			if got := strings.Join(broken, ", "); got != c.broken {
				t.Errorf("broken is %q, want %q", got, c.broken)
			}
			if holds(r.checks()) != (c.broken == "") {
				t.Error("the whole says otherwise")
			}
		})
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
	want := figures{sessions: 18, exchanges: 4, own: 200 * time.Microsecond}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figures{})); diff != "" {
		t.Errorf("figures differ (-want +got):\n%s", diff)
	}
	if _, err := parseMetrics(strings.NewReader("not metrics")); err == nil {
		t.Error("what is no metrics was read")
	}
}
