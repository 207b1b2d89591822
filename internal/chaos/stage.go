package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/failpoint"
)

// stage is what plays: two servers, the proxy between them and its clients, and
// the directory of its failpoints.
type stage struct {
	dir      string // of everything here
	binary   string
	configs  []string
	points   string // control directory of the failpoints
	addr     string // of the proxy, for clients
	door     door
	pair     dbserver.Pair
	password string
	stray    bool   // the planted write has been tried
	seen     uint64 // the newest divergence that was looked at
	lives    lives  // of the proxy
}

// lives are those of the proxy.
type lives struct {
	mu    sync.Mutex
	proxy *child // the present one
	count int
}

const (
	database     = "chaos"
	clientLogin  = "app"
	serviceLogin = "service"
)

// serverSettings let a session ask for a commit that waits for a standby, and
// all others not: with synchronous_standby_names set, 'on' waits.
var serverSettings = map[string]string{"synchronous_commit": "local", "log_min_messages": "warning"}

// openStage builds the proxy, starts the servers and then the proxy.
func openStage(ctx context.Context, binary string) (*stage, error) {
	st := &stage{password: "chaos", binary: binary}
	if err := st.open(ctx); err != nil {
		return nil, errors.Join(err, st.close(false))
	}
	return st, nil
}

func (st *stage) open(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if st.dir, err = os.MkdirTemp("", "crossfade-chaos-"); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	st.points = filepath.Join(st.dir, "points")
	if err := os.Mkdir(st.points, 0o700); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	if err := st.build(ctx, root); err != nil {
		return err
	}
	st.pair, err = dbserver.StartPair(ctx, dbserver.Options{Settings: serverSettings}, st.prepare)
	if err != nil {
		return err
	}
	if err := st.fill(ctx); err != nil {
		return err
	}
	if err := st.configure(ctx); err != nil {
		return err
	}
	return st.startProxy()
}

// build compiles crossfade with its failpoints, unless there is one.
func (st *stage) build(ctx context.Context, root string) error {
	if st.binary != "" {
		return nil
	}
	st.binary = filepath.Join(st.dir, "crossfade")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "failpoints", "-o", st.binary, "./cmd/crossfade")
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build crossfade: %w: %s", err, lastLines(output))
	}
	return nil
}

func (st *stage) prepare(ctx context.Context, s *dbserver.Postgres) error {
	for _, sql := range []string{
		"CREATE ROLE " + clientLogin + " LOGIN PASSWORD '" + st.password + "'",
		"CREATE ROLE " + serviceLogin + " LOGIN SUPERUSER PASSWORD '" + st.password + "'",
		"CREATE DATABASE " + database + " OWNER " + clientLogin,
	} {
		if err := s.Exec(ctx, "postgres", sql); err != nil {
			return err
		}
	}
	return nil
}

// fill makes the tables; those of the target are empty.
func (st *stage) fill(ctx context.Context) error {
	const grants = "GRANT ALL ON SCHEMA public TO app; GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app"
	if err := st.pair.Source.Exec(ctx, database, sourceTables+grants); err != nil {
		return fmt.Errorf("make the source's tables: %w", err)
	}
	if err := st.pair.Target.Exec(ctx, database, targetTables+grants); err != nil {
		return fmt.Errorf("make the target's tables: %w", err)
	}
	return nil
}

const configText = `listeners: [{name: app, address: %q}]
admin: {address: %q}
source: {address: %q, database: %[8]s, service: {user: %[7]s, password: "env:CHAOS_PASSWORD"}}
target: {address: %[4]q, database: %[8]s, service: {user: %[7]s, password: "env:CHAOS_PASSWORD"}}
users: [{name: %[6]s, password: "env:CHAOS_PASSWORD"}]
state: {dir: %[5]q}
evidence: {values: show}
mirror: {answer: %[10]s}
migration:
  name: chaos
  tables: %[9]s
`

// answers are what mirror.answer is, in turn, in the lives of the proxy.
var answers = [...]string{"both", "authority"}

// configure makes the proxy's configurations, with addresses that stay through all
// of its lives.
func (st *stage) configure(ctx context.Context) error {
	var admin string
	var err error
	if st.addr, err = freeAddr(ctx); err != nil {
		return err
	}
	if admin, err = freeAddr(ctx); err != nil {
		return err
	}
	state := filepath.Join(st.dir, "var")
	st.door = newDoor(st.binary, admin, state)
	for _, answer := range answers {
		file := filepath.Join(st.dir, "crossfade-"+answer+".yaml")
		text := fmt.Sprintf(configText, st.addr, admin, st.pair.Source.Addr(), st.pair.Target.Addr(), state, clientLogin, serviceLogin, database, migration, answer)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write crossfade's configuration: %w", err)
		}
		st.configs = append(st.configs, file)
	}
	return nil
}

// startProxy begins the next life of the proxy.
func (st *stage) startProxy() error {
	l := &st.lives
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	cmd := exec.Command(st.binary, "serve", "-c", st.configs[l.count%len(answers)])
	cmd.Env = append(os.Environ(), "CHAOS_PASSWORD="+st.password, "CROSSFADE_FAILPOINTS="+st.points)
	c, err := startChild(cmd, filepath.Join(st.dir, "proxy-"+strconv.Itoa(l.count)+".log"))
	if err != nil {
		return err
	}
	l.proxy = c
	return nil
}

// alive is the proxy's present life.
func (st *stage) alive() *child {
	st.lives.mu.Lock()
	defer st.lives.mu.Unlock()
	return st.lives.proxy
}

// clientDSN leads through the proxy, directDSN past it.
func (st *stage) clientDSN(application string) string {
	return "postgres://" + clientLogin + ":" + st.password + "@" + st.addr + "/" + database + "?sslmode=disable&application_name=" + application
}

func (st *stage) directDSN(s *dbserver.Postgres, application string) string {
	return s.DSN(clientLogin, st.password, database) + "&application_name=" + application
}

// look opens a connection of ours to a server, past the proxy, on which values
// look the same on both.
func (st *stage) look(ctx context.Context, s *dbserver.Postgres) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, s.SuperDSN(database)+"&timezone=UTC&datestyle=ISO&extra_float_digits=3&application_name=oracle")
	if err != nil {
		return nil, fmt.Errorf("connect past the proxy: %w", err)
	}
	return conn, nil
}

// close ends all processes, and removes the directory unless it is to be kept.
func (st *stage) close(keep bool) error {
	var errs []error
	if c := st.alive(); c != nil && !c.ended() {
		errs = append(errs, c.stop())
	}
	if keep {
		errs = append(errs, st.keepLogs())
		fmt.Println("the logs are in", st.dir)
	}
	for _, s := range st.servers() {
		errs = append(errs, s.Continue())
	}
	errs = append(errs, st.pair.Stop(context.Background()))
	if !keep && st.dir != "" {
		errs = append(errs, os.RemoveAll(st.dir))
	}
	return errors.Join(errs...)
}

func (st *stage) servers() []*dbserver.Postgres {
	if st.pair.Source == nil {
		return nil
	}
	return []*dbserver.Postgres{st.pair.Source, st.pair.Target}
}

func (st *stage) keepLogs() error {
	for i, s := range st.servers() {
		log, err := s.Log()
		if err != nil {
			return err
		}
		name := []string{"source.log", "target.log"}[i]
		if err := os.WriteFile(filepath.Join(st.dir, name), []byte(log), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// hits counts how often each failpoint was met, from its file.
func (st *stage) hits() map[string]int64 {
	out := map[string]int64{}
	for _, point := range failpoint.Points() {
		if info, err := os.Stat(filepath.Join(st.points, "count-"+point)); err == nil {
			out[point] = info.Size()
		}
	}
	return out
}

// arm lets one hit of a point end the proxy, and disarm takes that back.
func (st *stage) arm(point string) error {
	return os.WriteFile(filepath.Join(st.points, "kill-"+point), nil, 0o600)
}

func (st *stage) disarm(point string) error {
	err := os.Remove(filepath.Join(st.points, "kill-"+point))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// delay makes each hit of a point wait; "" ends that.
func (st *stage) delay(point, text string) error {
	file := filepath.Join(st.points, "delay-"+point)
	if text == "" {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	draft := filepath.Join(st.dir, "draft")
	if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, file)
}
