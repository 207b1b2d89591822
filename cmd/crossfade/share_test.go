package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/router"
)

// crossing is the program between two real servers, and its command line.
type crossing struct {
	*child
	settings settings
	target   *dbserver.Postgres
}

// cross starts the program with a state directory of its own.
func cross(t testing.TB) *crossing {
	t.Helper()
	target := dbtest.Postgres(t, dbserver.Options{Install: dbtest.Major(t, dbserver.TargetMajor), HBA: whoMayConnect})
	for _, sql := range roles {
		if err := target.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	c := &crossing{target: target, settings: settings{more: fmt.Sprintf(
		"target: {address: %s}\nstate: {dir: %s}\ncanary: {writes: refuse, salt: test, key: [application_name], abort_deadline: 1s}\nadmin: {address: 127.0.0.1:0}\n",
		target.Addr(), filepath.Join(dir, "var"))}}
	file, err := c.settings.write(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.child = serveFile(t, file)
	return c
}

// restart is kill -9 and a new start with the same files.
func (c *crossing) restart(t testing.TB) (ready time.Duration) {
	t.Helper()
	c.kill()
	start := time.Now()
	c.child = serveFile(t, c.file)
	return time.Since(start)
}

// cli runs a command of the program and gives its output and exit code.
func (c *crossing) cli(args ...string) (out string, code int, err error) {
	cmd := exec.Command(program, append(args, "--admin", "http://"+c.admin, "-c", c.file)...)
	cmd.Env = []string{"APP_PASSWORD=" + appPassword}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", -1, err
	}
	return stdout.String() + stderr.String(), cmd.ProcessState.ExitCode(), nil
}

// must runs a command that is to work.
func (c *crossing) must(t testing.TB, args ...string) string {
	t.Helper()
	out, code, err := c.cli(args...)
	if err != nil || code != exitDone {
		t.Fatalf("crossfade %q: exit code %d, %v\n%s", args, code, err, out)
	}
	return out
}

func (c *crossing) status(t testing.TB) (s admin.Status) {
	t.Helper()
	out := c.must(t, "status", "-o", "json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return s
}

// as logs in through the program under an application name.
func (c *crossing) as(t testing.TB, application string) *pgx.Conn {
	t.Helper()
	config, err := c.config("app", appPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = application
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// side is who answers, by the server's own port.
func (c *crossing) side(t testing.TB, conn *pgx.Conn) router.Side {
	t.Helper()
	switch port := value[int](t, conn, "SELECT inet_server_port()"); port {
	case c.target.Port():
		return router.Target
	case postgres.Port():
		return router.Source
	default:
		t.Fatalf("answered by port %d", port)
		return router.Source
	}
}

// sidesAre checks that sessions are answered where their buckets are.
func (c *crossing) sidesAre(t testing.TB, conns []*pgx.Conn, share router.Share) (there int) {
	t.Helper()
	for i, conn := range conns {
		want := router.Source
		if router.Share(router.Bucket("test", "application_name", fmt.Sprintf("user-%d", i))) < share {
			want = router.Target
			there++
		}
		if got := c.side(t, conn); got != want {
			t.Errorf("share %v: user-%d is answered by the %s, want the %s", share, i, got, want)
		}
	}
	return there
}

func (c *crossing) crowd(t testing.TB, n int) (conns []*pgx.Conn) {
	t.Helper()
	for i := range n {
		conns = append(conns, c.as(t, fmt.Sprintf("user-%d", i)))
	}
	return conns
}

func TestTheShareOfTheRealProgram(t *testing.T) {
	c := cross(t)
	conns := c.crowd(t, 20)
	if _, code, err := c.cli("canary", "set", "5", "--reason", "too early"); code != exitUsage || err != nil {
		t.Errorf("a share in phase observe: exit code %d, %v", code, err)
	}
	c.sidesAre(t, conns, 0)
	c.must(t, "phase", "set", "canary", "--reason", "begin")
	for _, percent := range []string{"5", "50", "25"} {
		c.must(t, "canary", "set", percent, "--reason", "a step")
		share, err := router.ParseShare(percent)
		if err != nil {
			t.Fatal(err)
		}
		there := c.sidesAre(t, conns, share)
		if s := c.status(t); s.Share != share.Percent() || s.Sessions != (admin.Sessions{Source: 20 - there, Target: there}) {
			t.Errorf("status %+v", s)
		}
	}
	c.must(t, "canary", "set", "50", "--reason", "half")
	was := c.status(t)
	if ready := c.restart(t); ready > 2*time.Second {
		t.Errorf("ready %v after kill -9", ready)
	} else {
		t.Logf("ready %v after kill -9", ready)
	}
	if now := c.status(t); now.Phase != "canary" || now.Share != 50 || now.Version != was.Version {
		t.Errorf("after kill -9 %+v, before %+v", now, was)
	}
	c.sidesAre(t, c.crowd(t, 20), 5000)
	second, err := launch(c.file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.kill)
	second.exits(t, exitUsage)
	if !second.said("var") {
		t.Errorf("the second says %s", second.talk.String())
	}
	c.must(t, "canary", "set", "5", "--reason", "the first goes on")
	c.must(t, "audit", "verify")
}

func TestStatusCountsWhoIsStillToMove(t *testing.T) {
	c := cross(t)
	c.must(t, "phase", "set", "canary", "--reason", "begin")
	c.must(t, "canary", "set", "100", "--reason", "all")
	conns := c.crowd(t, 6)
	for _, conn := range conns[:3] {
		mustExec(t, conn, "BEGIN")
	}
	c.sidesAre(t, conns, router.Whole)
	c.must(t, "canary", "set", "0", "--reason", "back")
	if s := c.status(t); s.Sessions.Pending != 3 {
		t.Errorf("status %+v", s)
	}
	if out := c.must(t, "status"); !strings.Contains(out, "3 sessions still to move") {
		t.Errorf("status says\n%s", out)
	}
	mustExec(t, conns[0], "COMMIT")
	for _, conn := range conns[3:] {
		if got := c.side(t, conn); got != router.Source {
			t.Errorf("an idle session is answered by the %s", got)
		}
	}
	if s := c.status(t); s.Sessions.Pending != 2 {
		t.Errorf("status %+v", s)
	}
	c.must(t, "abort", "--reason", "now")
	eventually(t, "nobody is at the target", func() bool { return c.status(t).Sessions.Target == 0 })
	for _, conn := range conns[1:3] {
		if _, err := conn.Exec(t.Context(), "SELECT 1"); code(err) != "57P01" {
			t.Errorf("in a transaction: %v", err)
		}
		mustExec(t, conn, "ROLLBACK")
	}
	c.sidesAre(t, conns, 0)
	c.must(t, "audit", "verify")
}

// Whatever was acknowledged is there after kill -9; what was under way is there
// or not.
func TestAKilledProgramKeepsTheLastShare(t *testing.T) {
	c := cross(t)
	c.must(t, "phase", "set", "canary", "--reason", "begin")
	acked, n := 0.0, 0
	for round := range 5 {
		for range round {
			n++
			c.must(t, "canary", "set", fmt.Sprint(n), "--reason", "a step")
			acked = float64(n)
		}
		n++
		underWay := make(chan int, 1)
		go func() {
			_, code, _ := c.cli("canary", "set", fmt.Sprint(n), "--reason", "cut short")
			underWay <- code
		}()
		code := exitUnreachable
		if round%2 == 0 { // acknowledged, and killed at once
			code = <-underWay
		}
		c.kill()
		if round%2 != 0 {
			code = <-underWay
		}
		if code == exitDone {
			acked = float64(n)
		}
		c.child = serveFile(t, c.file)
		s := c.status(t)
		if !slices.Contains([]float64{acked, float64(n)}, s.Share) || s.Phase != "canary" {
			t.Errorf("round %d: share %v, acknowledged %v, under way %d", round, s.Share, acked, n)
		}
		acked = s.Share
		c.must(t, "audit", "verify")
	}
}
