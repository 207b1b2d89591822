package dbserver

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		runOwner()
	}
	goleak.VerifyTestMain(m)
}

// start is dbtest.Postgres, which this package cannot import.
func start(t *testing.T, options Options) *Postgres {
	t.Helper()
	server, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server
}

func execute(t *testing.T, server *Postgres, database, sql string) {
	t.Helper()
	if err := server.Exec(t.Context(), database, sql); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, server *Postgres, sql, want string) {
	t.Helper()
	got, err := server.Query(t.Context(), "postgres", sql)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%s gives %q, want %q", sql, got, want)
	}
}

func TestTwoServersRunSideBySide(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	execute(t, a, "postgres", "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('of a')")
	execute(t, b, "postgres", "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('of b')")
	expect(t, a, "SELECT text FROM notes", "of a")
	expect(t, b, "SELECT text FROM notes", "of b")
	if a.Addr() == b.Addr() || a.SocketDir() == b.SocketDir() || a.PID() == b.PID() {
		t.Errorf("servers share an address: %s and %s", a.Addr(), b.Addr())
	}
	if a.SuperDSN("postgres") == strings.ReplaceAll(b.SuperDSN("postgres"), b.Addr(), a.Addr()) {
		t.Error("servers share a password")
	}
}

func TestAServerIsWhatTheOptionsSay(t *testing.T) {
	server := start(t, Options{Settings: map[string]string{
		"application_name": `it's a \ "name"`, "wal_level": "replica",
	}})
	expect(t, server, "SHOW application_name", `it's a \ "name"`)
	expect(t, server, "SHOW wal_level", "replica")
	expect(t, server, "SHOW max_prepared_transactions", "64")
	expect(t, server, "SHOW fsync", "off")
	expect(t, server, "SHOW listen_addresses", "127.0.0.1")
	expect(t, server, "SHOW server_encoding", "UTF8")
	expect(t, server, "SHOW port", strconv.Itoa(server.Port()))
	version, err := server.Query(t.Context(), "postgres", "SHOW server_version")
	if err != nil || version != server.Version().Text {
		t.Errorf("version is %q (%v), want %q", version, err, server.Version().Text)
	}
}

func TestADurableServerSyncs(t *testing.T) {
	expect(t, start(t, Options{Durable: true}), "SHOW fsync", "on")
}

func TestRestartOfARunningServerIsAnOrderlyOne(t *testing.T) {
	server := start(t, Options{})
	execute(t, server, "postgres", "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, server, "SELECT n FROM kept", "7")
	if log, err := server.Log(); err != nil || strings.Contains(log, "not properly shut down") {
		t.Errorf("the log knows of a crash (%v):\n%s", err, log)
	}
}

func TestStopLeavesNoProcessAndNoDirectory(t *testing.T) {
	tests := []struct {
		name   string
		dir    string
		before func(*Postgres) error
	}{
		{name: "running", before: func(*Postgres) error { return nil }},
		{name: "in a given directory", dir: filepath.Join(t.TempDir(), "given"), before: func(*Postgres) error { return nil }},
		{
			name: "in a directory too long for a socket", dir: filepath.Join(t.TempDir(), strings.Repeat("long", 25)),
			before: func(*Postgres) error { return nil },
		},
		{name: "paused", before: (*Postgres).Pause},
		{name: "killed", before: (*Postgres).Kill},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := start(t, Options{Dir: test.dir})
			processes, err := childrenOf(server.PID())
			if err != nil || len(processes) < 3 {
				t.Fatalf("children are %v, %v", processes, err)
			}
			if err := test.before(server); err != nil {
				t.Fatal(err)
			}
			if err := server.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, pid := range append(processes, server.PID()) {
				expectGone(t, pid)
			}
			for _, path := range []string{filepath.Dir(server.LogPath()), filepath.Dir(server.SocketDir())} {
				if _, err := os.Stat(path); !os.IsNotExist(err) {
					t.Errorf("%s is still there (%v)", path, err)
				}
			}
		})
	}
}

func TestABackendAtWorkIsPausedAndKilledToo(t *testing.T) {
	server := start(t, Options{})
	conn, err := server.connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	backend := int(conn.PID())
	failed := make(chan error)
	go func() { failed <- conn.Exec(context.WithoutCancel(t.Context()), "SELECT pg_sleep(600)").Close() }()
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("a statement of a killed server succeeds")
	}
	expectGone(t, backend)
}

func TestAServerThatCannotStartReportsTheReason(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		options Options
		reason  string
	}{
		{"an unknown setting", Options{Settings: map[string]string{"no_such_setting": "1"}}, `unrecognized configuration parameter "no_such_setting"`},
		{"a bad value", Options{Settings: map[string]string{"max_connections": "many"}}, `invalid value for parameter "max_connections"`},
		{"a bad line of pg_hba.conf", Options{HBA: []string{"host all"}}, "could not load"},
		{"a port that somebody has", Options{Port: taken.Addr().(*net.TCPAddr).Port}, errPortTaken.Error()},
		{"a directory with something in it", Options{Dir: full}, "is not empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			_, err := Start(t.Context(), test.options)
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("error is %v, want %q in it", err, test.reason)
			}
			left, err := os.ReadDir(temporary)
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(full, "file")); err != nil {
		t.Errorf("somebody's file is gone: %v", err)
	}
}

func TestAStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want canceled", err)
	}
}

func TestServersStartWhereTheTemporaryDirectoryIsClosed(t *testing.T) {
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", closed)
	expect(t, start(t, Options{}), "SELECT 1", "1")
	info, err := os.Stat(closed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(os.FileMode(0o700), info.Mode().Perm()); diff != "" {
		t.Errorf("somebody's directory was opened (-want +got):\n%s", diff)
	}
}

func TestOneTemplateIsMadeForManyServers(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	failed := make(chan error)
	for range 2 {
		go func() {
			server, err := Start(t.Context(), Options{})
			if err == nil {
				err = server.Stop(t.Context())
			}
			failed <- err
		}()
	}
	if err := errors.Join(<-failed, <-failed); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(filepath.Join(cache, "crossfade/templates/*/PG_VERSION"))
	if err != nil || len(made) != 1 {
		t.Errorf("templates are %v, %v; want one", made, err)
	}
}

// expectGone gives init the time to take note of an orphan's end.
func expectGone(t *testing.T, pid int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return !alive(pid), nil }); err != nil {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
