package configs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// badMappings stand from line 7 on. Those with schema are faults that an editor
// finds as well.
var badMappings = []struct {
	name, tables string
	schema       bool
	want         []string
}{
	{"what is no table", "    - public.orders\n    - []\n    - {}\n    - 7\n", true, []string{
		`f:7:7: migration.tables[0]: expected a mapping such as {source: public.orders}, or "*" for every table that both sides have`,
		"f:8:7: migration.tables[1]: expected a mapping, got a list",
		"f:9:7: migration.tables[2].source: is missing (the table of the source, such as public.orders)",
		`f:10:7: migration.tables[3]: expected a mapping such as {source: public.orders}, or "*" for every table that both sides have`,
	}},
	{"what is for a later version", `    - {source: a, where: "x", delete: {d: "now()"}, unrepresentable: allow, sequences: [], mode: log}
    - {source: b, targets: [{target: c, where: x}], columns: [{source: d, target: e, ref: {table: f}}]}
`, true, []string{
		"f:7:19: migration.tables[0].where: not yet: this version does not have where",
		"f:7:31: migration.tables[0].delete: not yet: this version does not have delete",
		"f:7:53: migration.tables[0].unrepresentable: not yet: this version does not have unrepresentable",
		"f:7:77: migration.tables[0].sequences: not yet: this version does not have sequences",
		"f:7:92: migration.tables[0].mode: not yet: this version does not have mode",
		"f:8:41: migration.tables[1].targets[0].where: not yet: this version does not have where",
		"f:8:86: migration.tables[1].columns[0].ref: not yet: this version does not have ref",
	}},
	{"unknown keys", "    - {source: a, colums: [], columns: [{source: x, target: y, upp: z}]}\n", true, []string{
		`f:7:19: migration.tables[0].colums: unknown key; did you mean "columns"?`,
		`f:7:64: migration.tables[0].columns[0].upp: unknown key; did you mean "up"?`,
	}},
	{"names that are none", "    - {source: a.b.c, target: 'x y', columns: ['a b', {source: a.b, target: 'c.\"'}]}\n    - {source: '\"a', target: a..b}\n", false, []string{
		`f:7:8: migration.tables[0].source: "a.b.c" has too many parts: write schema.table`,
		`f:7:23: migration.tables[0].target: "x y" has a character that needs double quotes around its part`,
		`f:7:48: migration.tables[0].columns[0]: "a b" has a character that needs double quotes around its part`,
		`f:7:56: migration.tables[0].columns[1].source: "a.b" is the name of a column, without its table`,
		`f:7:69: migration.tables[0].columns[1].target: "c.\"" has a double quote that is not closed, or in the middle of a part`,
		`f:8:8: migration.tables[1].source: "\"a" has a double quote that is not closed, or in the middle of a part`,
		`f:8:22: migration.tables[1].target: "a..b" has a part without letters`,
	}},
	{"SQL that is no expression", `    - source: a
      when: "x; DROP TABLE a"
      columns:
        - {target: b, up: "x) OR (y"}
        - {target: c, up: "x -- all"}
        - {target: d, up: "'"}
        - {target: e, up: "$1"}
        - {target: f, up: "(SELECT 1)"}
        - {target: g, up: "a, b"}
        - {source: h, down: " "}
        - {target: i, up: {}}
        - {target: j, up: 0}
        - {target: k, up: null}
        - {target: l, up: "[1)"}
`, false, []string{
		"f:8:7: migration.tables[0].when: is more than one expression",
		"f:10:23: migration.tables[0].columns[0].up: has brackets that do not match",
		"f:11:23: migration.tables[0].columns[1].up: has a comment",
		"f:12:23: migration.tables[0].columns[2].up: has an unterminated string",
		"f:13:23: migration.tables[0].columns[3].up: has a parameter ($1): nothing gives it a value",
		"f:14:23: migration.tables[0].columns[4].up: has a subquery: an expression may use the columns of its own row only",
		"f:15:23: migration.tables[0].columns[5].up: is more than one expression",
		"f:16:23: migration.tables[0].columns[6].down: is empty: give a value or remove the key",
		"f:17:23: migration.tables[0].columns[7].up: expected text, got a mapping",
		"f:18:23: migration.tables[0].columns[8].up: expected text, got a number: put it in quotes",
		"f:19:23: migration.tables[0].columns[9].up: expected text, got nothing (give a value or remove the key)",
		"f:20:23: migration.tables[0].columns[10].up: has brackets that do not match",
	}},
	{"columns whose parts do not fit", `    - source: a
      columns:
        - {lossy: x}
        - {source: b}
        - {target: c}
        - {source: d, up: "x", down: "y"}
        - {target: e, up: "x", down: "y"}
        - {source: f, target: g, up: default}
        - {source: h, target: i, else: same}
        - {source: j, target: k, up: "x", values: {a: b}}
        - {target: l, up: "x", values: {a: b}}
        - {source: m, target: n, values: {a: b}, else: eror}
        - {source: o, target: p, values: {a: b}, else: ~}
        - {source: q, target: p}
`, false, []string{
		"f:9:11: migration.tables[0].columns[0]: needs source, target, or both",
		"f:10:11: migration.tables[0].columns[1]: pairs the source's column with nothing: give target, or down or lossy if the target has nothing of it",
		"f:11:11: migration.tables[0].columns[2]: gives the target's column nothing: give source, or up",
		"f:12:23: migration.tables[0].columns[3].up: yields a column of the target: name it (target)",
		"f:13:32: migration.tables[0].columns[4].down: yields a column of the source: name it (source)",
		"f:14:34: migration.tables[0].columns[5].up: is an initial value, of a column that no column of the source is paired with: remove source",
		"f:15:34: migration.tables[0].columns[6].else: has no use without values",
		"f:16:34: migration.tables[0].columns[7].up: has no use beside values, which makes it: remove one of them",
		"f:17:23: migration.tables[0].columns[8].up: has no use beside values, which makes it: remove one of them",
		"f:17:32: migration.tables[0].columns[8].values: needs source and target beside it",
		`f:18:50: migration.tables[0].columns[9].else: "eror" is not one of error, same, null; did you mean "error"?`,
		"f:19:50: migration.tables[0].columns[10].else: expected error, same or null, got nothing (give a value or remove the key)",
		`f:20:11: migration.tables[0].columns: the target's column "p" gets its value twice, first in line 19`,
	}},
	{"keys that are none", "    - {source: a, key: id}\n    - {source: b, key: {}}\n    - {source: c, key: {x: 1, y: z, w: z}}\n    - {source: d, key: [id]}\n", true, []string{
		"f:7:19: migration.tables[0].key: expected a mapping of columns, {column of the target: column of the source}, got text",
		"f:8:19: migration.tables[1].key: expected a mapping of columns, {column of the target: column of the source}, got a mapping",
		`f:9:19: migration.tables[2].key: has the source's column "z" twice`,
		"f:9:25: migration.tables[2].key.x: expected text, got a number: put it in quotes",
		"f:10:19: migration.tables[3].key: expected a mapping of columns, {column of the target: column of the source}, got a list",
	}},
	{"targets that contradict", "    - {source: a, target: b, key: {x: x}, when: w, targets: [{target: c}, {key: {x: x}}]}\n    - {source: d, targets: []}\n", false, []string{
		"f:7:19: migration.tables[0].target: stands beside targets: write it in the items of targets",
		"f:7:30: migration.tables[0].key: stands beside targets: write it in the items of targets",
		"f:7:43: migration.tables[0].when: stands beside targets: write it in the items of targets",
		"f:7:75: migration.tables[0].targets[1].target: is missing (the table of the target, such as public.orders_v2)",
		"f:8:19: migration.tables[1].targets: expected at least 1",
	}},
	{"tables named twice", "    - {source: a}\n    - {source: public.a, target: x}\n    - {source: b, target: a}\n", false, []string{
		"f:8:7: migration.tables: public.a is mapped twice, first in line 7",
		"f:9:7: migration.tables: the target's table public.a is taken in line 7: several tables in one are not yet in this version",
	}},
	{"a table left out, and more", "    - {source: a, skip: true, target: b, columns: [x]}\n    - {source: c, skip: 1, strict: no}\n", false, []string{
		"f:7:31: migration.tables[0].target: has no use with skip: remove one of them",
		"f:7:42: migration.tables[0].columns: has no use with skip: remove one of them",
		"f:8:19: migration.tables[1].skip: expected true or false, got a number",
		"f:8:28: migration.tables[1].strict: expected true or false, got text",
	}},
}

func TestEveryFaultOfAMappingIsSaidAtOnceAndInPlace(t *testing.T) {
	s := compileSchema(t)
	for _, c := range badMappings {
		t.Run(c.name, func(t *testing.T) {
			text := mapped(c.tables)
			if diff := cmp.Diff(c.want, faultsOf(t, text)); diff != "" {
				t.Error(diff)
			}
			if c.schema && validate(t, s, []byte(text)) == nil {
				t.Error("passes the schema")
			}
		})
	}
}

func TestAMappingNeedsBothSidesAndALoginAtEach(t *testing.T) {
	tables := "migration: {tables: [{source: a}]}\n"
	cases := []struct {
		name string
		doc  doc
		want []string
	}{
		{"nothing of it", doc{rest: tables}, []string{
			"f:2:1: source.service: is needed by migration.tables: give the proxy's own login there, user and password",
			"f:4:13: migration.tables: needs a target",
		}},
		{"a target without a login", doc{source: `{address: "a:1", service: {user: x}}`, rest: `target: {address: "a:2"}` + "\n" + tables}, []string{
			"f:4:1: target.service: is needed by migration.tables: give the proxy's own login there, user and password",
		}},
		{"writes of the canary", doc{source: `{address: "a:1", service: {user: x}}`, rest: `target: {address: "a:2", service: {user: x}}` + "\n" + tables + "canary: {writes: refuse}"}, []string{
			"f:6:10: canary.writes: is only for a migration without tables: remove it, or migration.tables",
		}},
		{"writes of the canary that are not chosen", doc{source: `{address: "a:1", service: {user: x}}`, rest: `target: {address: "a:2", service: {user: x}}` + "\n" + tables + `canary: {writes: ""}`}, nil},
		{"writes of the canary without tables", doc{rest: "migration: {tables: []}\ncanary: {writes: target}"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, faultsOf(t, c.doc.text())); diff != "" {
				t.Error(diff)
			}
		})
	}
}
