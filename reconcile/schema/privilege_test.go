package schema

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/rewrite"
)

func TestRightsAreThoseThatTheServerWouldGrant(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		conn := connect(t, server, "reader", "reader-password")
		name := func(table string) rewrite.Name { return rewrite.Name{Schema: "s", Name: table} }
		all := Rights{Select: true, Insert: true, Update: true, Delete: true, Truncate: true}
		owns := all
		owns.Owner = true
		super, forced := owns, owns
		forced.RowSecurity = true
		tables := []rewrite.Name{name("plain"), name("it's\\\""), name("by column"), name("policies"), name("forced"), name("owned"), {Schema: "closed", Name: "t"}, name("none")}
		for role, want := range map[string]map[rewrite.Name]Rights{
			"reader": {
				tables[0]: {Select: true, Insert: true, Update: true}, tables[1]: {}, tables[2]: {Select: true, Insert: true},
				tables[3]: {Select: true, RowSecurity: true}, tables[4]: {RowSecurity: true}, tables[5]: {}, tables[6]: {},
			},
			"owner":  {tables[3]: owns, tables[4]: forced, tables[5]: owns},
			"heir":   {tables[3]: owns, tables[4]: forced, tables[5]: owns},
			"bypass": {tables[3]: {}, tables[4]: {}},
			"it's":   {tables[0]: {Delete: true, Truncate: true}},
			"root":   {tables[0]: super, tables[3]: super, tables[4]: super, tables[6]: super},
		} {
			got, err := Privileges(t.Context(), Of(conn), role, tables)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tables)-1 {
				t.Errorf("%s: rights on %d tables", role, len(got))
			}
			for table, rights := range want {
				if diff := cmp.Diff(rights, got[table]); diff != "" {
					t.Errorf("%s on %s: %s", role, table, diff)
				}
			}
		}
		if got, err := Privileges(t.Context(), Of(conn), "nobody", tables); err != nil || len(got) != 0 {
			t.Errorf("a role that does not exist has %v, %v", got, err)
		}
	},
		"CREATE ROLE reader LOGIN PASSWORD 'reader-password'", `CREATE ROLE "it's"`, "CREATE ROLE owner", "CREATE ROLE heir IN ROLE owner",
		"CREATE ROLE bypass BYPASSRLS", "CREATE ROLE root SUPERUSER", "CREATE SCHEMA s", "CREATE SCHEMA closed", `GRANT USAGE ON SCHEMA s TO reader, owner, bypass, "it's"`,
		"CREATE TABLE s.plain (id int)", "GRANT SELECT, INSERT, UPDATE ON s.plain TO reader", `GRANT DELETE, TRUNCATE ON s.plain TO "it's"`,
		`CREATE TABLE s."it's\""" (id int)`,
		`CREATE TABLE s."by column" (id int, note text, gone int, twice int GENERATED ALWAYS AS (id * 2) STORED)`, `ALTER TABLE s."by column" DROP COLUMN gone`,
		`GRANT SELECT (id, note, twice), INSERT (id, note), UPDATE (id, twice) ON s."by column" TO reader`,
		"CREATE TABLE s.policies (id int)", "ALTER TABLE s.policies OWNER TO owner, ENABLE ROW LEVEL SECURITY", "GRANT SELECT ON s.policies TO reader",
		"CREATE TABLE s.forced (id int)", "ALTER TABLE s.forced OWNER TO owner, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
		"CREATE TABLE s.owned (id int)", "ALTER TABLE s.owned OWNER TO owner",
		"CREATE TABLE closed.t (id int)", "GRANT SELECT ON closed.t TO reader")
}

func TestWhatASearchPathHidesIsReadAllTheSame(t *testing.T) {
	both(t, func(t *testing.T, server *dbserver.Postgres) {
		conn := connect(t, server, "reader", "reader-password")
		plain := load(t, server)
		for _, sql := range []string{"CREATE TEMP TABLE pg_class (oid int)", "CREATE TEMP TABLE pg_roles (oid int)", "SET search_path = pg_temp, evil, pg_catalog"} {
			if _, err := Of(conn)(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Load(t.Context(), Of(conn))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain.Tables, s.Tables); diff != "" {
			t.Error(diff)
		}
		kept := rewrite.Name{Schema: "public", Name: "kept"}
		rights, err := Privileges(t.Context(), Of(conn), "reader", []rewrite.Name{kept})
		if err != nil || !rights[kept].Select || s.Tables[kept] == nil {
			t.Errorf("rights %+v, %v, table %v", rights, err, s.Tables[kept])
		}
	},
		"CREATE ROLE reader LOGIN PASSWORD 'reader-password'", "CREATE TABLE kept (id int PRIMARY KEY)", "GRANT SELECT ON kept TO reader",
		"CREATE SCHEMA evil", "GRANT USAGE ON SCHEMA evil TO reader",
		"CREATE FUNCTION evil.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false'",
		"CREATE FUNCTION evil.never(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false'",
		"CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.never)",
		"CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.never)")
}

func TestAnAnswerOfAnotherFormIsAnError(t *testing.T) {
	for name, row := range map[string][]*string{"too few": {}, "too many": make([]*string, 11), "no number": {text("x"), text("UTF8")}} {
		_, err := read(t.Context(), func(context.Context, string) ([][]*string, error) { return [][]*string{row}, nil })
		if !errors.Is(err, errForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func text(s string) *string { return &s }
