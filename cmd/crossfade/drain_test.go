package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// terminated is the SQLSTATE of a session that the administrator ended.
const terminated = "57P01"

// cut waits until a session is told, unasked, that it is over.
func cut(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); code(err) != terminated {
		t.Errorf("the session got %v, want %s", err, terminated)
	}
}

// drained sees to the end of everything: the server knows of no session of
// name any more and the process ends without fault.
func (c *child) drained(t testing.TB, name string) {
	t.Helper()
	c.exits(t, 0)
	noBackends(t, name)
	if !c.said("msg=ended") {
		t.Errorf("the log has no last line:\n%s", c.talk.String())
	}
}

func TestSIGTERMLetsTransactionsFinish(t *testing.T) {
	ca := newAuthority(t)
	ca.server(t, "proxy")
	tests := []struct{ name, application, tls, options string }{
		{"in clear", "drain_clear", "{}", ""},
		{"encrypted", "drain_encrypted", ca.required("proxy"), ca.verified()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := start(t, settings{listener: "address: 127.0.0.1:0, tls: " + test.tls})
			options := test.options + " application_name=" + test.application
			idle, busy := c.connect(t, "app", appPassword, options), c.connect(t, "app", appPassword, options)
			mustExec(t, busy, "BEGIN")
			mustExec(t, busy, "CREATE TEMP TABLE kept (id int)")

			c.signal(t, syscall.SIGTERM)
			cut(t, idle)
			c.takesNobody(t)
			mustExec(t, busy, "INSERT INTO kept VALUES (1)")
			if n := value[int](t, busy, "SELECT count(*) FROM kept"); n != 1 {
				t.Errorf("%d rows", n)
			}
			mustExec(t, busy, "COMMIT")
			cut(t, busy)
			c.drained(t, test.application)
		})
	}
}

// takesNobody checks that the process lives, takes no new clients and says so.
func (c *child) takesNobody(t testing.TB) {
	t.Helper()
	if status, _, err := c.get("/readyz"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("/readyz is %d, %v", status, err)
	}
	if status, _, err := c.get("/healthz"); err != nil || status != http.StatusOK {
		t.Errorf("/healthz is %d, %v", status, err)
	}
	if conn, err := net.Dial("tcp", c.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new client: %v, %v", conn, err)
	}
}

// sleeping runs a statement that takes a while, and returns when the server
// runs it. The channel has how it ended.
func (c *child) sleeping(t testing.TB, name, sql string) (*pgx.Conn, <-chan error) {
	t.Helper()
	conn := c.connect(t, "app", appPassword, "application_name="+name)
	// Without it the server finds out that its client is gone when it answers.
	mustExec(t, conn, "SET client_connection_check_interval = '50ms'")
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), sql)
		ended <- err
	}()
	eventually(t, "the statement runs", func() bool {
		n, err := postgres.Query(t.Context(), "postgres",
			"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = '"+name+"'")
		return err == nil && n == "1"
	})
	return conn, ended
}

func TestAStatementThatRunsAtSIGTERMIsAnswered(t *testing.T) {
	c := start(t, settings{})
	conn, ended := c.sleeping(t, "drain_running", "SELECT pg_sleep(0.5)")
	c.signal(t, syscall.SIGTERM)
	c.says(t, "msg=draining")
	if err := <-ended; err != nil {
		t.Errorf("the statement: %v", err)
	}
	cut(t, conn)
	c.drained(t, "drain_running")
}

func TestARunningStatementIsCutAfterTheDrainLimit(t *testing.T) {
	c := start(t, settings{more: "limits: {drain: 200ms}"})
	_, ended := c.sleeping(t, "drain_statement", "SELECT pg_sleep(600)")
	c.signal(t, syscall.SIGTERM)
	if err := <-ended; code(err) != terminated {
		t.Errorf("the statement got %v, want %s", err, terminated)
	}
	c.drained(t, "drain_statement")
}

func TestASessionThatDoesNotFinishIsCutAfterTheDrainLimit(t *testing.T) {
	c := start(t, settings{more: "limits: {drain: 200ms}"})
	open := c.connect(t, "app", appPassword, "application_name=drain_limit")
	mustExec(t, open, "BEGIN")
	c.signal(t, syscall.SIGTERM)
	cut(t, open)
	c.drained(t, "drain_limit")
}

func TestASecondSIGTERMEndsAtOnce(t *testing.T) {
	c := start(t, settings{more: "limits: {drain: 1h}"})
	open := c.connect(t, "app", appPassword, "application_name=drain_second")
	mustExec(t, open, "BEGIN")
	c.signal(t, syscall.SIGTERM)
	c.says(t, "msg=draining", "limit=1h")
	mustExec(t, open, "SELECT 1")
	c.signal(t, syscall.SIGTERM)
	cut(t, open)
	c.drained(t, "drain_second")
}

func TestAfterKill9AllIsServedAgainWithinFiveSeconds(t *testing.T) {
	c := start(t, settings{})
	for range 20 {
		mustExec(t, c.connect(t, "app", appPassword, "application_name=killed"), "SELECT 1")
	}
	mustExec(t, c.connect(t, "app", appPassword, "application_name=killed"), "BEGIN; CREATE TEMP TABLE t (id int)")
	c.kill()
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended with %v", c.ProcessState)
	}
	noBackends(t, "killed")

	began := time.Now()
	file, err := settings{listener: "address: " + c.addr}.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	again := serveFile(t, file)
	mustExec(t, again.connect(t, "app", appPassword, ""), "SELECT 1")
	if took := time.Since(began); again.addr != c.addr || took > 5*time.Second {
		t.Errorf("served at %s (before %s) after %v", again.addr, c.addr, took)
	}
}
