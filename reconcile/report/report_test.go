package report

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestJSONKeysStay holds every key of the document against a file: a key that
// goes breaks those who read it.
func TestJSONKeysStay(t *testing.T) {
	text, err := json.Marshal(New(sample(same)))
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	collect(document, "", found)
	golden(t, "keys.txt", strings.Join(slices.Sorted(maps.Keys(found)), "\n")+"\n")
}

func collect(value any, path string, found map[string]bool) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			collect(element, path+"[]", found)
		}
	case map[string]any:
		for name, member := range value {
			if strings.HasSuffix(path, ".skipped") {
				name = "*"
			}
			collect(member, strings.TrimPrefix(path+"."+name, "."), found)
		}
	default:
		found[path] = true
	}
}

// golden compares with a file of testdata, which UPDATE=1 writes.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: UPDATE=1 writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// TestRisksOfTheSample are sentences that a reader can judge.
func TestRisksOfTheSample(t *testing.T) {
	var lines []string
	for _, r := range New(sample(same)).Risks {
		lines = append(lines, string(r.Severity)+": "+r.Text)
	}
	golden(t, "risks.txt", strings.Join(lines, "\n")+"\n")
}

func TestAnEmptyReportHasListsAndNoNull(t *testing.T) {
	r := New(Input{Chain: Chain{OK: true}})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("%s", text)
	}
	var page strings.Builder
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"Phase and share were never changed", "No table is mapped", "None was found in what was compared", "None is known"} {
		if !strings.Contains(page.String(), says) {
			t.Errorf("the page does not say %q", says)
		}
	}
}

// risky is what the sentences of a change to a quiet migration are.
func risky(change func(*Input)) (high, medium, low []string) {
	in := Input{Subject: Subject{Made: at(10, 0)}, Standing: Standing{Phase: "mirror", Authority: "source", Mirror: "on", Worker: "idle"}, Chain: Chain{OK: true}}
	change(&in)
	for _, r := range New(in).Risks {
		switch r.Severity {
		case High:
			high = append(high, r.Text)
		case Medium:
			medium = append(medium, r.Text)
		case Low:
			low = append(low, r.Text)
		}
	}
	return high, medium, low
}

func TestWhatIsARisk(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Input)
		want   Severity
		says   string
	}{
		{"a broken chain", func(in *Input) { in.Chain = Chain{Broken: 7, Why: "hash is not the hash"} }, High, "from record 7 on: hash is not the hash"},
		{"an open difference", func(in *Input) { in.Divergences = []Divergence{{State: Repaired, Open: true}} }, High, "1 difference is open"},
		{"a waiver that is over", func(in *Input) {
			in.Divergences = []Divergence{{ID: 3, State: Waived, Open: true, Table: "t", Kind: "value", Waiver: &Waiver{Until: at(1, 0)}}}
		}, High, "The waiver of difference 3 (t, value) ended 2026-07-01 09:00:00 UTC"},
		{"a waiver", func(in *Input) {
			in.Divergences = []Divergence{{ID: 3, State: Waived, Table: "t", Kind: "value", Waiver: &Waiver{Actor: "ana", Reason: "known", Until: at(34, 0)}}}
		}, Medium, "ana has waived it until 2026-07-02 18:00:00 UTC (1 d 0 h left), because: known"},
		{"a backlog", func(in *Input) { in.Backlog = Backlog{Dirty: 3, Keys: 2, Ranges: 1, OldestSeconds: 61} }, Medium, "2 keys and 1 key range may differ between the two sides now; the oldest for 1 min 1 s"},
		{"a key that flaps", func(in *Input) { in.Backlog.Flapping = 1 }, High, "1 key differs again and again"},
		{"off by hand", func(in *Input) { in.Standing.Mirror, in.Standing.Reason = "off", "load test" }, High, "switched off by hand: writes reach the source alone. Reason: load test"},
		{"an open breaker", func(in *Input) { in.Standing.Mirror = "broken" }, High, "The breaker holds the target off"},
		{"nothing mirrored", func(in *Input) { in.Standing.Mirror, in.Standing.Phase = "idle", "observe" }, Medium, "Nothing is mirrored in phase observe"},
		{"a worker that is paused", func(in *Input) { in.Standing.Worker, in.Standing.Why = "paused", "night" }, High, "The worker is paused, so nothing is repaired. Reason: night"},
		{"a worker that cannot", func(in *Input) { in.Standing.Worker, in.Standing.Why = "blocked", "no target" }, Medium, "The worker cannot work: no target"},
		{"writes that were not mirrored", func(in *Input) {
			in.Statements = []Statement{{Kind: "update", Seen: 1000, Mirrored: 999, Skipped: map[string]uint64{"budget": 1}}}
		}, Medium, "1 of 1,000 executions of writes were not mirrored as they ran (0.10 %)"},
		{"uncaptured writes", func(in *Input) {
			in.Statements = []Statement{{Kind: "call", Seen: 2, Skipped: map[string]uint64{"uncaptured": 2}, Tables: []string{"a", "b"}}}
		}, Medium, "The rows that 2 executions changed could not be seen (uncaptured); until the ranges that this made dirty are walked, nothing proves these tables equal: a, b."},
		{"writes without a word", func(in *Input) { in.Statements = []Statement{{Kind: "update", Seen: 3, Mirrored: 1}} }, Low, "Of 2 executions nobody has recorded why"},
		{"a body", func(in *Input) {
			in.Statements = []Statement{{Kind: "body", Seen: 1, Skipped: map[string]uint64{"body": 1}, Tables: []string{"a"}}}
		}, Medium, "The rows that 1 execution changed could not be seen (body)"},
		{"nothing compared", func(in *Input) { in.Statements = []Statement{{Kind: "select", Seen: 5}} }, Low, "No read was compared"},
		{"few compared", func(in *Input) { in.Statements = []Statement{{Kind: "select", Seen: 5, Compared: 5, Matched: 5}} }, Low, "5 reads were compared and none differed"},
		{"many compared", func(in *Input) {
			in.Statements = []Statement{{Kind: "select", Seen: 9000, Compared: 3000, Matched: 3000}}
		}, Low, "to about 0.1 % at 95 % confidence"},
		{"a table that is not ready", func(in *Input) { in.Tables = []Table{{Source: "t", Strict: true}} }, Medium, "The target may not answer reads of 1 table yet: t."},
		{"a table that somebody vouches for", func(in *Input) { in.Tables = []Table{{Source: "t", Strict: true, Ready: true, Declared: "ops"}} }, Medium, "t was declared to be copied by other means (ops)"},
		{"strict mode off", func(in *Input) {
			in.Tables = []Table{{Source: "t", Ready: true}, {Source: "u", Ready: true, Strict: true}}
		}, Low, "Strict mode is off for 1 table of 2"},
		{"a breaker of the past", func(in *Input) {
			in.Acts = []Act{{Time: at(1, 0), Act: "breaker", To: "broken", Reason: "gone"}, {Time: at(1, 2), Act: "breaker", To: "open"}}
		}, Medium, "held the target off 1 time, 2 min 0 s in all. The last time began 2026-07-01 09:00:00 UTC: gone"},
		{"a weak setting", func(in *Input) { in.Weak = []string{"fsync is off."} }, Medium, "fsync is off."},
		{"more than were counted", func(in *Input) { in.Uncounted = true }, Low, "more differences than this report counts"},
	}
	if high, medium, low := risky(func(*Input) {}); len(high)+len(medium)+len(low) != 0 {
		t.Fatalf("a quiet migration has risks: %q %q %q", high, medium, low)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			high, medium, low := risky(test.change)
			found := map[Severity][]string{High: high, Medium: medium, Low: low}
			if !strings.Contains(strings.Join(found[test.want], "\n"), test.says) {
				t.Errorf("%q", found)
			}
		})
	}
}

func TestManyWaiversAreSummed(t *testing.T) {
	_, medium, _ := risky(func(in *Input) {
		for range waiversMost + 3 {
			in.Divergences = append(in.Divergences, Divergence{State: Waived, Waiver: &Waiver{Until: at(20, 0)}})
		}
	})
	if len(medium) != waiversMost+1 || !strings.HasPrefix(medium[waiversMost], "3 differences are waived beside these") {
		t.Errorf("%q", medium)
	}
}

func TestWhatWasLeftOutIsSummedByReason(t *testing.T) {
	c := New(Input{Statements: []Statement{
		{Digest: "a", Kind: "update", Tables: []string{"t"}, Seen: 10, Mirrored: 5, Skipped: map[string]uint64{"budget": 3}},
		{Digest: "b", Kind: "delete", Tables: []string{"u", "t"}, Seen: 4, Skipped: map[string]uint64{"budget": 4}},
		{Digest: "c", Kind: "select", Tables: []string{"t"}, Seen: 7, Compared: 7, Matched: 6, Diverged: 1},
	}}).Coverage
	want := []Gap{
		{Reason: "budget", Meaning: meanings["budget"], Executions: 7, Statements: 2, Tables: []string{"t", "u"}},
		{Reason: unexplained, Meaning: meanings[unexplained], Executions: 2, Statements: 1, Tables: []string{"t"}},
	}
	if diff := cmp.Diff(want, c.Gaps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Covered{Statements: 2, Seen: 14, Mirrored: 5}, c.Writes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Covered{Statements: 1, Seen: 7, Compared: 7, Matched: 6, Diverged: 1}, c.Reads); diff != "" {
		t.Error(diff)
	}
	var order []string
	for _, s := range c.Statements {
		order = append(order, s.Digest)
	}
	if !slices.Equal(order, []string{"c", "a", "b"}) {
		t.Errorf("the least covered are not first: %v", order)
	}
}

func TestWhatThereIsNothingToMirrorOfIsNoRisk(t *testing.T) {
	high, medium, low := risky(func(in *Input) {
		in.Statements = []Statement{
			{Kind: "control", Seen: 900},
			{Kind: "session", Seen: 9},
			{Kind: "insert", Seen: 5, Skipped: map[string]uint64{"unmapped": 5}},
			{Kind: "insert", Seen: 5, Mirrored: 5},
		}
	})
	if len(high)+len(medium)+len(low) != 0 {
		t.Errorf("%q %q %q", high, medium, low)
	}
	c := New(Input{Statements: []Statement{{Kind: "control", Seen: 900}, {Kind: "other", Seen: 9, Mirrored: 4, Compared: 2}, {Kind: "unknown", Seen: 1}}}).Coverage
	if c.Neither.Seen != 900 || c.Mixed.Seen != 9 || c.Writes.Seen != 1 || c.Reads.Seen != 0 {
		t.Errorf("%+v", c)
	}
	if len(c.Gaps) != 1 || c.Gaps[0].Executions != 3+1 {
		t.Errorf("%+v", c.Gaps)
	}
}

func TestOutagesArePairs(t *testing.T) {
	act := func(minutes int, name, to string) Act {
		return Act{Time: at(0, minutes), Act: name, To: to, Reason: name}
	}
	until := func(minutes int) *time.Time { at := at(0, minutes); return &at }
	tests := []struct {
		name string
		acts []Act
		want []Outage
	}{
		{"none", []Act{act(0, "start", "")}, []Outage{}},
		{"one", []Act{act(1, "breaker", "broken"), act(2, "breaker", "open")}, []Outage{{at(0, 1), until(2), "breaker"}}},
		{"it lasts", []Act{act(1, "breaker", "broken")}, []Outage{{at(0, 1), nil, "breaker"}}},
		{"said twice", []Act{act(1, "breaker", "broken"), act(2, "breaker", "broken"), act(3, "breaker", "open")}, []Outage{{at(0, 1), until(3), "breaker"}}},
		{"a restart begins anew", []Act{act(1, "breaker", "broken"), act(5, "start", "")}, []Outage{{at(0, 1), until(5), "breaker"}}},
		{"an end without a begin", []Act{act(1, "breaker", "open")}, []Outage{}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, outagesOf(test.acts)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestOpenDifferencesAreShownFirst(t *testing.T) {
	var all []Divergence
	for i := range shownMost + 50 {
		all = append(all, Divergence{ID: uint64(i + 1), State: Verified, FirstSeen: at(i, 0)})
	}
	all[3].Open, all[3].State = true, Confirmed
	d := New(Input{Divergences: all}).Divergences
	if len(d.Shown) != shownMost || d.Shown[0].ID != 4 || d.Shown[1].ID != uint64(len(all)) || d.Total != len(all) || d.Open != 1 {
		t.Errorf("%d shown, first %d and %d, total %d, open %d", len(d.Shown), d.Shown[0].ID, d.Shown[1].ID, d.Total, d.Open)
	}
	if want := (Lives{Confirmed: 1, Verified: len(all) - 1}); d.States != want || all[0].ID != 1 {
		t.Errorf("%+v", d.States)
	}
}

func TestNumbersSayNoMoreThanTheyKnow(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{share(0, 0), "–"},
		{share(0, 5), "0 %"},
		{share(5, 5), "100 %"},
		{share(999_999, 1_000_000), "> 99.99 %"},
		{share(1, 1_000_000), "< 0.01 %"},
		{share(1, 3), "33.33 %"},
		{count(0), "0"},
		{count(999), "999"},
		{count(1000), "1,000"},
		{count(1234567), "1,234,567"},
		{age(-time.Second), "0 ms"},
		{age(1500 * time.Millisecond), "1.5 s"},
		{age(90 * time.Second), "1 min 30 s"},
		{age(3*time.Hour + 59*time.Minute), "3 h 59 min"},
		{age(50 * time.Hour), "2 d 2 h"},
		{moment(time.Time{}), ""},
		{some([]string{"a", "b"}), "a, b"},
		{some(strings.Split("a b c d e f g h i j", " ")), "a, b, c, d, e, f, g, h and 2 more"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}
