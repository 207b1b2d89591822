package catalog

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

func TestEveryVersionCanBeRead(t *testing.T) {
	found, err := dbserver.Find()
	if err != nil {
		t.Fatal(err)
	}
	for _, install := range found {
		t.Run(install.Version.Text, func(t *testing.T) {
			s := start(t, install, shopSource)
			want := &relation{
				oid: s.relNames[Name{"billing", "orders"}].oid, name: Name{"billing", "orders"}, kind: "r",
				columns: []column{
					{"id", 2, 23, -1},
					{"amount", 3, 1700, (12<<16 | 2) + 4},
					{"note", 4, 1043, 50 + 4},
					{"tag", 5, s.typeNames[Name{"public", "label"}], -1},
					{"at", 6, 1114, 3},
					{"wide", 7, 23, -1},
					{"m", 8, s.typeNames[Name{"public", "mood"}], -1},
				},
			}
			if diff := cmp.Diff(want, s.relNames[want.name], cmp.AllowUnexported(relation{}, column{})); diff != "" {
				t.Error(diff)
			}
			if base, typmod := s.resolve(s.typeNames[Name{"public", "short"}], -1); base != 1043 || typmod != 50+4 {
				t.Errorf("a domain of a domain is type %d, modifier %d", base, typmod)
			}
		})
	}
}

func TestWhatASearchPathHidesIsReadAllTheSame(t *testing.T) {
	s := start(t, newest(t)[1], []string{
		"CREATE SCHEMA evil",
		"CREATE VIEW evil.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false",
		"CREATE VIEW evil.pg_type AS SELECT * FROM pg_catalog.pg_type WHERE false",
		"CREATE FUNCTION evil.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false'",
		"CREATE FUNCTION evil.never(\"char\", \"char\") RETURNS bool LANGUAGE sql AS 'SELECT false'",
		"CREATE FUNCTION evil.never(int2, int2) RETURNS bool LANGUAGE sql AS 'SELECT false'",
		"CREATE FUNCTION evil.never(jsonb, text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
		"CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.never)",
		"CREATE OPERATOR evil.= (LEFTARG = \"char\", RIGHTARG = \"char\", FUNCTION = evil.never)",
		"CREATE OPERATOR evil.<> (LEFTARG = \"char\", RIGHTARG = \"char\", FUNCTION = evil.never)",
		"CREATE OPERATOR evil.> (LEFTARG = int2, RIGHTARG = int2, FUNCTION = evil.never)",
		"CREATE OPERATOR evil.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = evil.never)",
		"CREATE TYPE evil.text AS ENUM ()", "CREATE TABLE public.kept (id int)",
	})
	plain := s.Catalog
	s.rows(t, "SET search_path = evil, pg_catalog")
	s.load(t)
	if diff := cmp.Diff(plain, s.Catalog, cmp.AllowUnexported(Catalog{}, typ{}, relation{}, column{})); diff != "" {
		t.Error(diff)
	}
	if s.relNames[Name{"public", "kept"}] == nil {
		t.Error("a table is missing: the test shows nothing")
	}
}

func TestTemporaryTablesAreNotRead(t *testing.T) {
	s := start(t, newest(t)[0], nil)
	s.rows(t, "CREATE TEMP TABLE passing (id int)")
	s.load(t)
	for name := range s.relNames {
		if name.Name == "passing" {
			t.Errorf("%s is there", name)
		}
	}
}

// answers is a server that says what it is told to.
func answers(types, columns [][]string) Query {
	return func(_ context.Context, sql string) ([][]string, error) {
		if strings.Contains(sql, "pg_attribute") {
			return columns, nil
		}
		return types, nil
	}
}

func TestAServerThatAnswersSomethingElseIsAnError(t *testing.T) {
	kind := []string{"23", "pg_catalog", "int4", "b", "N", "-1", "0", "0", "", "0", ""}
	field := []string{"16400", "public", "orders", "r", "id", "1", "23", "-1"}
	with := func(row []string, at int, text string) []string {
		row = slices.Clone(row)
		row[at] = text
		return row
	}
	tests := map[string]struct{ types, columns [][]string }{
		"a type cut short":          {[][]string{kind[:5]}, nil},
		"a type of no number":       {[][]string{with(kind, 0, "x")}, nil},
		"a type number too large":   {[][]string{with(kind, 6, "4294967296")}, nil},
		"a column cut short":        {nil, [][]string{field[:3]}},
		"a table of no number":      {nil, [][]string{with(field, 0, "-1")}},
		"a column number too large": {nil, [][]string{with(field, 5, "32768")}},
		"a column number below 1":   {nil, [][]string{with(field, 5, "-3")}},
		"a column number twice":     {nil, [][]string{field, field}},
	}
	for name, test := range tests {
		if _, err := Load(t.Context(), answers(test.types, test.columns)); !errors.Is(err, errAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(t.Context(), answers([][]string{kind}, [][]string{field})); err != nil {
		t.Errorf("the plain answer: %v", err)
	}
}

func TestATooLargeDatabaseIsAnErrorThatSaysSo(t *testing.T) {
	if _, err := Load(t.Context(), answers(make([][]string, mostTypes+1), nil)); !errors.Is(err, errTypes) {
		t.Errorf("types: %v", err)
	}
	if _, err := Load(t.Context(), answers(nil, make([][]string, mostColumns+1))); !errors.Is(err, errColumns) {
		t.Errorf("columns: %v", err)
	}
}

// Types that contain one another do not exist in an honest catalog. They must
// not hang what compares them.
func TestTypesInACircleAreNotTheSame(t *testing.T) {
	row := func(oid uint32, kind string, element, base uint32) []string {
		text := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
		return []string{text(oid), "public", "t" + text(oid), kind, "U", "-1", text(element), text(base), "", "0", ""}
	}
	query := answers([][]string{row(20000, "b", 20001, 0), row(20001, "b", 20000, 0), row(20002, "d", 0, 20002)},
		[][]string{{"20003", "public", "r", "r", "id", "1", "20002", "-1"}})
	c, err := Load(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	pair := NewPair(c, c)
	for oid := uint32(20000); oid < 20003; oid++ {
		if pair.SameType(oid) {
			t.Errorf("type %d is the same", oid)
		}
	}
}

func TestATypeOfAnotherKindIsNotTheSame(t *testing.T) {
	var both [2]*Catalog
	for i, kind := range []string{"e", "b"} {
		row := []string{"20000", "public", "t", kind, "U", "-1", "0", "0", "", "0", ""}
		var err error
		if both[i], err = Load(t.Context(), answers([][]string{row}, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if !NewPair(both[0], both[0]).SameType(20000) || NewPair(both[0], both[1]).SameType(20000) {
		t.Error("an enum is the same as an enum, and not as a base type")
	}
}

func TestDifferencesAreListedByName(t *testing.T) {
	for name, installs := range pairs(t) {
		t.Run(name, func(t *testing.T) {
			source, target := sides(t, installs,
				append(slices.Clone(shopSource), "CREATE TYPE lacking AS ENUM ()", "CREATE TABLE t_lacking (id serial, l lacking)", "CREATE VIEW v_lacking AS SELECT 1"),
				shopTarget)
			got := Compare(source.Catalog, target.Catalog)
			want := Differences{
				OtherNumbers: []Name{{"public", "label"}, {"public", "mood"}, {"public", "short"}},
				NoTypes:      []Name{{"public", "lacking"}},
				NoRelations: []Relation{
					{Name{"public", "t_lacking"}, "table"}, {Name{"public", "t_lacking_id_seq"}, "sequence"}, {Name{"public", "v_lacking"}, "view"},
				},
				Columns: []ColumnDifferences{
					{Table: Name{"billing", "orders"}, OtherTypes: []string{"amount", "note", "tag", "at", "wide"}},
					{Table: Name{"public", `Odd "name"`}, OtherTypes: []string{"Ünï"}},
					{Table: Name{"public", "latest"}, OtherTypes: []string{"amount", "note"}},
					{Table: Name{"public", "orders"}, OtherTypes: []string{"late", "code"}},
					{Table: Name{"public", "parts"}, OtherTypes: []string{"price"}},
					{Table: Name{"public", "parts_1"}, OtherTypes: []string{"price"}},
				},
				Sequences: 1,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if reverse := Compare(target.Catalog, source.Catalog); !slices.ContainsFunc(reverse.Columns, func(c ColumnDifferences) bool {
				return c.Table == Name{"public", "orders"} && slices.Equal(c.Missing, []string{"only_here"})
			}) {
				t.Errorf("the other way: %v", reverse.Columns)
			}
		})
	}
}
