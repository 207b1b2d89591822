package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/reconcile/report"
)

func (f *fake) SetMirror(_ context.Context, c Change, to string) (Status, error) {
	f.remember(to)
	return f.change("mirror", c, f.status.Share)
}

// remember keeps what a verb was given.
func (f *fake) remember(given ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.given = given
}

var fakeTables = Tables{Tables: []Table{{Source: "public.orders", Target: "sales.orders_v2", Dirty: 3, Reason: "3 dirty keys"}}}

func (f *fake) Tables(context.Context) (Tables, error) { return fakeTables, f.ask("table list") }

func (f *fake) ReadyTable(_ context.Context, c Change, table string) (Tables, error) {
	f.remember(table)
	_, err := f.change("table ready", c, f.status.Share)
	return fakeTables, err
}

func (f *fake) Coverage(context.Context) (Coverage, error) {
	s := Statement{Digest: "d1", Kind: "update", Tables: []string{"public.orders"}, Seen: 9, Mirrored: 8, Skipped: map[string]uint64{"volatile": 1}}
	return Coverage{Statements: []Statement{s}}, f.ask("coverage")
}

func fakeReconcile() Reconcile {
	walk := Progress{Table: "public.orders", Copied: 50, Total: 100, State: "running", ETA: &Span{Low: 1, High: 2}}
	return Reconcile{State: "running", Dirty: 4, OldestSeconds: 1.5, Tables: []Progress{walk}}
}

func (f *fake) Reconcile(context.Context) (Reconcile, error) {
	return fakeReconcile(), f.ask("reconcile status")
}

func (f *fake) SetReconcile(_ context.Context, c Change, to string) (Reconcile, error) {
	_, err := f.change("reconcile "+to, c, f.status.Share)
	return fakeReconcile(), err
}

func (f *fake) Backfill(_ context.Context, c Change, tables []string) (Backfill, error) {
	f.remember(tables...)
	_, err := f.change("backfill", c, f.status.Share)
	return Backfill{Tables: fakeReconcile().Tables}, err
}

func (f *fake) Dirty(_ context.Context, q DirtyQuery) (Dirty, error) {
	item := DirtyItem{Table: "public.orders", Key: "hmac:00", Cause: "budget", Since: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)}
	return Dirty{Dirty: q.Limit, Items: []DirtyItem{item}}, f.ask("dirty list")
}

func fakeDivergence(id uint64) Divergence {
	at := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	return Divergence{
		ID: id, State: Waived, Kind: "value", Table: "public.orders", Key: "hmac:00", Columns: []string{"total"}, FirstSeen: at, LastSeen: at,
		Life: Life{Confirmed: &at}, Waiver: &WaiverOf{Actor: "ops", Reason: "known", Since: at, Until: at},
	}
}

func (f *fake) Divergences(_ context.Context, q DivergenceQuery) (found []Divergence, err error) {
	for id := q.After + 1; id <= 5 && len(found) < q.Limit; id++ {
		found = append(found, fakeDivergence(id))
	}
	return found, f.ask("divergence list")
}

func (f *fake) Divergence(_ context.Context, id uint64) (Divergence, error) {
	return fakeDivergence(id), f.ask("divergence show")
}

func (f *fake) Waive(_ context.Context, c Change, id uint64, until time.Time) (Divergence, error) {
	f.remember(until.Format(time.RFC3339))
	_, err := f.change("divergence waive", c, f.status.Share)
	return fakeDivergence(id), err
}

func (f *fake) Report(context.Context) (report.Report, error) {
	return report.New(report.Input{Subject: report.Subject{Migration: "shop-v2"}}), f.ask("report")
}

func TestPagesOfDivergences(t *testing.T) {
	h := open(t)
	for _, test := range []struct {
		query string
		ids   []uint64
		next  uint64
	}{
		{"", []uint64{1, 2, 3, 4, 5}, 0},
		{"?limit=2", []uint64{1, 2}, 2},
		{"?limit=2&after=2", []uint64{3, 4}, 4},
		{"?limit=2&after=4", []uint64{5}, 0},
		{"?after=5", nil, 0},
	} {
		var page DivergencePage
		if err := json.Unmarshal([]byte(h.send(t, "GET", "/api/v1/divergences"+test.query, secrets[Viewer], "").body), &page); err != nil {
			t.Fatal(err)
		}
		var ids []uint64
		for _, d := range page.Divergences {
			ids = append(ids, d.ID)
		}
		if diff := cmp.Diff(test.ids, ids); diff != "" || page.Next != test.next || page.Divergences == nil {
			t.Errorf("%s: next %d, %s", test.query, page.Next, diff)
		}
	}
}

func TestArgumentsOfMirrorVerbsThatCannotBe(t *testing.T) {
	h := open(t)
	tests := []struct {
		name, method, path, body, says string
	}{
		{"a state that is none", "GET", "/divergences?state=lost", "", `state \"lost\" is not known`},
		{"a kind that is none", "GET", "/divergences?kind=lost", "", `kind \"lost\" is not known`},
		{"a limit above a page", "GET", "/divergences?limit=1001", "", "limit is not between"},
		{"no limit", "GET", "/dirty?limit=0", "", "limit is not between"},
		{"no id", "GET", "/divergences/show", "", "divergence show needs id"},
		{"an id that is none", "GET", "/divergences/show?id=-1", "", "id is not the number of a divergence"},
		{"id 0", "GET", "/divergences/show?id=0", "", "id is not the number of a divergence"},
		{"an id in two halves", "PUT", "/divergences/waive", `{"reason": "x", "id": 1.5, "until": "2999-01-01"}`, "id is not the number of a divergence"},
		{"until nothing", "PUT", "/divergences/waive", `{"reason": "x", "id": 1}`, "divergence waive needs until"},
		{"until a word", "PUT", "/divergences/waive", `{"reason": "x", "id": 1, "until": "monday"}`, "neither a day nor a time"},
		{"until yesterday", "PUT", "/divergences/waive", `{"reason": "x", "id": 1, "until": "2020-01-01"}`, "until is over"},
		{"no reason", "PUT", "/divergences/waive", `{"id": 1, "until": "2999-01-01"}`, "needs a reason"},
		{"neither on nor off", "PUT", "/mirror", `{"reason": "x", "to": "maybe"}`, `to \"maybe\" is not known`},
		{"tables that are no list", "POST", "/backfill", `{"reason": "x", "tables": "public.orders"}`, "tables is not a list of strings"},
		{"tables that are no names", "POST", "/backfill", `{"reason": "x", "tables": [1]}`, "tables is not a list of strings"},
		{"a table that is null", "POST", "/backfill", `{"reason": "x", "tables": [null]}`, "tables is not a list of strings"},
	}
	for _, test := range tests {
		got := h.send(t, test.method, "/api/v1"+test.path, secrets[Operator], test.body)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, test.says) {
			t.Errorf("%s: %d %s", test.name, got.status, got.body)
		}
	}
	if len(h.changes) != 0 {
		t.Errorf("it changed something: %+v", h.changes)
	}
}

func TestWhatAMirrorVerbIsGiven(t *testing.T) {
	h := open(t)
	tests := []struct {
		name, method, path, body string
		given                    []string
	}{
		{"off", "PUT", "/mirror", `{"reason": "x", "to": "off"}`, []string{"off"}},
		{"a table", "PUT", "/tables/ready", `{"reason": "x", "table": "public.\"Odd, name\""}`, []string{`public."Odd, name"`}},
		{"tables, sorted and once", "POST", "/backfill", `{"reason": "x", "tables": ["public.b", "public.\"a\nb\"", "public.b"]}`, []string{"public.\"a\nb\"", "public.b"}},
		{"all tables", "POST", "/backfill", `{"reason": "x"}`, nil},
		{"no tables named", "POST", "/backfill", `{"reason": "x", "tables": []}`, []string{}},
		{"a day is whole", "PUT", "/divergences/waive", `{"reason": "x", "id": 1, "until": "2999-12-31"}`, []string{"3000-01-01T00:00:00Z"}},
		{"a time of some zone", "PUT", "/divergences/waive", `{"reason": "x", "id": 1, "until": "2999-12-31T02:00:00+02:00"}`, []string{"2999-12-31T00:00:00Z"}},
	}
	for _, test := range tests {
		h.remember("nothing")
		if got := h.send(t, test.method, "/api/v1"+test.path, secrets[Operator], test.body); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", test.name, got.status, got.body)
		}
		if diff := cmp.Diff(test.given, h.given); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestADivergenceIsOpenUntilItIsVerifiedOrWaived(t *testing.T) {
	now := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	until := func(d time.Duration) *WaiverOf { return &WaiverOf{Until: now.Add(d)} }
	for name, test := range map[string]struct {
		d    Divergence
		open bool
	}{
		"suspected":                 {Divergence{State: Suspected}, true},
		"confirmed":                 {Divergence{State: Confirmed}, true},
		"repaired, and not checked": {Divergence{State: Repaired}, true},
		"verified":                  {Divergence{State: Verified}, false},
		"waived":                    {Divergence{State: Waived, Waiver: until(time.Second)}, false},
		"waived until now":          {Divergence{State: Waived, Waiver: until(0)}, true},
		"waived until before":       {Divergence{State: Waived, Waiver: until(-time.Second)}, true},
		"waived by nobody":          {Divergence{State: Waived}, true},
		"a state of the future":     {Divergence{State: "argued"}, true},
	} {
		if got := test.d.IsOpen(now); got != test.open {
			t.Errorf("%s: open %t", name, got)
		}
	}
}
