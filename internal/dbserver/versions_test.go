package dbserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// onEachVersion runs test on the source's version, on the target's, and on each
// other major version that the machine has.
func onEachVersion(t *testing.T, test func(*testing.T, Install)) {
	found, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, install := range found {
		major := install.Version.Major
		if seen[major] {
			continue
		}
		seen[major] = true
		t.Run(fmt.Sprintf("PostgreSQL %d", major), func(t *testing.T) {
			t.Parallel()
			test(t, install)
		})
	}
	for _, major := range []int{SourceMajor(), TargetMajor} {
		if !seen[major] {
			t.Errorf("PostgreSQL %d was not tested: %s", major, remedy)
		}
	}
}

// login opens and closes a connection over TCP.
func login(ctx context.Context, server *Postgres) error {
	conn, err := pgconn.Connect(ctx, server.SuperDSN("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func TestEachVersionServesVerifiedTLSAndSCRAM(t *testing.T) {
	onEachVersion(t, func(t *testing.T, install Install) {
		server := start(t, Options{Install: install, TLS: true})
		expect(t, server, "SELECT current_setting('server_version_num')::int / 10000", fmt.Sprint(install.Version.Major))
		expect(t, server, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'postgres'", "t")
		expect(t, server, "SHOW password_encryption", "scram-sha-256")
		conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		results, err := conn.Exec(t.Context(), "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(results[0].Rows[0][0]); got != "TLSv1.3" {
			t.Errorf("TLS version is %q, want TLSv1.3", got)
		}
	})
}

func TestEachVersionComesBackAfterAKillOnTheSamePort(t *testing.T) {
	onEachVersion(t, func(t *testing.T, install Install) {
		server := start(t, Options{Install: install})
		address, first := server.Addr(), server.PID()
		execute(t, server, "postgres", "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
		processes, err := childrenOf(server.PID())
		if err != nil {
			t.Fatal(err)
		}
		processes = append(processes, first)
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, pid := range processes {
			expectGone(t, pid)
		}
		if err := login(t.Context(), server); err == nil {
			t.Fatal("a killed server lets somebody in")
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(t, server, "SELECT n FROM kept", "7")
		if server.Addr() != address || server.PID() == first {
			t.Errorf("address %s and process %d, want %s and another than %d", server.Addr(), server.PID(), address, first)
		}
		log, err := server.Log()
		if err != nil || !strings.Contains(log, "database system was not properly shut down") {
			t.Errorf("the log knows of no crash (%v):\n%s", err, log)
		}
	})
}

func TestEachVersionFallsSilentWhilePaused(t *testing.T) {
	onEachVersion(t, func(t *testing.T, install Install) {
		server := start(t, Options{Install: install})
		conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		if err := server.Pause(); err != nil {
			t.Fatal(err)
		}
		answer := make(chan error, 1)
		go func() { answer <- conn.Exec(t.Context(), "SELECT 1").Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := login(ctx, server); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a paused server gives %v, want a deadline exceeded", err)
		}
		select {
		case err := <-answer:
			t.Errorf("an open session of a paused server gives %v, want nothing", err)
			answer <- err
		default:
		}
		if err := server.Continue(); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("the session that waited gives %v", err)
		}
	})
}

func TestEachVersionRefusesLoginsAndLetsThemInAgain(t *testing.T) {
	onEachVersion(t, func(t *testing.T, install Install) {
		server := start(t, Options{Install: install})
		conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if err := server.RefuseLogins(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		expectCode(t, login(t.Context(), server), "28000")
		if err := conn.Exec(t.Context(), "SELECT 1").Close(); err != nil {
			t.Errorf("an open connection gives %v, want it to stay", err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectCode(t, login(t.Context(), server), "28000")
		if err := server.RefuseLogins(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if err := login(t.Context(), server); err != nil {
			t.Errorf("a login gives %v, want it to work again", err)
		}
	})
}

func TestEachVersionCanBeFull(t *testing.T) {
	onEachVersion(t, func(t *testing.T, install Install) {
		server := start(t, Options{Install: install, Settings: map[string]string{
			"max_connections": "4", "superuser_reserved_connections": "3", "max_wal_senders": "0",
		}})
		execute(t, server, "postgres", "CREATE ROLE app LOGIN PASSWORD 'app'")
		var first *pgconn.PgConn
		err := poll(t.Context(), func() (bool, error) { // until the connection before has given its place back
			var err error
			first, err = pgconn.Connect(t.Context(), server.DSN("app", "app", "postgres"))
			return err == nil, unlessFull(err)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close(t.Context())
		_, err = pgconn.Connect(t.Context(), server.DSN("app", "app", "postgres"))
		expectCode(t, err, tooManyConnections)
		expect(t, server, "SELECT 1", "1")
	})
}

// tooManyConnections is the error code of a server that is full.
const tooManyConnections = "53300"

func unlessFull(err error) error {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Code == tooManyConnections {
		return nil
	}
	return err
}

func expectCode(t *testing.T, err error, code string) {
	t.Helper()
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("error is %v, want %s", err, code)
	}
}

func TestFindMajorGivesThatVersionOrNamesTheCommandToRun(t *testing.T) {
	install, err := FindMajor(TargetMajor)
	if err != nil || install.Version.Major != TargetMajor {
		t.Errorf("found %+v, %v; want PostgreSQL %d", install, err, TargetMajor)
	}
	_, err = FindMajor(7)
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 7 ") || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("error is %v, want the version and the command", err)
	}
}
