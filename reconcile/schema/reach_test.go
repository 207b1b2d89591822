package schema

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/rewrite"
)

// reaching has relations that call a volatile function (acts) in every way that a
// catalog knows, and such that call none (calm).
var reaching = []string{
	shop[0], "CREATE SCHEMA a",
	"CREATE FUNCTION a.acts(n int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT n'", "CREATE FUNCTION a.calm(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT n'",
	"CREATE FUNCTION a.acts2(n int, m int) RETURNS int LANGUAGE sql AS 'SELECT n'",
	"CREATE OPERATOR a.|+| (FUNCTION = a.acts2, LEFTARG = int, RIGHTARG = int)", "CREATE OPERATOR a.|-| (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)",
	"CREATE AGGREGATE a.sums(int) (SFUNC = a.acts2, STYPE = int)", "CREATE AGGREGATE a.calm_sums(int) (SFUNC = int4pl, STYPE = int)",
	"CREATE DOMAIN a.checked AS int CHECK (a.acts(VALUE) > 0)", "CREATE DOMAIN a.above AS a.checked", "CREATE DOMAIN a.guess AS int DEFAULT a.acts(1)", "CREATE DOMAIN a.still AS int CHECK (VALUE > 0)",
	"CREATE TYPE a.holds AS (x int, y a.above[])", "CREATE TYPE a.worth AS (x int)",
	"CREATE FUNCTION a.to_text(w a.worth) RETURNS text LANGUAGE sql AS 'SELECT 1::text'", "CREATE CAST (a.worth AS text) WITH FUNCTION a.to_text(a.worth)",
	"CREATE TABLE plain (v int DEFAULT 1 + a.calm(2) CHECK (a.calm(v) > 0), s a.still, m numeric)",
	"CREATE TABLE of_checked (v a.checked)", "CREATE TABLE of_guess (v a.guess)", "CREATE TABLE of_holds (v a.holds[])", "CREATE TABLE of_worth (v a.worth)",
	"CREATE TABLE defaults (v int DEFAULT a.acts(1))", "CREATE TABLE checks (v int CHECK (v OPERATOR(a.|+|) 1 > 0))",
	"CREATE TABLE policed (v int)", "ALTER TABLE policed ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON policed FOR INSERT WITH CHECK (a.acts(v) > 0)",
	"CREATE TABLE unpoliced (v int)", "CREATE POLICY p ON unpoliced USING (a.acts(v) > 0)",
	"CREATE VIEW v AS SELECT a.acts(1)", "CREATE VIEW of_v AS SELECT * FROM v", "CREATE VIEW of_of_v AS SELECT (SELECT * FROM of_v LIMIT 1) FROM plain",
	"CREATE MATERIALIZED VIEW kept AS SELECT * FROM of_of_v WITH NO DATA", "CREATE VIEW of_kept AS SELECT * FROM kept",
	"CREATE VIEW of_operator AS SELECT v OPERATOR(a.|+|) 1 AS o FROM plain", "CREATE VIEW of_sum AS SELECT a.sums(v) FROM plain", "CREATE VIEW of_window AS SELECT a.sums(v) OVER () FROM plain",
	"CREATE VIEW of_domain AS SELECT v::a.above FROM plain", "CREATE VIEW of_policed AS SELECT * FROM policed", "CREATE VIEW of_calm AS SELECT a.calm(v), a.calm_sums(v), v OPERATOR(a.|-|) 1 AS o FROM plain GROUP BY v",
	"CREATE TABLE parted (id int, v int) PARTITION BY LIST (id)", "CREATE TABLE part PARTITION OF parted (CHECK (a.acts(v) > 0)) FOR VALUES IN (1)",
	"CREATE POLICY q ON plain USING (EXISTS (SELECT FROM of_v))", "CREATE TABLE asks (v int)", "ALTER TABLE asks ENABLE ROW LEVEL SECURITY", "CREATE POLICY q ON asks USING (EXISTS (SELECT FROM of_v))",
	"CREATE FUNCTION a.of_row(p plain) RETURNS int LANGUAGE sql AS 'SELECT 1'",
}

func TestWhatReadingAndWritingRelationsMayCall(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		s := load(t, server)
		var reads, writes []string
		for name, table := range s.Tables {
			if table.ReadActs {
				reads = append(reads, name.Name)
			}
			if table.WriteActs {
				writes = append(writes, name.Name)
			}
		}
		slices.Sort(reads)
		slices.Sort(writes)
		if diff := cmp.Diff([]string{"asks", "kept", "of_domain", "of_of_v", "of_operator", "of_policed", "of_sum", "of_v", "of_window", "of_worth", "policed", "v"}, reads); diff != "" {
			t.Error("reads", diff)
		}
		if diff := cmp.Diff([]string{"asks", "checks", "defaults", "of_checked", "of_domain", "of_guess", "of_holds", "of_worth", "part", "parted", "policed"}, writes); diff != "" {
			t.Error("writes", diff)
		}
		want := map[string]bool{"acts": true, "calm": false, "|+|": true, "|-|": false, "sums": true, "calm_sums": false, "checked": true, "above": true, "guess": true, "still": false, "holds": true, "int4": false, "ts_stat": true}
		for name, acts := range want {
			if s.Acts(rewrite.Ref{Name: name}) != acts {
				t.Errorf("%s may write: %v", name, !acts)
			}
		}
		if diff := cmp.Diff([]rewrite.Name{{Schema: "a", Name: "calm"}}, s.Tables[public("plain")].Uses); diff != "" {
			t.Error(diff)
		}
		if !s.TypesAct || s.OnDefined || s.Cursors || !s.RowCalls["of_row"] || s.RowCalls["acts"] {
			t.Errorf("types %v, definitions %v, cursors %v, rows %v", s.TypesAct, s.OnDefined, s.Cursors, s.RowCalls)
		}
	}, reaching...)
}

func TestCursorsAndEventTriggersAreSeen(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		if s := load(t, server); !s.OnDefined || !s.Cursors || s.TypesAct {
			t.Errorf("types %v, definitions %v, cursors %v", s.TypesAct, s.OnDefined, s.Cursors)
		}
	}, shop[0], "CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS 'DECLARE c refcursor; BEGIN OPEN c FOR SELECT 1; RETURN c; END'",
		"CREATE FUNCTION notes() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", "CREATE EVENT TRIGGER notes ON ddl_command_end EXECUTE FUNCTION notes()")
}
