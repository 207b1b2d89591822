package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/rewrite"
)

// mapped is a file with these tables, which stand from line 6 on.
func mapped(tables string) string {
	return doc{
		source: `{address: "127.0.0.1:1", service: {user: crossfade}}`,
		rest:   "target: {address: \"127.0.0.1:2\", service: {user: crossfade}}\nmigration:\n  tables:\n" + tables,
	}.text()
}

func public(name string) rewrite.Name { return rewrite.Name{Schema: "public", Name: name} }

func to(name string) []rewrite.TargetMap { return []rewrite.TargetMap{{Target: public(name)}} }

var yes, no = true, false

var goodMappings = []struct {
	name, tables string
	want         []rewrite.TableMap
}{
	{"everything by its name", `    - "*"`, nil},
	{"one table by its name", `    - {source: public.orders}`, []rewrite.TableMap{{Source: public("orders"), Targets: to("orders")}}},
	{"public is the schema of a bare name", `    - {source: orders, target: orders_v2}`, []rewrite.TableMap{{Source: public("orders"), Targets: to("orders_v2")}}},
	{"names in quotes", `    - {source: 'public."Order.s"', target: '"a""b".Orders'}`, []rewrite.TableMap{{
		Source: public("Order.s"), Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: `a"b`, Name: "Orders"}}},
	}}},
	{"a table that is left out", `    - {source: public.audit, skip: true}`, []rewrite.TableMap{{Source: public("audit"), Skip: true}}},
	{"policies of a table", `    - {source: a, strict: true, canary: false}`, []rewrite.TableMap{{Source: public("a"), Targets: to("a"), Strict: &yes, Canary: &no}}},
	{"a key and rows that have no counterpart", `    - {source: a, target: b, key: {x: y, z: z}, when: "y > 0"}`, []rewrite.TableMap{{
		Source: public("a"), Targets: []rewrite.TargetMap{{Target: public("b"), Key: []rewrite.KeyMap{{Target: "x", Source: "y"}, {Target: "z", Source: "z"}}, When: "y > 0"}},
	}}},
	{"several targets", `
    - source: users
      targets:
        - {target: users_v2, key: {id: id}}
        - {target: profiles, key: {user_id: id}, when: bio IS NOT NULL}
      columns: [{source: bio, target: profiles.bio}]`, []rewrite.TableMap{{
		Source: public("users"), Targets: []rewrite.TargetMap{
			{Target: public("users_v2"), Key: []rewrite.KeyMap{{Target: "id", Source: "id"}}},
			{Target: public("profiles"), Key: []rewrite.KeyMap{{Target: "user_id", Source: "id"}}, When: "bio IS NOT NULL"},
		},
		Columns: []rewrite.ColumnMap{{Source: "bio", Target: "profiles.bio"}},
	}}},
	{"columns in short", `    - {source: a, columns: [id, '"E mail"']}`, []rewrite.TableMap{{
		Source: public("a"), Targets: to("a"),
		Columns: []rewrite.ColumnMap{{Source: "id", Target: "id"}, {Source: "E mail", Target: "E mail"}},
	}}},
	{"columns at length", `
    - source: a
      columns:
        - {source: amount, target: total, up: "amount::numeric(12,2)", down: total::int, lossy: cents, stable: tried}
        - {target: metadata, up: "'{}'::jsonb"}
        - {target: uid, up: DEFAULT}
        - {source: flag, down: "false"}
        - {source: gone, lossy: nobody reads it}`, []rewrite.TableMap{{
		Source: public("a"), Targets: to("a"),
		Columns: []rewrite.ColumnMap{
			{Source: "amount", Target: "total", Up: "amount::numeric(12,2)", Down: "total::int", Lossy: "cents", Stable: "tried"},
			{Target: "metadata", Up: "'{}'::jsonb"},
			{Target: "uid", Up: "default"},
			{Source: "flag", Down: "false"},
			{Source: "gone", Lossy: "nobody reads it"},
		},
	}}},
}

func TestTheMappingSaysWhatTheFileSays(t *testing.T) {
	for _, c := range goodMappings {
		t.Run(c.name, func(t *testing.T) {
			text := mapped(c.tables)
			got := mustParse(t, text)
			if diff := cmp.Diff(&rewrite.Mapping{Tables: c.want}, got.Migration.Tables.withoutPlaces()); diff != "" {
				t.Error(diff)
			}
			if err := validate(t, compileSchema(t), []byte(text)); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
		})
	}
}

func TestEntriesKnowTheirPlaces(t *testing.T) {
	m := mustParse(t, mapped("    - source: a\n      targets:\n        - target: b\n      columns:\n        - x\n        - {source: y, target: z}\n")).Mapping()
	table := m.Tables[0]
	got := []rewrite.At{table.At, table.Targets[0].At, table.Columns[0].At, table.Columns[1].At}
	want := []rewrite.At{{Line: 7, Column: 7}, {Line: 9, Column: 11}, {Line: 11, Column: 11}, {Line: 12, Column: 11}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A YAML reader makes 1 of 01, 31 of 0x1F and null of ~; words are rows' data.
func TestWordsAreWhatTheFileHas(t *testing.T) {
	cases := []struct {
		values string
		want   []rewrite.ValueMap
		fault  string
	}{
		{values: `{new: pending, done: delivered}`, want: []rewrite.ValueMap{{Source: "new", Target: "pending"}, {Source: "done", Target: "delivered"}}},
		{values: `{1: a, -7: b, 0.5: c, 0: d}`, want: []rewrite.ValueMap{{Source: "1", Target: "a"}, {Source: "-7", Target: "b"}, {Source: "0.5", Target: "c"}, {Source: "0", Target: "d"}}},
		{values: `{"01": "1.50", '0x1F': "null", "": "~"}`, want: []rewrite.ValueMap{{Source: "01", Target: "1.50"}, {Source: "0x1F", Target: "null"}, {Target: "~"}}},
		{values: `{null: none, gone: null}`, want: []rewrite.ValueMap{{SourceNull: true, Target: "none"}, {Source: "gone", TargetNull: true}}},
		{values: `{true: yes, no: false}`, want: []rewrite.ValueMap{{Source: "true", Target: "yes"}, {Source: "no", Target: "false"}}},
		{values: `{else: error, " a ": b c}`, want: []rewrite.ValueMap{{Source: "else", Target: "error"}, {Source: " a ", Target: "b c"}}},
		{values: `{01: a}`, fault: `"01" is a number that YAML readers write in another way: put it in quotes`},
		{values: `{0x1F: a}`, fault: `"0x1F" is a number that YAML readers write in another way: put it in quotes`},
		{values: `{0o17: a}`, fault: `"0o17" is a number that YAML readers write in another way: put it in quotes`},
		{values: `{a: 1_000}`, fault: `"1_000" is a number that YAML readers write in another way: put it in quotes`},
		{values: `{a: 1.50}`, fault: `"1.50" is a number that YAML readers write in another way: put it in quotes`},
		{values: `{a: 1e3}`, fault: `"1e3" is a number that YAML readers write in another way: put it in quotes`},
		{values: `{a: +1}`, fault: `"+1" is a number that YAML readers write in another way: put it in quotes`},
		{values: `{True: a}`, fault: `"True": write true or false, or put it in quotes`},
		{values: `{~: a}`, fault: `expected a word: write null for NULL, and "" for the empty text`},
		{values: `{a: ~}`, fault: `expected a word: write null for NULL, and "" for the empty text`},
		{values: `{a: NULL}`, fault: `expected a word: write null for NULL, and "" for the empty text`},
		{values: `{a: }`, fault: `expected a word: write null for NULL, and "" for the empty text`},
		{values: `{a: .inf}`, fault: `expected a word, got a number`},
		{values: `{a: [b]}`, fault: `expected a word, got a list`},
		{values: `{a: "x\0"}`, fault: `contains a NUL byte`},
		{values: `{a: b, a: c}`, fault: `"a" is listed twice, first in line 7`},
		{values: `{null: b, null: c}`, fault: `null is listed twice, first in line 7`},
		{values: `{a: x, b: x}`, fault: `several words become "x", so the way back needs down, and lossy`},
		{values: `{}`, fault: `expected a mapping of words, {of the source: of the target}, got a mapping`},
		{values: `[a]`, fault: `expected a mapping of words, {of the source: of the target}, got a list`},
	}
	for _, c := range cases {
		t.Run(c.values, func(t *testing.T) {
			text := mapped("    - {source: a, columns: [{source: s, target: t, values: " + c.values + "}]}")
			if c.fault != "" {
				want := []string{"migration.tables[0].columns[0].values: " + c.fault}
				if diff := cmp.Diff(want, withoutPlace(faultsOf(t, text))); diff != "" {
					t.Error(diff)
				}
				return
			}
			if diff := cmp.Diff(c.want, mustParse(t, text).Mapping().Tables[0].Columns[0].Values); diff != "" {
				t.Error(diff)
			}
			if err := validate(t, compileSchema(t), []byte(text)); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
		})
	}
}

func TestElseSaysWhatBecomesOfTheRest(t *testing.T) {
	for written, want := range map[string]rewrite.Else{"error": rewrite.ElseError, "same": rewrite.ElseSame, "null": rewrite.ElseNull, `"null"`: rewrite.ElseNull} {
		text := mapped("    - {source: a, columns: [{source: s, target: t, values: {x: y}, else: " + written + "}]}")
		if got := mustParse(t, text).Mapping().Tables[0].Columns[0].Else; got != want {
			t.Errorf("else: %s is %d, want %d", written, got, want)
		}
		if err := validate(t, compileSchema(t), []byte(text)); err != nil {
			t.Errorf("the schema refuses else: %s: %v", written, err)
		}
	}
}

func TestNoTablesMirrorNothing(t *testing.T) {
	for _, text := range []string{doc{}.text(), doc{rest: "migration: {tables: []}"}.text()} {
		if m := mustParse(t, text).Mapping(); m != nil {
			t.Errorf("there is a mapping: %+v", m)
		}
	}
	if mustParse(t, mapped(`    - "*"`)).Mapping() == nil {
		t.Error("* is no mapping")
	}
}

func TestEveryExampleParsesAndPassesTheSchema(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m := mustParse(t, string(text)).Mapping(); m == nil || len(m.Tables) == 0 {
			t.Errorf("%s maps nothing", file)
		}
		if err := validate(t, compileSchema(t), text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestAChangedMappingNeedsARestartAndAMovedOneDoesNot(t *testing.T) {
	before := mustParse(t, mapped("    - {source: a, columns: [x]}"))
	if changes := Diff(before, mustParse(t, mapped("    # a comment\n    - source: a\n      columns: [x]"))); changes != nil {
		t.Errorf("a mapping that moved: %v", changes)
	}
	after := mustParse(t, mapped("    - {source: a, columns: [x, y]}\n    - {source: b}"))
	want := []Change{{Path: "migration.tables", Before: `["*", public.a]`, After: `["*", public.a, public.b]`}}
	if diff := cmp.Diff(want, Diff(before, after)); diff != "" {
		t.Error(diff)
	}
}
