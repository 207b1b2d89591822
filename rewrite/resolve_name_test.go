package rewrite_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/rewrite"
)

func TestNamesReadAsTheyPrint(t *testing.T) {
	for text, want := range map[string]rewrite.Name{
		"orders":              {Schema: "public", Name: "orders"},
		"sales.orders":        {Schema: "sales", Name: "orders"},
		"Sales.Orders":        {Schema: "Sales", Name: "Orders"},
		`"a.b"."c""d"`:        {Schema: "a.b", Name: `c"d`},
		`größe.x$1`:           {Schema: "größe", Name: "x$1"},
		`public."with blank"`: {Schema: "public", Name: "with blank"},
	} {
		got, err := rewrite.ParseName(text)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
		if again, err := rewrite.ParseName(got.String()); err != nil || again != want {
			t.Errorf("%s prints as %s, which is %+v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", ".", "a.", ".a", "a..b", `"a`, `a"b"`, `"a"b`, `""`, "a b", "a;b", "a.b.c", `a."`} {
		if got, err := rewrite.ParseName(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestAnEntryKeepsItsPlaceAndItsPolicies(t *testing.T) {
	side := "table public.a\n  id int8 pk\n  x text\ntable public.b\n  id int8 pk\n"
	source, target := catalog(t, 16400, side), catalog(t, 26500, side)
	m := mapping(t, "{source: a, strict: false, columns: [\n  {source: nothing, target: x}]},\n{source: b, canary: false}")
	plan, problems := rewrite.Resolve(m, source, target, rewrite.Defaults{Strict: true})
	if len(problems) != 1 || problems[0].At != (rewrite.At{Line: 7, Column: 3}) {
		t.Errorf("problems: %+v", problems)
	}
	if len(plan.Pairs) != 1 || !plan.Pairs[0].Strict || plan.Pairs[0].Canary {
		t.Errorf("pairs:\n%s", printed(plan))
	}
}

func TestNoMappingIsAnEmptyPlan(t *testing.T) {
	side := catalog(t, 16400, "table public.a\n  id int8 pk\n")
	plan, problems := rewrite.Resolve(nil, side, side, rewrite.Defaults{})
	if len(plan.Pairs) != 0 || problems != nil || plan.Pair(rewrite.Name{Schema: "public", Name: "a"}) != nil {
		t.Errorf("%s%s", printed(plan), said(problems))
	}
}

// TestOneDatabase: a table of the same name is the table itself, and none is both
// an old shape and a new one.
func TestOneDatabase(t *testing.T) {
	side := catalog(t, 16400, "table public.a\n  id int8 pk\ntable public.b\n  id int8 pk\ntable public.c\n  id int8 pk\n")
	plan, problems := rewrite.Resolve(mapping(t, "{source: a, target: b}"), side, side, rewrite.Defaults{OneServer: true})
	if len(plan.Pairs) != 1 || len(problems) != 0 {
		t.Errorf("%s%s", printed(plan), said(problems))
	}
	for _, tables := range []string{"{source: a, target: b}, {source: b, target: c}", "{source: a}"} {
		_, problems = rewrite.Resolve(mapping(t, tables), side, side, rewrite.Defaults{OneServer: true})
		if len(problems) != 1 || problems[0].Severity != rewrite.Error {
			t.Errorf("%s: %s", tables, said(problems))
		}
	}
}

func TestResolveSaysTheSameEachTime(t *testing.T) {
	side := "table public.a\n  id int8 pk\n  code int8 notnull unique\n  x text\ntable public.b\n  id int8 pk\ntable public.c\n  id int8\ntable public.d\n  id int8\n"
	source, target := catalog(t, 16400, side), catalog(t, 26500, side)
	m := mapping(t, "{source: a, columns: [{source: id, target: code}, {source: code, target: id}]}")
	first, problems := rewrite.Resolve(m, source, target, rewrite.Defaults{})
	for range 50 {
		again, more := rewrite.Resolve(m, source, target, rewrite.Defaults{})
		if diff := cmp.Diff(printed(first)+said(problems), printed(again)+said(more)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// FuzzCheckExpression finds texts that are one expression by its word and could
// still get out of the brackets that they are put between.
func FuzzCheckExpression(f *testing.F) {
	for _, seed := range []string{"a", "a) OR (b", "'x' -- y", "a /* b */", `"a" || E'\''`, "$$x$$", "f(a, b)[1]", "CAST(a AS timestamp with time zone)", "U&'x'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if rewrite.CheckExpression(sql) != nil {
			return
		}
		if rewrite.CheckExpression("("+sql+")") != nil || rewrite.CheckExpression("CAST(("+sql+") AS int)") != nil {
			t.Errorf("%q is an expression, but not between brackets", sql)
		}
		if rewrite.CheckExpression(sql+")") == nil || rewrite.CheckExpression(sql+";") == nil || rewrite.CheckExpression(sql+", 1") == nil {
			t.Errorf("%q hides what follows it", sql)
		}
	})
}
