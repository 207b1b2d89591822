package image

import (
	"testing"
)

func TestADifferenceIsOfTheText(t *testing.T) {
	tests := []struct {
		name, source, target string // the column v
		value, other         string // at the source, at the target
		differs              bool
	}{
		{"the scale of a number", "numeric", "numeric", "1.0", "1.00", true},
		{"a number rounded by its column", "numeric", "numeric(12,2)", "1.005", "1.01", false},
		{"NaN", "float8", "float8", "'NaN'", "'NaN'", false},
		{"minus zero", "float8", "float8", "0", "'-0'", true},
		{"the last bit of a float", "float8", "float8", "0.1", "0.10000000000000002", true},
		{"json as written", "json", "json", `'{"a":1}'`, `'{"a": 1}'`, true},
		{"jsonb", "jsonb", "jsonb", `'{"b":1,"a":2}'`, `'{"a": 2, "b": 1}'`, false},
		{"an interval", "interval", "interval", "'1 mon'", "'30 days'", true},
		{"an interval of whole days", "interval", "interval day", "'1 day 2 hours'", "'1 day'", false},
		{"an instant", "timestamptz", "timestamptz", "'2024-01-01 00:00+00'", "'2024-01-01 02:00+02'", false},
		{"microseconds", "timestamptz", "timestamptz(3)", "'2024-01-01 00:00:00.1234+00'", "'2024-01-01 00:00:00.123+00'", false},
		{"NULL and empty", "text", "text", "NULL", "''", true},
		{"two NULLs", "text", "text", "NULL", "NULL", false},
		{"letters that a collation takes for equal", "text", "citext", "'a'", "'A'", true},
		{"letters that the column's collation takes for equal", "text", "text COLLATE any_case", "'a'", "'A'", true},
		{"blanks at the end of a text", "text", "text", "'a '", "'a'", true},
		{"blanks that are cut on assignment", "text", "varchar(3)", "'abc  '", "'abc'", false},
		{"blanks that varchar keeps", "text", "varchar(3)", "'a  '", "'a'", true},
		{"a text longer than the column", "text", "varchar(3)", "'abcd'", "'abc'", true},
		{"a text longer than char", "text", "char(3)", "'abcd'", "'abc'", true},
		{"bits longer than the column", "varbit", "bit(3)", "'1011'", "'101'", true},
		{"char of another length", "char(3)", "char(5)", "'a'", "'a'", false},
		{"char in text, which has no blanks then", "char(3)", "text", "'a'", "'a'", false},
		{"blanks of char without a length are no value", "bpchar", "bpchar", "'a  '", "'a'", false},
		{"bounds of an array", "int[]", "int[]", "'[0:1]={1,2}'", "'{1,2}'", true},
		{"money", "money", "money", "'1234.5'", "'1234.50'", false},
	}
	ddl := [2]string{"", `CREATE EXTENSION citext;
		CREATE COLLATION any_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);`}
	for i, test := range tests {
		for side, c := range [2][2]string{{test.source, test.value}, {test.target, test.other}} {
			name := number("t", i)
			ddl[side] += "CREATE TABLE " + name + " (id int PRIMARY KEY, v " + c[0] + "); INSERT INTO " + name + " VALUES (1, " + c[1] + ");"
		}
	}
	l := open(t, ddl[:]...)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := l.of(t).journey(shape{table: number("t", i), key: "id", targets: []into{{table: number("t", i)}}})
			want := "1|t|t|{}"
			if test.differs {
				want = "1|t|t|{v}"
			}
			if got := j.diff(j.texts[0], j.images()); got[0] != want {
				t.Errorf("%v, want %s", got, want)
			}
		})
	}
}

func TestADifferenceDoesNotHangOnTheSession(t *testing.T) {
	ddl := "CREATE TABLE t (id int PRIMARY KEY, a timestamptz, b interval, c float8, d bytea, e money, f date);"
	row := "INSERT INTO t VALUES (1, '2024-02-01 12:00:00+00', '1 mon 2 days', 0.30000000000000004, '\\x0102', '1.5', '2024-02-01')"
	l := open(t, ddl+row, ddl+row)
	for side := range l.conns {
		l.exec(side, `SET DateStyle = 'SQL, DMY'; SET IntervalStyle = sql_standard; SET extra_float_digits = 0; SET bytea_output = escape;
			SET TimeZone = 'America/New_York'; SET quote_all_identifiers = on`)
		if side == source {
			l.exec(side, "SET lc_monetary = 'C.UTF-8'")
		}
	}
	for _, text := range []string{"", "a b c d e f"} {
		j := l.journey(shape{table: "t", key: "id", text: text, targets: []into{{table: "t"}}})
		if got := j.diff(j.texts[0], j.images()); got[0] != "1|t|t|{}" {
			t.Errorf("cells as text %q: %v", text, got)
		}
	}
	if got := l.rows(target, "SHOW DateStyle"); got[0] != "SQL, DMY" {
		t.Errorf("the settings have stayed: %v", got)
	}
}

func TestARowThatIsComparedIsLocked(t *testing.T) {
	j := open(t, plainDDL, plainDDL).journey(shape{table: "t", key: "id", targets: []into{{table: "t"}}})
	images := j.set("(1, 1, 'a'), (2, 2, 'b')")
	j.each(j.texts[0].Upsert, images[:1])
	for name, text := range map[string]string{"one": j.texts[0].DiffOne, "all": j.texts[0].Diff} {
		j.exec(target, "BEGIN")
		if name == "one" {
			j.must(target, text, CellTypes(j.p), images[0], Formats(j.p))
		} else {
			j.batch(text, images)
		}
		other := j.connect(target)
		exec(t, other, "SET lock_timeout = '1ms'")
		if err := other.Exec(t.Context(), "UPDATE t SET n = 0").Close(); code(err) != "55P03" {
			t.Errorf("%s: the row is not locked: %v", name, err)
		}
		exec(t, other, "BEGIN; SELECT FROM t WHERE id = 1 FOR KEY SHARE; COMMIT")
		j.exec(target, "COMMIT")
	}
}
