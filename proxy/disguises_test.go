package proxy

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// goods are what the disguised writes are after; both sides have them.
var goods = []string{
	"CREATE TABLE goods (id int PRIMARY KEY, what text)",
	"INSERT INTO goods SELECT n, 'x' FROM generate_series(1, 5) n",
	"CREATE SEQUENCE counter",
	"CREATE FUNCTION taken(text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; RETURN 1; END'",
	"CREATE FUNCTION innocent() RETURNS int LANGUAGE sql AS $$ INSERT INTO goods VALUES (100, 'f') RETURNING id $$",
	`CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$ BEGIN COMMIT; SET TRANSACTION READ WRITE;
		INSERT INTO goods VALUES (200, 'p'); COMMIT; END $$`,
	"GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC", "GRANT ALL ON SEQUENCE counter TO PUBLIC",
}

// openers ask for a transaction that writes. Each is followed by each of the
// burglars, in the same transaction.
var openers = []string{
	"BEGIN READ WRITE", "begin work read write", "START TRANSACTION READ WRITE",
	"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE", "BEGIN /* READ ONLY */ READ /**/ WRITE",
	"BEGIN READ ONLY, READ WRITE", "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE",
	"BEGIN NOT DEFERRABLE READ\nWRITE", "BEGIN; SET TRANSACTION READ WRITE",
	"BEGIN; SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE",
	"BEGIN; SET LOCAL transaction_read_only = off", "BEGIN; SET transaction_read_only TO off",
	"BEGIN; SET SESSION transaction_read_only = 'no'", `BEGIN; SET "transaction_read_only" = false`,
	`BEGIN; SET LOCAL U&"transaction\005Fread_only" = off`, "BEGIN; RESET transaction_read_only",
	"BEGIN; SELECT set_config('transaction_read_only', 'off', true)",
	"BEGIN; SELECT set_config('transaction' || '_read_only', 'off', false)",
	"BEGIN; SELECT pg_catalog.set_config(E'transaction\\x5fread_only', 'off', true)",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET transaction_read_only = off",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL transaction_read_only = off",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION READ WRITE",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; COMMIT; BEGIN",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET default_transaction_read_only = off; COMMIT; BEGIN",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT set_config('transaction_read_only', 'off', false)",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; DO 'BEGIN SET transaction_read_only = off; END'",
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SAVEPOINT a; SET TRANSACTION READ WRITE; RELEASE a",
	"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; BEGIN", "SET default_transaction_read_only = off; BEGIN",
	"SET default_transaction_read_only TO DEFAULT; BEGIN", "RESET default_transaction_read_only; BEGIN", "RESET ALL; BEGIN",
	"DISCARD ALL; BEGIN", "SELECT set_config('default_transaction_read_only', 'off', false); BEGIN",
	"SELECT set_config('default' || '_transaction_read_only', 'off', false); BEGIN",
	"DO $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); END $$; BEGIN",
	"UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'; BEGIN",
	"BEGIN; COMMIT AND CHAIN; SET TRANSACTION READ WRITE", "BEGIN READ ONLY; ROLLBACK; BEGIN READ WRITE",
	"PREPARE opener AS SELECT set_config('transaction_read_only', 'off', false); BEGIN; EXECUTE opener",
	"BEGIN",
}

// burglars write, each in its own way.
var burglars = []string{
	"INSERT INTO goods VALUES (10, 'a')",
	"WITH w AS (INSERT INTO goods VALUES (11, 'b') RETURNING id) SELECT id FROM w",
	"SELECT innocent()", "SELECT taken('DELETE FROM goods')", "TRUNCATE goods", "SELECT id INTO loot FROM goods",
	"SELECT nextval('counter')",
}

// lone are writes that need no opener.
var lone = []string{
	"UPDATE goods SET what = 'c'", "DELETE FROM goods", "TRUNCATE goods CASCADE", "CREATE TABLE loot (id int)",
	"CREATE TABLE loot AS SELECT * FROM goods", "CREATE UNLOGGED TABLE loot (id int)", "DROP TABLE goods", "ALTER TABLE goods ADD more int",
	"CREATE INDEX ON goods (what)", "ALTER SEQUENCE counter RESTART 7", "SELECT setval('counter', 7)", "SELECT pg_catalog.nextval('counter')",
	"SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "NOTIFY goods", "SELECT pg_notify('goods', '')", "CALL steps()",
	"DO $$ BEGIN INSERT INTO goods VALUES (30, 'd'); END $$", "DO $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; INSERT INTO goods VALUES (31, 'e'); END $$",
	"DO $$ BEGIN PERFORM set_config('transaction_read_only', 'off', true); INSERT INTO goods VALUES (32, 'e'); END $$",
	"EXPLAIN ANALYZE INSERT INTO goods VALUES (33, 'f')", "EXPLAIN (ANALYZE) DELETE FROM goods", "VACUUM goods", "ANALYZE goods", "CLUSTER goods USING goods_pkey",
	"REINDEX TABLE goods", "LOCK TABLE goods IN EXCLUSIVE MODE", "COMMENT ON TABLE goods IS 'g'", "GRANT ALL ON goods TO PUBLIC",
	"SELECT * FROM goods FOR UPDATE", "COPY goods TO PROGRAM 'true'", "COPY goods FROM PROGRAM 'echo 40'", "REFRESH MATERIALIZED VIEW goods",
	"CREATE ROLE thief", "ALTER ROLE plain SET work_mem = '9MB'", "ALTER SYSTEM SET work_mem = '9MB'", "ALTER DATABASE app SET work_mem = '9MB'",
	"PREPARE TRANSACTION 'x'", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')", "SELECT pg_logical_emit_message(true, 'a', 'b')",
	"BEGIN; COMMIT; INSERT INTO goods VALUES (50, 'g')", "COMMIT; INSERT INTO goods VALUES (51, 'g')", "ROLLBACK; DELETE FROM goods",
	"SELECT 1; INSERT INTO goods VALUES (52, 'h'); SELECT 2", "BEGIN READ WRITE; INSERT INTO goods VALUES (53, 'h'); COMMIT",
	"BEGIN; SET TRANSACTION READ WRITE; DELETE FROM goods; COMMIT", "START TRANSACTION READ WRITE; TRUNCATE goods; COMMIT; SELECT 1",
	"PREPARE theft AS INSERT INTO goods VALUES (54, 'i'); EXECUTE theft", "PREPARE opening AS SELECT 1; BEGIN READ WRITE; EXECUTE opening; DELETE FROM goods; COMMIT",
	"BEGIN; DECLARE c CURSOR FOR SELECT * FROM goods FOR UPDATE; FETCH c; DELETE FROM goods WHERE CURRENT OF c; COMMIT",
	"SET SESSION AUTHORIZATION trusted; INSERT INTO goods VALUES (55, 'j')", "SET ROLE trusted; INSERT INTO goods VALUES (56, 'j')",
	"SELECT txid_current(), pg_current_xact_id()", "SELECT pg_switch_wal()", "SELECT pg_stat_reset()", "CHECKPOINT",
}

// allThere is all that a disguise could have changed at a server.
const allThere = `SELECT concat_ws(' ',
	(SELECT string_agg(concat(g, g.xmin, g.ctid), ',' ORDER BY id) FROM goods g),
	(SELECT string_agg(concat(relname, relkind, relhasindex, relnatts, xmin), ',' ORDER BY relname, oid) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace OR relpersistence <> 'p'),
	(SELECT concat(last_value, is_called) FROM counter),
	(SELECT count(*) FROM pg_largeobject_metadata),
	(SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname NOT LIKE 'pg_%'),
	(SELECT concat(count(*), string_agg(setconfig::text, ',')) FROM pg_db_role_setting),
	(SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'),
	(SELECT count(*) FROM pg_description WHERE objoid = 'goods'::regclass),
	(SELECT count(*) FROM pg_prepared_xacts), (SELECT count(*) FROM pg_replication_slots))`

func stateOf(t testing.TB, server *dbserver.Postgres) string {
	t.Helper()
	state, err := server.Query(t.Context(), "app", allThere)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// vault is a proxy whose two servers both have the goods, and whose sessions all
// belong to the canary.
type vault struct {
	*shared
	source, target *dbserver.Postgres
	was            string // the state of the target
}

func TestNothingIsWrittenAtTheTarget(t *testing.T) {
	v := &vault{source: ownTarget(t, map[string]string{"autovacuum": "off"}), target: ownTarget(t, map[string]string{"autovacuum": "off"})}
	superuser(t, v.source, "app", "UPDATE whoami SET side = 'source'")
	for _, server := range []*dbserver.Postgres{v.source, v.target} {
		superuser(t, server, "app", goods...)
	}
	v.shared = before(t, v.target, func(o *Options) {
		o.Live.Sides[router.Source] = Side{Network: "tcp", Address: v.source.Addr()}
	})
	v.share(100)
	v.was = stateOf(t, v.target)
	t.Run("in disguise", v.disguises)
	t.Run("in a pipeline", v.pipelines)
	t.Run("by a startup packet", v.startups)
	t.Run("by a session whose transactions may write at the source", v.writesAtTheSource)
}

// unchanged checks that the target is as it was.
func (v *vault) unchanged(t *testing.T, attempted any) {
	t.Helper()
	if now := stateOf(t, v.target); now != v.was {
		t.Errorf("%q has changed the target:\n%s\nbefore\n%s", attempted, now, v.was)
		v.was = now
	}
}

// attempt runs the statements one after the other, whatever they say, and ends
// what they leave open. The session must live on.
func attempt(t *testing.T, conn *pgx.Conn, mode pgx.QueryExecMode, texts ...string) {
	t.Helper()
	for _, sql := range texts {
		_, _ = conn.Exec(t.Context(), sql, mode)
		if conn.IsClosed() {
			t.Fatalf("%q has ended the session", texts)
		}
	}
	for _, sql := range []string{"COMMIT", "RESET SESSION AUTHORIZATION", "RESET ROLE", "DISCARD ALL"} {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s after %q: %v", sql, texts, err)
		}
	}
}

func (v *vault) disguises(t *testing.T) {
	conn := v.asIn(t, "user-1", pgx.QueryExecModeExec)
	n, fresh, source := 0, 0, stateOf(t, v.source)
	try := func(mode pgx.QueryExecMode, texts ...string) {
		n++
		if sideOf(t, conn) != router.Target.String() { // the last one has pinned it
			fresh++
			_ = conn.Close(t.Context())
			conn = v.asIn(t, "user-1", pgx.QueryExecModeExec)
			wantSide(t, conn, router.Target)
		}
		attempt(t, conn, mode, texts...)
		v.unchanged(t, texts)
	}
	for i, opener := range openers {
		burglar := burglars[i%len(burglars)]
		steps := append(strings.Split(opener, "; "), burglar)
		try(pgx.QueryExecModeSimpleProtocol, steps...)
		try(pgx.QueryExecModeExec, steps...)
		try(pgx.QueryExecModeSimpleProtocol, opener+"; "+burglar+"; COMMIT")
	}
	for _, sql := range lone {
		try(pgx.QueryExecModeSimpleProtocol, sql)
		try(pgx.QueryExecModeExec, sql)
	}
	if stateOf(t, v.source) == source {
		t.Error("the disguises write nowhere")
	}
	t.Logf("%d disguises, each tried by a session at the target; %d of them have pinned theirs to the source: %v", n, fresh, v.pins)
}

func (v *vault) pipelines(t *testing.T) {
	write := "INSERT INTO goods VALUES (60, 'k')"
	pipelines := map[string][]string{ // "" is a Sync
		"COMMIT and a write":           {"BEGIN", "", "SELECT side FROM whoami", "", "COMMIT", write, ""},
		"ROLLBACK and a write":         {"BEGIN", "", "ROLLBACK", "SET TRANSACTION READ WRITE", write, "COMMIT", ""},
		"all before one Sync":          {"BEGIN READ WRITE", write, "COMMIT", ""},
		"READ WRITE in the middle":     {"SELECT side FROM whoami", "SET TRANSACTION READ WRITE", write, ""},
		"implicit, made to write":      {"SET LOCAL transaction_read_only = off", write, ""},
		"a setting and a write":        {"SET default_transaction_read_only = off", write, ""},
		"a snapshot, made to write":    {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "", "SET transaction_read_only = off", "", write, "", "COMMIT", ""},
		"the same before one Sync":     {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SET transaction_read_only = off", write, "COMMIT", ""},
		"COMMIT AND CHAIN":             {"BEGIN READ ONLY", "", "COMMIT AND CHAIN", "SET TRANSACTION READ WRITE", write, "", "COMMIT", ""},
		"two transactions in one Sync": {"BEGIN", "SELECT side FROM whoami", "COMMIT", "BEGIN READ WRITE", write, "COMMIT", ""},
	}
	for name, texts := range pipelines {
		t.Run(name, func(t *testing.T) {
			conn := dialRaw(t, v.addr, map[string]string{"application_name": "user-1"})
			conn.Send(&pgproto3.Query{String: "SELECT side FROM whoami LIMIT 1"})
			syncs := 1
			for _, sql := range texts {
				if sql == "" {
					syncs++
					conn.Send(&pgproto3.Sync{})
					continue
				}
				conn.Send(&pgproto3.Parse{Query: sql})
				conn.Send(&pgproto3.Bind{})
				conn.Send(&pgproto3.Execute{})
			}
			if err := conn.Flush(); err != nil {
				t.Fatal(err)
			}
			for range syncs {
				conn.until(t, 'Z')
			}
			v.unchanged(t, texts)
		})
	}
}

func (v *vault) startups(t *testing.T) {
	for i, params := range [][]string{
		{"default_transaction_read_only", "off"},
		{"default_transaction_read_only", "off", "DEFAULT_TRANSACTION_READ_ONLY", "off"},
		{"default_transaction_read_only", "off", "Default_Transaction_Read_Only", "off", "options", "-c default_transaction_read_only=off"},
		{"options", "-c default_transaction_read_only=off"},
		{"options", "--default-transaction-read-only=off"},
		{"options", "-c transaction_read_only=off"},
	} {
		t.Run(fmt.Sprint(params), func(t *testing.T) {
			conn := dialParams(t, v.addr, append([]string{"application_name", "user-1"}, params...))
			for _, sql := range []string{"SELECT side FROM whoami LIMIT 1", fmt.Sprintf("INSERT INTO goods VALUES (%d, 'l')", 70+i)} {
				conn.Send(&pgproto3.Query{String: sql})
				if err := conn.Flush(); err != nil {
					t.Fatal(err)
				}
				conn.until(t, 'Z')
			}
			v.unchanged(t, params)
		})
	}
}

// dialParams logs in as trusted with startup parameters in this order.
func dialParams(t *testing.T, addr string, params []string) *raw {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	deadline(t, conn)
	body := []byte{0, 3, 0, 0}
	for _, word := range append([]string{"user", "trusted", "database", "app"}, params...) {
		body = append(append(body, word...), 0)
	}
	body = append(body, 0)
	n := len(body) + 4
	if _, err := conn.Write(append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)); err != nil {
		t.Fatal(err)
	}
	r := &raw{conn, pgproto3.NewFrontend(conn, conn)}
	r.until(t, 'Z')
	return r
}

// A session whose client has made its transactions writable is so at the
// source, whatever its leg at the target must be.
func (v *vault) writesAtTheSource(t *testing.T) {
	conn := v.asIn(t, "user-1", pgx.QueryExecModeExec)
	do(t, conn, "SET default_transaction_read_only = off")
	wantSide(t, conn, router.Target)
	do(t, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	sideOf(t, conn)
	do(t, conn, "SET work_mem = '5MB'")
	do(t, conn, "COMMIT")
	v.share(0)
	wantSide(t, conn, router.Source)
	if got := one[string](t, conn, "SHOW work_mem"); got != "5MB" {
		t.Errorf("work_mem %s", got)
	}
	if _, err := conn.Exec(context.Background(), "INSERT INTO goods VALUES (80, 'm')"); err != nil {
		t.Error(err)
	}
}
