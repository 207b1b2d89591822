package repair

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// servers are shared by all tests, each of which begins with empty schemas.
var servers dbserver.Pair

func TestMain(m *testing.M) { os.Exit(withServers(m)) }

// withServers starts a source and a target where a session that asks for
// synchronous_commit = on waits for a standby that does not exist.
func withServers(m *testing.M) int {
	ctx := context.Background()
	var err error
	servers, err = dbserver.StartPair(ctx, dbserver.Options{
		Settings: map[string]string{"synchronous_standby_names": "nosuch", "synchronous_commit": "local", "max_connections": "100"},
	}, func(ctx context.Context, server *dbserver.Postgres) error {
		for _, sql := range []string{
			"CREATE ROLE service LOGIN PASSWORD 'service'", "CREATE DATABASE app", "GRANT CREATE ON DATABASE app TO service",
		} {
			if err := server.Exec(ctx, "postgres", sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the servers of the tests:", err)
		return 1
	}
	code := m.Run()
	if err := servers.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "stop the servers of the tests:", err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

func server(side router.Side) *dbserver.Postgres {
	if side == router.Source {
		return servers.Source
	}
	return servers.Target
}

// field is a source and a target database, a ledger, and a repairer whose turns
// the test takes itself.
type field struct {
	testing.TB
	database string
	plan     *rewrite.Plan
	ledger   *reconcile.Ledger
	opt      Options
	mu       sync.Mutex // of found
	found    []Divergence
	hand     lane
	life     shadow.Incarnation
}

// setup is what a field begins with.
type setup struct {
	both           string // SQL for both sides
	source, target string
	mapping        *rewrite.Mapping
	lock           time.Duration
}

func newField(t testing.TB, s setup) *field {
	t.Helper()
	f := &field{TB: t, database: "app"}
	var shapes [router.Sides]*rewrite.Schema
	for side, own := range [router.Sides]string{s.source, s.target} {
		side := router.Side(side)
		f.super(side, "DROP SCHEMA IF EXISTS public, crossfade CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO service",
			s.both, own, "GRANT ALL ON ALL TABLES IN SCHEMA public TO service")
		conn := f.dial(side, "service")
		f.must(Install(t.Context(), conn, Fence{Epoch: 1, Side: router.Source, Instance: "one"}))
		var err error
		shapes[side], err = schema.Load(t.Context(), schema.Of(conn))
		f.must(err)
		f.must(conn.Close(t.Context()))
	}
	if s.mapping == nil {
		s.mapping = &rewrite.Mapping{}
	}
	plan, problems := rewrite.Resolve(s.mapping, shapes[router.Source], shapes[router.Target], rewrite.Defaults{})
	for _, p := range problems {
		if p.Severity == rewrite.Error && !strings.HasPrefix(p.Table, "crossfade.") {
			t.Fatalf("resolve: %s %s: %s", p.Table, p.Column, p.Message)
		}
	}
	f.plan = plan
	f.openLedger()
	f.opt = Options{
		Plan: func() *rewrite.Plan { return f.plan }, Ledger: f.ledger, Epoch: 1, LockMost: s.lock,
		Connect: func(ctx context.Context, side router.Side) (*pgconn.PgConn, error) {
			return f.connect(ctx, side, "service")
		},
		Divergences: sinkFunc(func(d Divergence) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.found = append(f.found, d)
			return nil
		}),
	}
	if s.lock == 0 {
		f.opt.LockMost = 500 * time.Millisecond // schedules here have a person's pace
	}
	f.hand = f.newHand()
	f.must(f.hand.ready(t.Context()))
	f.life = f.hand.a().life
	return f
}

type sinkFunc func(Divergence) error

func (f sinkFunc) Diverge(d Divergence) error { return f(d) }

func (f *field) newHand() lane {
	w := New(f.opt)
	l := lane{worker: w, repairer: repairer{opt: w.opt}}
	f.Cleanup(func() { l.close() })
	return l
}

func (f *field) openLedger() {
	dir := f.TempDir()
	store, err := state.Open(filepath.Join(dir, "state"))
	f.must(err)
	j, open, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	f.must(err)
	f.ledger, err = reconcile.OpenLedger(store, j, reconcile.LedgerOptions{Open: open})
	f.must(err)
	f.Cleanup(func() {
		if err := f.ledger.Close(); err != nil {
			f.Error(err)
		}
		if err := j.Close(); err != nil {
			f.Error(err)
		}
		if err := store.Close(); err != nil {
			f.Error(err)
		}
	})
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *field) connect(ctx context.Context, side router.Side, user string) (*pgconn.PgConn, error) {
	if user == "service" {
		return pgconn.Connect(ctx, server(side).DSN("service", "service", f.database))
	}
	return pgconn.Connect(ctx, server(side).SuperDSN(f.database))
}

func (f *field) dial(side router.Side, user string) *pgconn.PgConn {
	f.Helper()
	conn, err := f.connect(f.Context(), side, user)
	f.must(err)
	f.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// super runs SQL as the superuser.
func (f *field) super(side router.Side, statements ...string) {
	f.Helper()
	for _, sql := range statements {
		if sql != "" {
			f.must(server(side).Exec(f.Context(), f.database, sql))
		}
	}
}

// both runs SQL on both sides.
func (f *field) both(sql string) {
	f.Helper()
	f.super(router.Source, sql)
	f.super(router.Target, sql)
}

// value is the one value that a query gives.
func (f *field) value(side router.Side, sql string) string {
	f.Helper()
	v, err := server(side).Query(f.Context(), f.database, sql)
	f.must(err)
	return v
}

// expect says what a query gives on a side.
func (f *field) expect(side router.Side, sql, want string) {
	f.Helper()
	if got := f.value(side, sql); got != want {
		f.Errorf("at the %s, %s gives %q, want %q", side, sql, got, want)
	}
}

// person is a session of somebody else.
type person struct {
	*field
	conn *pgconn.PgConn
}

func (f *field) person(side router.Side) *person {
	f.Helper()
	return &person{f, f.dial(side, "super")}
}

// writer is a session of a mirrored client at the target: it holds the fence.
func (f *field) writer() *person {
	f.Helper()
	p := f.person(router.Target)
	p.do("BEGIN", FenceLock)
	return p
}

func (p *person) do(statements ...string) {
	p.Helper()
	for _, sql := range statements {
		if _, err := p.conn.Exec(p.Context(), sql).ReadAll(); err != nil {
			p.Fatalf("%s: %v", sql, err)
		}
	}
}

func (p *person) ask(sql string) string {
	p.Helper()
	results, err := p.conn.Exec(p.Context(), sql).ReadAll()
	p.must(err)
	return string(results[0].Rows[0][0])
}

// later runs a statement that waits; the channel has its error when it is over.
func (p *person) later(sql string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := p.conn.Exec(p.Context(), sql).ReadAll()
		done <- err
	}()
	return done
}

// until waits for a query to give a value, as the server itself says.
func (f *field) until(side router.Side, sql, want string) {
	f.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	give := time.After(20 * time.Second)
	for {
		got := f.value(side, sql)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-give:
			f.Fatalf("at the %s, %s gives %q still, want %q", side, sql, got, want)
		}
	}
}

// waiting waits until a session waits for a lock, or for a standby.
func (p *person) waiting(side router.Side, what string) {
	p.Helper()
	p.until(side, fmt.Sprintf("SELECT coalesce((SELECT wait_event_type || coalesce('', wait_event) = '%s' FROM pg_stat_activity WHERE pid = %d), false)",
		what, p.conn.PID()), "t")
}

// key is a row key of one number.
func key(n int) rewrite.RowKey {
	return rewrite.KeyFrom([][]byte{{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}})
}

// dirty makes keys of a table dirty, by a transaction of the source; 0: by none.
func (f *field) dirty(table string, id string, why shadow.Cause, keys ...rewrite.RowKey) {
	f.Helper()
	in := shadow.Intent{Epoch: 1, Tables: []shadow.TableKeys{{Table: table, Keys: keys}}}
	if id != "" {
		n, err := strconv.ParseUint(id, 10, 64)
		f.must(err)
		in.TxID, in.Incarnation = shadow.TxID(n), f.life
	}
	f.must(f.ledger.Mark(&in, why))
}

// turn repairs all keys that may be taken now, and tells what became of them.
func (f *field) turn() map[rewrite.RowKey]Outcome {
	f.Helper()
	out := map[rewrite.RowKey]Outcome{}
	f.hand.opt.Observe.Key = func(string, Outcome) {}
	keys := f.ledger.TakeKeys(takeMost, nil)
	var done []repaired
	for _, k := range keys {
		rep, err := f.hand.repairKey(f.Context(), k)
		if err != nil {
			f.ledger.Release(k)
			f.Fatal(err)
		}
		if rep.err != nil {
			f.Logf("%s: %v", rep.outcome, rep.err)
		}
		out[k.Key] = rep.outcome
		done = append(done, repaired{DirtyKey: k, report: rep})
	}
	f.hand.settle(done)
	return out
}

// one repairs the one key that is dirty.
func (f *field) one(want Outcome) {
	f.Helper()
	out := f.turn()
	if len(out) != 1 {
		f.Fatalf("%d keys were dirty, want 1", len(out))
	}
	for _, got := range out {
		if got != want {
			f.Fatalf("the outcome is %s, want %s", got, want)
		}
	}
}

// inTheEnd the one key that is dirty has that outcome, after locks that were
// not had.
func (f *field) inTheEnd(want Outcome) {
	f.Helper()
	for {
		for _, got := range f.turn() {
			switch got {
			case want:
				return
			case Busy, Broken:
			default:
				f.Fatalf("the outcome is %s, want %s", got, want)
			}
		}
	}
}

// clean says that nothing is dirty any more.
func (f *field) clean() {
	f.Helper()
	for table, c := range f.ledger.All() {
		if c.Keys != 0 || c.Ranges != 0 {
			f.Errorf("%s has %d dirty keys and %d dirty ranges", table, c.Keys, c.Ranges)
		}
	}
}

// same says that a query gives the same on both sides.
func (f *field) same(sql string) {
	f.Helper()
	a, b := f.value(router.Source, sql), f.value(router.Target, sql)
	if a != b {
		f.Errorf("%s gives %.300q at the source and %.300q at the target", sql, a, b)
	}
}

// at runs something at one point of the next repair.
func (f *field) at(point string, do func()) {
	f.hand.hook = func(hit string) {
		if hit == point {
			f.hand.hook = nil
			do()
		}
	}
}
