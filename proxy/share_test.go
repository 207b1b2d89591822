package proxy

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

func TestASessionMovesThereAndBackWithinOneConnection(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	for range 5 {
		proxy.share(0)
		wantSide(t, conn, router.Source)
		proxy.share(100)
		wantSide(t, conn, router.Target)
		wantSide(t, conn, router.Target)
	}
	if stats := proxy.Stats(); stats.Sessions[router.Target] != 1 || stats.Backends != [router.Sides]int{1, 1} {
		t.Errorf("stats %+v", stats)
	}
}

func TestATransactionEndsWhereItBegan(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSide(t, tx.Conn(), router.Target)
	proxy.share(0)
	wantSide(t, tx.Conn(), router.Target)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSide(t, conn, router.Source)
}

func TestSettingsMoveWithTheSession(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	do(t, conn, "SET app.tenant = 'five'")
	do(t, conn, "SET search_path = public, pg_catalog")
	do(t, conn, "SET TIME ZONE 'Asia/Tokyo'")
	do(t, conn, "SET work_mem = '7MB'")
	proxy.share(100)
	wantSide(t, conn, router.Target)
	for name, want := range map[string]string{"app.tenant": "five", "search_path": "public, pg_catalog", "TimeZone": "Asia/Tokyo", "work_mem": "7MB"} {
		if got := one[string](t, conn, "SELECT current_setting($1)", name); got != want {
			t.Errorf("%s is %q at the %s, want %q", name, got, sideOf(t, conn), want)
		}
	}
	do(t, conn, "SET app.tenant = 'six'") // runs at the source
	wantSide(t, conn, router.Target)
	if got := one[string](t, conn, "SELECT current_setting('app.tenant')"); got != "six" {
		t.Errorf("the target has %q", got)
	}
	do(t, conn, "RESET work_mem")
	wantSide(t, conn, router.Target)
	if got := one[string](t, conn, "SELECT current_setting('work_mem')"); got != "4MB" {
		t.Errorf("work_mem after RESET is %q", got)
	}
}

func TestPreparedStatementsMoveWithTheSession(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	if _, err := conn.Prepare(t.Context(), "mine", "SELECT side FROM whoami WHERE n = $1"); err != nil {
		t.Fatal(err)
	}
	do(t, conn, "PREPARE theirs (int) AS SELECT side, $1 FROM whoami LIMIT 1")
	for _, share := range []float64{0, 100, 0, 100, 100, 0} {
		proxy.share(share)
		want := router.Source
		if share > 0 {
			want = router.Target
		}
		if got := one[string](t, conn, "mine", 3); got != want.String() {
			t.Errorf("share %v: the prepared statement is answered by the %s", share, got)
		}
		var side string
		var n int
		if err := conn.QueryRow(t.Context(), "EXECUTE theirs(7)", pgx.QueryExecModeSimpleProtocol).Scan(&side, &n); err != nil {
			t.Fatal(err)
		}
		if side != want.String() || n != 7 {
			t.Errorf("share %v: EXECUTE is answered by the %s with %d", share, side, n)
		}
	}
}

func TestTypeNumbersOfTheTargetAreNeverSeen(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	direct := connectTo(t, pair.Source.Addr())
	want := one[uint32](t, direct, "SELECT 'mood'::regtype::oid")
	if there := one[uint32](t, connectTo(t, pair.Target.Addr()), "SELECT 'mood'::regtype::oid"); there == want {
		t.Fatalf("the numbers do not differ: %d", there)
	}
	proxy.share(100)
	wantSide(t, conn, router.Target)
	for range 3 {
		rows, err := conn.Query(t.Context(), "SELECT m FROM moods")
		if err != nil {
			t.Fatal(err)
		}
		if got := rows.FieldDescriptions()[0].DataTypeOID; got != want {
			t.Errorf("the type is told as %d, want %d", got, want)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
	}
	table := one[uint32](t, direct, "SELECT 'whoami'::regclass::oid")
	rows, err := conn.Query(t.Context(), "SELECT n, side FROM whoami LIMIT 1", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	f := rows.FieldDescriptions()
	if f[0].TableOID != table || f[0].TableAttributeNumber != 2 || f[1].TableAttributeNumber != 1 {
		t.Errorf("told as %+v, want table %d", f, table)
	}
	rows.Next()
	if values, err := rows.Values(); err != nil || values[1] != "target" {
		t.Errorf("%v, %v", values, err)
	}
	rows.Close()
}

func TestWritesAtTheTargetAreRefused(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	for _, sql := range []string{
		"INSERT INTO whoami VALUES ('nobody', 0)",
		"UPDATE whoami SET n = n",
		"BEGIN READ WRITE",
		"BEGIN ISOLATION LEVEL READ COMMITTED, READ /* but */ WRITE",
		"START TRANSACTION READ WRITE",
		"BEGIN READ WRITE; INSERT INTO whoami VALUES ('nobody', 0); COMMIT",
	} {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); code(err) != "25006" {
			t.Errorf("%s: %v", sql, err)
		}
		wantSide(t, conn, router.Target)
	}
	do(t, conn, "BEGIN")
	wantSide(t, conn, router.Target)
	if _, err := conn.Exec(t.Context(), "SET TRANSACTION READ WRITE", pgx.QueryExecModeSimpleProtocol); code(err) != "25006" {
		t.Errorf("SET TRANSACTION READ WRITE: %v", err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); code(err) != "25P02" {
		t.Errorf("after it: %v", err)
	}
	do(t, conn, "ROLLBACK")
	wantSide(t, conn, router.Target)
	if n := one[int](t, connectTo(t, pair.Target.Addr()), "SELECT count(*) FROM whoami WHERE side = 'nobody'"); n != 0 {
		t.Errorf("%d rows were written at the target", n)
	}
}

func TestStatementsMadeAtTheTargetAreThereAfterTheWayBack(t *testing.T) {
	proxy := newShared(t, nil)
	conn := proxy.connect(t)
	proxy.share(100)
	wantSide(t, conn, router.Target)
	if _, err := conn.Prepare(t.Context(), "there", "SELECT side FROM whoami WHERE n = $1"); err != nil {
		t.Fatal(err)
	}
	proxy.share(0)
	do(t, conn, "SET statement_timeout = '20s'", pgx.QueryExecModeSimpleProtocol)
	do(t, conn, "SELECT 1")
	for range 2 {
		if got := one[string](t, conn, "there", 3); got != "source" {
			t.Errorf("answered by the %s", got)
		}
	}
}

func TestASessionOfTheCanaryEndsWithItsClient(t *testing.T) {
	proxy := newShared(t, nil)
	for _, share := range []float64{0, 100, 50, 0} {
		proxy.share(share)
		conn := proxy.connect(t)
		_ = sideOf(t, conn)
		if share == 50 {
			proxy.share(100)
			wantSide(t, conn, router.Target)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the session is gone", func() bool { s := proxy.Stats(); return s.Idle+s.Active == 0 })
	}
}
