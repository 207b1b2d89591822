package drivers

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed scripts
var scripts embed.FS

// Rounds is how many rounds each script has.
const Rounds = 3

// jdbcJar is where Debian's libpostgresql-jdbc-java puts the driver.
const jdbcJar = "/usr/share/java/postgresql.jar"

// Driver is one database driver and its script.
type Driver struct {
	Name    string
	probe   []string // a command that shows that it is there; nil: compiled in
	command []string // in the directory of the scripts
	inside  script
}

// Shares says which rounds are at share 100; the others are at share 0.
type Shares [Rounds]bool

// Course is what a run goes through.
type Course struct {
	Port   int // of 127.0.0.1, where the database is, or a proxy
	Shares Shares
	// Move brings the share to 100 or to 0. It is called before the driver
	// connects and between the rounds, while its session waits. Nil: nobody.
	Move func(ctx context.Context, whole bool) error
}

// script talks to the database of a course, prints what it sees, and calls next
// at the end of each round.
type script func(ctx context.Context, c Course, out io.Writer, next func() error) error

// Pgx is the driver that needs nothing beside Go.
func Pgx() Driver { return Driver{Name: "pgx", inside: pgxScript} }

// All are the four drivers.
func All() []Driver {
	python := func(name, module, file string) Driver {
		const interpreter = "/usr/bin/python3" // the one that Debian's packages are for
		return Driver{Name: name, probe: []string{interpreter, "-c", "import " + module}, command: []string{interpreter, file}}
	}
	return []Driver{
		Pgx(),
		python("psycopg", "psycopg", "psycopg3.py"),
		python("asyncpg", "asyncpg", "asyncpg_script.py"),
		{
			Name:    "pgJDBC",
			probe:   []string{"sh", "-c", "javac -version && test -r " + jdbcJar},
			command: []string{"java", "-XX:TieredStopAtLevel=1", "-cp", jdbcJar, "Jdbc.java"},
		},
	}
}

// Find says whether the driver is there.
func (d Driver) Find(ctx context.Context) error {
	if d.probe == nil {
		return nil
	}
	if out, err := exec.CommandContext(ctx, d.probe[0], d.probe[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("find %s: run sh internal/setup/setup.sh conformance: %w: %s", d.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Round is what a driver has printed and what it was sent in one round.
type Round struct {
	Printed string
	Sent    string // one line per message; which server a row came from is left out
}

// runLimit bounds one script.
const runLimit = 2 * time.Minute

// Run runs the driver's script on one connection.
func (d Driver) Run(ctx context.Context, c Course) (_ []Round, err error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	tap, err := NewTap(ctx, c.Port)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tap.Close()) }()
	r := &running{tap: tap, course: c}
	if err := r.move(ctx); err != nil {
		return nil, err
	}
	run := d.inside
	if run == nil {
		run = d.child
	}
	c.Port = tap.Port()
	if err := run(ctx, c, &r.printed, func() error { return r.next(ctx) }); err != nil {
		return nil, fmt.Errorf("run %s: %w, after it had printed %d sections", d.Name, err, strings.Count(r.printed.String(), "== "))
	}
	if len(r.rounds) != Rounds {
		return nil, fmt.Errorf("run %s: it made %d rounds, not %d", d.Name, len(r.rounds), Rounds)
	}
	return r.rounds, nil
}

// running is a run on its way.
type running struct {
	tap     *Tap
	course  Course
	printed strings.Builder
	sent    int // bytes of earlier rounds
	rounds  []Round
}

// next ends a round: its client waits, so its server has nothing more to say.
func (r *running) next(ctx context.Context) error {
	all, err := r.tap.Bytes()
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return fmt.Errorf("it has made %d connections, not one", len(all))
	}
	sent, err := transcript(all[0][r.sent:])
	if err != nil {
		return err
	}
	r.rounds = append(r.rounds, Round{Printed: r.printed.String(), Sent: sent})
	r.printed.Reset()
	r.sent = len(all[0])
	if len(r.rounds) >= Rounds {
		return nil
	}
	return r.move(ctx)
}

// move brings the share to where the round that comes wants it.
func (r *running) move(ctx context.Context) error {
	if r.course.Move == nil {
		return nil
	}
	return r.course.Move(ctx, r.course.Shares[len(r.rounds)])
}

// child runs a script as a process, which prints "-- next" at the end of a
// round and goes on when it has read a line.
func (d Driver) child(ctx context.Context, c Course, out io.Writer, next func() error) (err error) {
	dir, err := os.MkdirTemp("", "crossfade-drivers-")
	if err != nil {
		return fmt.Errorf("make a directory for the script: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, scripts); err != nil {
		return fmt.Errorf("write the script: %w", err)
	}
	cmd := exec.CommandContext(ctx, d.command[0], d.command[1:]...)
	cmd.Dir, cmd.Env = filepath.Join(dir, "scripts"), environ(c.Port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var talk strings.Builder
	cmd.Stderr = &talk
	answers, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	printed, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	followed := follow(printed, answers, out, next)
	if followed != nil {
		_ = cmd.Cancel()
	}
	if ended := cmd.Wait(); ended != nil && followed == nil {
		return fmt.Errorf("%w: %s", ended, strings.TrimSpace(talk.String()))
	}
	return followed
}

// printedMost bounds one line that a script prints, in bytes.
const printedMost = 1 << 20

func follow(printed io.Reader, answers io.Writer, out io.Writer, next func() error) error {
	lines := bufio.NewScanner(printed)
	lines.Buffer(nil, printedMost)
	for lines.Scan() {
		if lines.Text() != "-- next" {
			if _, err := fmt.Fprintln(out, lines.Text()); err != nil {
				return err
			}
			continue
		}
		if err := next(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(answers); err != nil {
			return fmt.Errorf("let the script go on: %w", err)
		}
	}
	return lines.Err()
}

// environ is that of a script: nothing of PostgreSQL but what is said here.
func environ(port int) []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "PG") {
			env = append(env, entry)
		}
	}
	return append(env, "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(port), "PGUSER="+User, "PGPASSWORD="+Secret,
		"PGDATABASE="+Database, "PGSSLMODE=disable", "PGTZ=UTC", "TZ=UTC", "LC_ALL=C.UTF-8", "PYTHONIOENCODING=utf-8")
}
