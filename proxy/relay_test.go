package proxy

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
)

func TestAClientIsTheOneThatItSaysItIs(t *testing.T) {
	conn := newProxy(t, nil).connect(t)
	var user, database string
	var pid uint32
	err := conn.QueryRow(t.Context(), "SELECT current_user, current_database(), pg_backend_pid()").Scan(&user, &database, &pid)
	if err != nil || user != "app" || database != "app" || pid != conn.PgConn().PID() {
		t.Errorf("user %q, database %q, pid %d (told %d), %v", user, database, pid, conn.PgConn().PID(), err)
	}
}

func TestANotificationComesWhileTheClientIsIdle(t *testing.T) {
	listens := map[string]string{
		"LISTEN":             "LISTEN news",
		"LISTEN in a script": "SELECT 1; LISTEN news; SELECT 2",
		"LISTEN in a DO":     "DO $$BEGIN LISTEN news; END$$",
		"LISTEN in a function": `CREATE OR REPLACE FUNCTION pg_temp.hear() RETURNS void LANGUAGE plpgsql AS
			$$BEGIN LISTEN news; END$$; SELECT pg_temp.hear()`,
	}
	for name, sql := range listens {
		t.Run(name, func(t *testing.T) {
			proxy := newProxy(t, nil)
			conn := proxy.connect(t)
			if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
				t.Fatal(err)
			}
			if err := postgres.Exec(t.Context(), "app", "NOTIFY news, 'hello'"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			n, err := conn.WaitForNotification(ctx)
			if err != nil || n.Payload != "hello" {
				t.Fatalf("notification %v, %v", n, err)
			}
			if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
				t.Errorf("after the notification: %v", err)
			}
		})
	}
}

// The backend of an idle client is terminated: the client hears it at once, in
// the server's own words, whether it listens for notifications or not.
func TestATerminatedBackendIsToldInItsOwnWords(t *testing.T) {
	for _, first := range []string{"LISTEN news", "SELECT 1", "BEGIN"} {
		t.Run(first, func(t *testing.T) {
			r := dialRaw(t, newProxy(t, nil).addr, nil)
			r.Send(&pgproto3.Query{String: first})
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			r.until(t, 'Z')
			if err := postgres.Exec(t.Context(), "app", "SELECT pg_terminate_backend("+backendOf(t, "trusted")+", 10000)"); err != nil {
				t.Fatal(err)
			}
			said := r.rest(t)
			if !bytes.Contains(said, []byte("C57P01\x00Mterminating connection due to administrator command")) || bytes.Contains(said, []byte("unexpectedly")) {
				t.Errorf("said %q", said)
			}
		})
	}
}

// backendOf is the process of the one backend that a role has.
func backendOf(t *testing.T, role string) string {
	t.Helper()
	pid, err := postgres.Query(t.Context(), "app", "SELECT pid FROM pg_stat_activity WHERE usename = '"+role+"' ORDER BY backend_start DESC LIMIT 1")
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestALostServerIsToldByUs(t *testing.T) {
	lost := fakeServer(t, func(c *fakeSession) { c.expect('Q') })
	proxy := newProxy(t, func(o *Options) { o.Live.Sides[router.Source].Address = lost })
	r := dialRaw(t, proxy.addr, nil)
	r.Send(&pgproto3.Query{String: "SELECT 1"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if said := r.rest(t); !bytes.Contains(said, []byte("C08006\x00Mthe source database closed the connection unexpectedly")) {
		t.Errorf("said %q", said)
	}
}

// A client that sends 100 MB of statements before its Sync, each answered
// with as much, and reads as it writes.
func TestAPipelineOf50000StatementsBeforeItsSync(t *testing.T) {
	const statements, size = 50_000, 2_000
	r := dialRaw(t, newProxy(t, nil).addr, nil)
	if err := r.SetDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		parameter := bytes.Repeat([]byte{'x'}, size)
		r.SendParse(&pgproto3.Parse{Name: "s", Query: "SELECT $1::text"})
		for range statements {
			r.SendBind(&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{parameter}})
			r.SendExecute(&pgproto3.Execute{})
			if err := r.Flush(); err != nil {
				sent <- err
				return
			}
		}
		r.SendSync(&pgproto3.Sync{})
		sent <- r.Flush()
	}()
	rows, bytes := 0, 0
	for ready := false; !ready; {
		m, err := r.Receive()
		if err != nil {
			t.Fatalf("after %d rows: %v", rows, err)
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			rows++
			bytes += len(m.Values[0])
		case *pgproto3.ReadyForQuery:
			ready = true
		case *pgproto3.ErrorResponse:
			t.Fatal(m.Message)
		}
	}
	if err := <-sent; err != nil || rows != statements || bytes != statements*size {
		t.Errorf("%d rows, %d bytes, sent: %v", rows, bytes, err)
	}
}

func TestManySyncsInFlight(t *testing.T) {
	const batches = 20_000
	r := dialRaw(t, newProxy(t, nil).addr, nil)
	sent := make(chan error, 1)
	go func() {
		for range batches {
			r.SendParse(&pgproto3.Parse{Query: "SELECT repeat('x', 1000)"})
			r.SendBind(&pgproto3.Bind{})
			r.SendExecute(&pgproto3.Execute{})
			r.SendSync(&pgproto3.Sync{})
		}
		sent <- r.Flush()
	}()
	for i := range batches {
		if seen := r.until(t, 'Z'); len(seen) != 5 {
			t.Fatalf("batch %d has %d messages", i, len(seen))
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestABatchThatPausesBeforeItsSyncGoesOn(t *testing.T) {
	r := dialRaw(t, newProxy(t, nil).addr, nil)
	// 20 KB of rows overflow the server's own buffer, so that a direct client
	// has most of them before it sends its Sync.
	r.SendParse(&pgproto3.Parse{Query: "SELECT repeat('x', 1000) FROM generate_series(1, 20)"})
	r.SendBind(&pgproto3.Bind{})
	r.SendExecute(&pgproto3.Execute{})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'D')
	r.SendSync(&pgproto3.Sync{})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'Z')
}

func TestCopyInAndOut(t *testing.T) {
	conn := newProxy(t, nil).connect(t)
	if _, err := conn.Exec(t.Context(), "CREATE TEMP TABLE t (id int, name text)"); err != nil {
		t.Fatal(err)
	}
	const rows = 100_000
	n, err := conn.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"id", "name"},
		pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{i, strings.Repeat("n", i%50)}, nil }))
	if err != nil || n != rows {
		t.Fatalf("copied %d, %v", n, err)
	}
	var out bytes.Buffer
	tag, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY t TO STDOUT")
	if err != nil || tag.RowsAffected() != rows || bytes.Count(out.Bytes(), []byte("\n")) != rows {
		t.Errorf("tag %v, %v", tag, err)
	}
	_, err = conn.PgConn().CopyFrom(t.Context(), strings.NewReader("1\tx\nnot a number\ty\n"), "COPY t FROM STDIN")
	if code(err) != "22P02" {
		t.Errorf("a bad row: %v", err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("after a failed COPY: %v", err)
	}
}

func TestAPanicEndsItsSessionAndNoOther(t *testing.T) {
	var victim atomic.Uint64
	var ends atomic.Int32
	proxy := newProxy(t, func(o *Options) {
		o.Observer.Answered = func(id uint64, _ router.Side, _ engine.Counts) {
			if id == victim.Load() {
				panic("injected")
			}
		}
		o.Observer.SessionEnd = func(why EndReason) {
			if why == EndPanic {
				ends.Add(1)
			}
		}
	})
	neighbour, doomed := proxy.connect(t), proxy.connect(t)
	for _, sql := range []string{"SELECT 1", "LISTEN x"} { // one reader, then two
		if _, err := neighbour.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	victim.Store(2)
	_, err := doomed.Exec(t.Context(), "SELECT 1")
	if err == nil {
		_, err = doomed.Exec(t.Context(), "SELECT 1")
	}
	if code(err) != "XX000" {
		t.Errorf("the client of the session saw %v", err)
	}
	victim.Store(0)
	if _, err := neighbour.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	eventually(t, "the panic is counted", func() bool { return ends.Load() == 1 })
}

func TestV22NothingOfASessionIsLeftForTheNext(t *testing.T) {
	proxy := newProxy(t, nil)
	first := proxy.connect(t)
	for _, sql := range []string{
		"SET search_path TO pg_catalog", "SET my.setting TO 'mine'", "PREPARE p AS SELECT 1", "CREATE TEMP TABLE mine (id int)",
		"SELECT pg_advisory_lock(42)", "LISTEN mine", "SET SESSION AUTHORIZATION trusted", "SELECT set_config('work_mem', '123kB', false)",
	} {
		if _, err := first.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session is gone", func() bool { return proxy.Stats().Idle+proxy.Stats().Active == 0 })
	second := proxy.connect(t)
	var got string
	err := second.QueryRow(t.Context(), `SELECT concat_ws(' ', current_user, current_setting('my.setting', true), current_setting('work_mem') = '123kB',
		(SELECT count(*) FROM pg_prepared_statements WHERE name = 'p'), to_regclass('mine'), pg_try_advisory_lock(42),
		(SELECT count(*) FROM pg_listening_channels()), current_schema())`).Scan(&got)
	if err != nil || got != "app f 0 t 0 public" {
		t.Errorf("the next session sees %q, %v", got, err)
	}
}

func TestALongStatementPassesWithoutBeingHeld(t *testing.T) {
	proxy := newProxy(t, func(o *Options) { o.Live.Limits.Memory = 0 }) // small buffers only
	conn := proxy.connect(t)
	for _, size := range []int{5_000, 70_000, 3_000_000} {
		var n int
		sql := "SELECT length('" + strings.Repeat("x", size) + "')"
		if err := conn.QueryRow(t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&n); err != nil || n != size {
			t.Fatalf("%d bytes: %d, %v", size, n, err)
		}
		var text string
		if err := conn.QueryRow(t.Context(), "SELECT repeat('y', $1)", size).Scan(&text); err != nil || len(text) != size {
			t.Fatalf("%d bytes back: %d, %v", size, len(text), err)
		}
	}
	if lent := proxy.Stats().BufferBytes; lent != 0 {
		t.Errorf("%d bytes in large buffers, none were allowed", lent)
	}
}

func TestAllBuffersComeBack(t *testing.T) {
	proxy := newProxy(t, nil)
	conn := proxy.connect(t)
	if _, err := conn.Exec(t.Context(), "SELECT repeat('x', 5000000)"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no large buffer is lent", func() bool { return proxy.Stats().BufferBytes == 0 })
}

func TestASessionEndsWithItsClient(t *testing.T) {
	proxy := newProxy(t, nil)
	r := dialRaw(t, proxy.addr, map[string]string{"application_name": "ends with its client"})
	r.Send(&pgproto3.Query{String: "BEGIN"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'Z')
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the backend is gone", func() bool {
		n, err := postgres.Query(context.Background(), "app", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ends with its client'")
		return err == nil && n == "0"
	})
}

func TestAQueryAndTerminateInOneGoAreBothAnswered(t *testing.T) {
	r := dialRaw(t, newProxy(t, nil).addr, nil)
	r.Send(&pgproto3.Query{String: "SELECT 'last words'"})
	r.Send(&pgproto3.Terminate{})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if said := r.rest(t); !bytes.Contains(said, []byte("last words")) || !bytes.HasSuffix(said, []byte{'Z', 0, 0, 0, 5, 'I'}) {
		t.Errorf("said %q", said)
	}
}

func TestAWrongMessageClosesThatSessionWithAClearError(t *testing.T) {
	proxy := newProxy(t, nil)
	neighbour := proxy.connect(t)
	r := dialRaw(t, proxy.addr, nil)
	if _, err := r.Conn.Write(append([]byte{'y', 0, 0, 1, 0}, bytes.Repeat([]byte{'x'}, 100_000)...)); err != nil {
		t.Fatal(err)
	}
	if said := r.rest(t); !bytes.Contains(said, []byte("SFATAL\x00VFATAL\x00C08P01\x00Minvalid frontend message type")) {
		t.Errorf("said %q", said)
	}
	if _, err := neighbour.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
}

func TestReplicationIsRelayedBothWays(t *testing.T) {
	r := dialRaw(t, newProxy(t, nil).addr, map[string]string{"replication": "true"})
	ask := func(sql string) {
		r.Send(&pgproto3.Query{String: sql})
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	ask("IDENTIFY_SYSTEM")
	var position string
	for {
		m, err := r.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if row, ok := m.(*pgproto3.DataRow); ok {
			position = string(row.Values[2])
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	ask("START_REPLICATION PHYSICAL " + position)
	r.until(t, 'W')
	if err := postgres.Exec(t.Context(), "app", "CREATE TABLE IF NOT EXISTS replicated (id int); INSERT INTO replicated VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'd') // the server speaks first
	status := append([]byte{'r'}, make([]byte, 33)...)
	r.Send(&pgproto3.CopyData{Data: status})
	r.Send(&pgproto3.CopyDone{})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'Z')
	ask("IDENTIFY_SYSTEM")
	r.until(t, 'Z')
}
