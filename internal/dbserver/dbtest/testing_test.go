package dbtest

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

func TestAServerEndsWithItsTest(t *testing.T) {
	var pid int
	var log string
	t.Run("the test", func(t *testing.T) {
		server := Postgres(t, dbserver.Options{})
		pid, log = server.PID(), server.LogPath()
		if value, err := server.Query(t.Context(), "postgres", "SELECT 42"); err != nil || value != "42" {
			t.Fatalf("value is %q, %v", value, err)
		}
	})
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	if _, err := os.Stat(log); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", log, err)
	}
}

// fatalRecorder is a test that ends when it fails, and keeps why.
type fatalRecorder struct {
	testing.TB
	message string
}

func (r *fatalRecorder) Fatalf(format string, arguments ...any) {
	r.message = format
	for _, argument := range arguments {
		if err, ok := argument.(error); ok {
			r.message += " " + err.Error()
		}
	}
	panic(r)
}

func TestAMissingPostgreSQLFailsTheTest(t *testing.T) {
	t.Setenv(dbserver.BinVariable, t.TempDir())
	recorder := &fatalRecorder{TB: t}
	defer func() {
		if recover() != any(recorder) {
			t.Error("the test went on")
		}
		if !strings.Contains(recorder.message, dbserver.BinVariable) {
			t.Errorf("message is %q", recorder.message)
		}
	}()
	Postgres(recorder, dbserver.Options{})
}

func TestAPairEndsWithItsTest(t *testing.T) {
	var pids [2]int
	t.Run("the test", func(t *testing.T) {
		pair := Pair(t, dbserver.Options{}, nil)
		pids = [2]int{pair.Source.PID(), pair.Target.PID()}
		if got, want := pair.Target.Version(), Major(t, dbserver.TargetMajor).Version; got != want {
			t.Errorf("the target is %v, want %v", got, want)
		}
	})
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
}
