package image

import (
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
)

func TestATypeWithoutItsModifier(t *testing.T) {
	tests := map[string]string{
		"integer": "integer", "text": "pg_catalog.text", "character varying(50)": "character varying",
		"character(3)": "pg_catalog.bpchar", "character": "pg_catalog.bpchar", "bpchar": "pg_catalog.bpchar", `"char"`: `pg_catalog."char"`,
		"bit(3)": `pg_catalog."bit"`, "bit varying(3)": "bit varying", "numeric(12,2)": "numeric", "double precision": "double precision",
		"timestamp(3) with time zone": "timestamp with time zone", "interval day to second(3)": "interval", "interval(2)": "interval",
		"character varying(3)[]": "character varying[]", "character(3)[]": "pg_catalog.bpchar[]", "uuid[]": "pg_catalog.uuid[]",
		"public.geometry(Point,4326)": "public.geometry", `public."odd (type"`: `public."odd (type"`, `"pg_catalog"."bpchar"`: `"pg_catalog"."bpchar"`,
	}
	for name, want := range tests {
		if got := bare(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func ordinary(name string, from ...string) *rewrite.Target {
	t := &rewrite.Target{Table: &rewrite.Table{Name: rewrite.Name{Schema: "public", Name: name}}}
	for _, f := range from {
		t.Table.Referenced = append(t.Table.Referenced, rewrite.ForeignKey{From: rewrite.Name{Schema: "public", Name: f}})
	}
	return t
}

func TestTruncateNamesEveryTargetOrNone(t *testing.T) {
	parent := &rewrite.Pair{Targets: []*rewrite.Target{ordinary("parent", "child", "parent"), ordinary("side")}}
	child := &rewrite.Pair{Targets: []*rewrite.Target{ordinary("child")}}
	tests := []struct {
		name  string
		pairs []*rewrite.Pair
		want  string
	}{
		{"no pair", nil, ""},
		{"a table alone", []*rewrite.Pair{child}, `TRUNCATE TABLE "public"."child"`},
		{"a table that another refers to", []*rewrite.Pair{parent}, ""},
		{"both, and one of them twice", []*rewrite.Pair{child, parent, child}, `TRUNCATE TABLE "public"."child", "public"."parent", "public"."side"`},
	}
	for _, test := range tests {
		if got, ok := Truncate(test.pairs); got != test.want || ok != (test.want != "") {
			t.Errorf("%s: %q, %v", test.name, got, ok)
		}
	}
}

func column(name string, typ uint32, sqlType string) rewrite.Column {
	return rewrite.Column{Name: name, Type: typ, SQLType: sqlType}
}

func TestPinFindsTheSchemasOfKeys(t *testing.T) {
	p := &rewrite.Pair{
		Source: &rewrite.Table{Columns: []rewrite.Column{column("a", 20001, `"It's".citext`), column("b", int4, "integer"), column("c", 20002, "elsewhere.t")}},
		Cells:  []rewrite.Cell{{Column: "a"}, {Column: "b"}, {Column: "c"}}, Key: []int{0, 1},
		Targets: []*rewrite.Target{{
			Table: &rewrite.Table{Columns: []rewrite.Column{column("x", 30001, "public.citext")}},
			Key:   []rewrite.KeyPair{{Column: "x"}},
		}},
	}
	got := Pin([]*rewrite.Pair{p, p})
	if want := `set_config('search_path', 'pg_catalog, "It''s".citext', true)`; strings.Contains(got, want) {
		t.Error("a type is taken for a schema")
	}
	if want := `set_config('search_path', 'pg_catalog, "It''s", public', true)`; !strings.Contains(got, want) {
		t.Errorf("%s\nlacks %s", got, want)
	}
	if Pin(nil) != Pinned {
		t.Error("Pin without pairs is not Pinned")
	}
}

func TestTheTypesOfParameters(t *testing.T) {
	p := &rewrite.Pair{
		Cells: []rewrite.Cell{{Type: 20001, TargetType: 30001, Binary: true}, {Type: 20002, TargetType: 30002}, {Type: int4, TargetType: int4, Binary: true}},
		Key:   []int{2, 1},
	}
	schema := &rewrite.Schema{Types: map[uint32]*rewrite.Type{30001: {Array: 30009}}}
	equal(t, "CellTypes", CellTypes(p), 30001, textType, int4)
	equal(t, "KeyTypes", KeyTypes(p), int4, textType)
	equal(t, "SourceKeyTypes", SourceKeyTypes(p), int4, textType)
	equal(t, "ArrayTypes", ArrayTypes(p, schema), 30009, textArray, 0)
	equal(t, "KeyArrayTypes", KeyArrayTypes(p, schema), 0, textArray)
	equal(t, "Formats", Formats(p), 1, 0, 1)
	equal(t, "KeyFormats", KeyFormats(p), 1, 0)
}

func equal[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v", what, got)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}

func TestTextsThatCannotBeWrittenAreEmpty(t *testing.T) {
	id, other := column("id", int4, "integer"), column("v", int4, "integer")
	p := &rewrite.Pair{
		Source: &rewrite.Table{Name: rewrite.Name{Schema: "public", Name: "s"}, Columns: []rewrite.Column{id, other}},
		Cells: []rewrite.Cell{
			{Column: "id", Type: int4, TargetType: int4, TargetSQLType: "integer", Binary: true},
			{Column: "v", Type: int4, TargetType: int4, TargetSQLType: "integer", Binary: true},
		},
		Key: []int{0},
	}
	target := func(keyCell int, plain bool) *rewrite.Target {
		t := ordinary("t")
		t.Table.Columns = []rewrite.Column{id, other}
		t.Key = []rewrite.KeyPair{{Column: "id", Cell: keyCell}}
		t.Columns = []rewrite.Assignment{{Column: &t.Table.Columns[0], Up: `"id"`, Plain: plain}}
		return t
	}
	x := For(p, target(0, true))
	if x.Update != "" || x.UpdateAll != "" || x.Unless != "" || x.Delete == "" || x.Placeholder == "" || x.Range == "" {
		t.Errorf("of a key alone: %+v", x)
	}
	if x = For(p, target(1, true)); x.Delete != "" || x.DeleteAll != "" || x.Placeholder != "" || x.Range != "" || x.Ordered {
		t.Errorf("of a key that is not the pair's: %+v", x)
	}
	if x = For(p, target(0, false)); x.Range != "" || x.Ordered || x.Delete == "" {
		t.Errorf("of a key that is an expression: %+v", x)
	}
	if got := strings.Join(x.Fixed, " "); got != "id" {
		t.Errorf("fixed are %s", got)
	}
}
