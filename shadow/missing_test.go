package shadow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
)

func keysOf(ids ...string) *Keys {
	k := &Keys{}
	for _, id := range ids {
		k.Add(rewrite.RowKey(id))
	}
	return k
}

func TestRowsThatTheOtherSideIsNotGivenAreDirtyOnceCommitted(t *testing.T) {
	a, b := table("a"), table("b")
	for _, test := range []struct {
		name string
		do   func(f *field)
		how  Ending
		want string
	}{
		{
			"alone", func(f *field) { f.Missing("s.a", keysOf("1", "2", "2")) }, Committed,
			"intend s.a:2; authority commits; settle s.a:2 authority uncaptured",
		},
		{
			"beside what is mirrored", func(f *field) { f.Captured(rows(b, Inserted, "1")); f.Missing("s.a", keysOf("1")) }, Committed,
			"open; apply 0 1; intend s.b:1; intend s.a:1; await; authority commits; commit; committed; settle s.b:1 both; settle s.a:1 authority uncaptured",
		},
		{
			"behind TRUNCATE", func(f *field) {
				f.Captured(&Change{Kind: Truncated, Pairs: []*rewrite.Pair{a}})
				f.Missing("s.a", keysOf("1"))
			}, Committed,
			"open; apply 4 0; intend s.a:all; intend s.a:1; await; authority commits; commit; committed; settle s.a:all both; settle s.a:1 authority uncaptured",
		},
		{
			"and changed in the same transaction", func(f *field) { f.Missing("s.a", keysOf("1")); f.Captured(rows(a, Updated, "1")) }, Committed,
			"intend s.a:1; intend s.a:1; authority commits; settle s.a:1 authority uncaptured; settle s.a:1 authority uncaptured",
		},
		{
			"twice", func(f *field) { f.Missing("s.a", keysOf("1", "2")); f.Missing("s.a", keysOf("2", "3")) }, Committed,
			"intend s.a:3; authority commits; settle s.a:3 authority uncaptured",
		},
		{
			"rolled back", func(f *field) { f.Missing("s.a", keysOf("1")) }, RolledBack,
			"intend s.a:1; authority rolls back; settle s.a:1 neither",
		},
		{
			"nobody knows", func(f *field) { f.Missing("s.a", keysOf("1")) }, Unknown,
			"intend s.a:1; authority is lost; settle s.a:1 uncertain lost",
		},
		{"none", func(f *field) { f.Missing("s.a", keysOf()) }, Committed, "authority commits"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField()
			test.do(f)
			if _, err := f.Commit(f.authority(test.how)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(f.log, "; "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestWhatIsMissingIsBounded(t *testing.T) {
	f := newField()
	long := strings.Repeat("k", 1000)
	k := &Keys{}
	n := 0
	for k.Add(rewrite.RowKey(long + fmt.Sprint(n))) {
		n++
	}
	if n < 4000 || n > 4200 || len(k.all) > 0 || k.Add("one") {
		t.Errorf("%d keys of 1 kB were taken, %d are held", n, len(k.all))
	}
	most := func(table string) *Keys {
		k := &Keys{}
		for i := range n - 50 {
			k.Add(rewrite.RowKey(long + table + fmt.Sprint(i)))
		}
		return k
	}
	for _, table := range []string{"a", "b", "c", "d", "e"} {
		f.Missing(table, most(table))
	}
	f.Missing("a", most("other"))
	f.Missing("f", k)
	if len(f.missing) != 2 || f.whole["a"] != CauseBulk || f.whole["d"] != CauseBulk || f.whole["e"] != CauseBulk || f.whole["f"] != CauseBulk {
		t.Errorf("missing of %d tables, whole are %v", len(f.missing), f.whole)
	}
	if !f.Lacks() || !f.Touches("b", rewrite.RowKey(long+"b1")) || f.Touches("b", "1") || !f.Touches("d", "1") {
		t.Error("what is missing is not known")
	}
}
