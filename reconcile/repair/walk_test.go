package repair

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// walked makes all of a table dirty by no transaction.
func (f *field) walked(table string, why shadow.Cause) {
	f.Helper()
	f.must(f.ledger.MarkRange(table, "", "", shadow.Intent{Epoch: 1}, why))
}

func TestAWalkFillsAnEmptyTable(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 5000) n")
	f.walked("public.t", shadow.CauseNew)
	var chunks, rows atomic.Int64
	f.opt.Observe.Chunk = func(_ string, n, _ int, _ time.Duration) { chunks.Add(1); rows.Add(int64(n)) }
	f.drain()
	f.same(whole)
	if rows.Load() != 5000 || chunks.Load() < 2 {
		t.Errorf("%d rows in %d chunks", rows.Load(), chunks.Load())
	}
	if len(f.found) != 0 {
		t.Errorf("%d divergences of a table that was never copied", len(f.found))
	}
}

func TestAWalkFindsWhatDiffers(t *testing.T) {
	for name, id := range map[string]string{"numbers": "id int PRIMARY KEY", "texts that sort otherwise": "id text PRIMARY KEY", "two columns": "id int, x int DEFAULT 1, PRIMARY KEY (x, id)"} {
		t.Run(name, func(t *testing.T) {
			f := newField(t, setup{both: "CREATE TABLE t (" + id + ", v int)"})
			f.both("INSERT INTO t (id, v) SELECT n, n FROM generate_series(1, 1000) n")
			f.super(router.Source, "UPDATE t SET v = 0 WHERE id IN ('7', '700')", "DELETE FROM t WHERE id IN ('1', '500', '1000')",
				"INSERT INTO t (id, v) VALUES ('0', 1), ('2000', 2)")
			f.walked("public.t", shadow.CauseRequested)
			f.drain()
			f.same(whole)
			kinds := map[Kind]int{}
			for _, d := range f.found {
				if d.State == Repaired {
					kinds[d.Kind]++
				}
			}
			if kinds[Missing] != 2 || kinds[Extra] != 3 || kinds[Value] != 2 {
				t.Errorf("found %v, want 2 missing, 3 extra, 2 of other value", kinds)
			}
		})
	}
}

func TestAWalkLeavesWhatIsEqualAlone(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.both("INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n")
	const rows = "SELECT md5(string_agg(xmin || ' ' || id, ',' ORDER BY id)) FROM t"
	before := f.value(router.Target, rows)
	f.walked("public.t", shadow.CauseRequested)
	f.drain()
	f.expect(router.Target, rows, before)
}

func TestAWalkWaitsForTransactionsOlderThanItsMark(t *testing.T) {
	f := newField(t, setup{both: plain})
	client := f.person(router.Source)
	client.do("BEGIN", "INSERT INTO t VALUES (1, 1)")
	f.walked("public.t", shadow.CauseNew)
	for range 3 {
		f.step()
	}
	if f.hand.reason != "transactions" {
		t.Errorf("the walk waits for %q", f.hand.reason)
	}
	client.do("COMMIT")
	f.drain()
	f.same(whole)
}

func TestAWalkWaitsForWritersOfTheTargetThatAreOlder(t *testing.T) {
	f := newField(t, setup{both: plain})
	// Its insert is committed at the source and not yet here; then an uncaptured
	// delete makes the table dirty.
	late := f.writer()
	late.do("INSERT INTO t VALUES (1, 1)")
	f.walked("public.t", shadow.CauseUncaptured)
	for range 5 {
		f.step()
	}
	if f.hand.reason != "writers" {
		t.Errorf("the walk waits for %q", f.hand.reason)
	}
	late.do("COMMIT")
	f.drain()
	f.expect(router.Target, "SELECT count(*) FROM t", "0")
}

func TestAWalkWaitsUntilEverySessionMirrors(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 1)")
	f.walked("public.t", shadow.CauseNew)
	f.hand.opt.Quiesced = func() bool { return false }
	f.step()
	if f.hand.reason != "sessions" {
		t.Errorf("the walk waits for %q", f.hand.reason)
	}
}

// step takes one turn of a walk.
func (f *field) step() {
	f.Helper()
	_, err := f.hand.step(f.Context())
	f.must(err)
}

func TestLockedRowsAreLeftBehindAndNotWaitedFor(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
	f.walked("public.t", shadow.CauseRequested)
	client := f.person(router.Source)
	client.do("BEGIN", "SELECT FROM t WHERE id IN (3, 10) FOR UPDATE")
	for range 4 {
		f.step()
	}
	c := f.ledger.Counts("public.t")
	f.expect(router.Target, "SELECT count(*) FROM t", "8")
	if c.Ranges != 0 || c.Keys < 2 {
		t.Errorf("%d ranges and %d keys are dirty", c.Ranges, c.Keys)
	}
	client.do("COMMIT")
	f.drain()
	f.same(whole)
}

func TestAChunkLocksItsRowsUntilTheTargetHasThem(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
	f.walked("public.t", shadow.CauseNew)
	client := f.person(router.Source)
	var done <-chan error
	f.at(failpoint.RepairWritten, func() {
		done = client.later("UPDATE t SET v = 0 WHERE id = 5")
		client.waiting(router.Source, "Lock")
	})
	for range 4 {
		f.step()
	}
	f.must(<-done)
	f.expect(router.Target, "SELECT v FROM t WHERE id = 5", "5")
}

func TestAFrozenWalkNeitherHoldsTheSourceNorWritesWhatItReadThere(t *testing.T) {
	f := newField(t, setup{both: plain, lock: 25 * time.Millisecond})
	f.both("INSERT INTO t SELECT n, n FROM generate_series(1, 10) n")
	f.super(router.Source, "UPDATE t SET v = 1")
	f.walked("public.t", shadow.CauseRequested)
	client := f.person(router.Source)
	f.at(failpoint.RepairWritten, func() {
		f.must(<-client.later("UPDATE t SET v = 2"))
	})
	for f.hand.hook != nil || f.hand.walk == nil {
		f.step()
	}
	f.expect(router.Target, "SELECT count(*) FROM t WHERE v = 1 AND id > 1", "0")
	f.hand.leave()
	f.drain()
	f.same(whole)
}

func TestRowsThatTheTargetRefusesDoNotStopAWalk(t *testing.T) {
	f := newField(t, setup{both: plain, target: "ALTER TABLE t ADD CHECK (v <> 77)"})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 300) n")
	f.walked("public.t", shadow.CauseNew)
	for f.ledger.Counts("public.t").Ranges > 0 {
		f.hand.opt.Ledger = f.ledger
		_, _, err := f.hand.turn(t.Context())
		f.must(err)
	}
	f.expect(router.Target, "SELECT count(*) FROM t", "299")
	for len(f.found) == 0 {
		_, _, err := f.hand.turn(t.Context())
		f.must(err)
	}
	f.rejected("23514", "t_v_check")
}

func TestParentsAreWalkedFirst(t *testing.T) {
	f := newField(t, setup{both: "CREATE TABLE z (id int PRIMARY KEY); CREATE TABLE a (id int PRIMARY KEY, z int REFERENCES z)"})
	f.super(router.Source, "INSERT INTO z SELECT generate_series(1, 500)", "INSERT INTO a SELECT n, n FROM generate_series(1, 500) n")
	f.walked("public.a", shadow.CauseNew)
	f.walked("public.z", shadow.CauseNew)
	var mu sync.Mutex
	var order []string
	f.opt.Observe.Chunk = func(table string, _, _ int, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, table)
	}
	single := 0
	f.opt.Observe.Key = func(string, Outcome) { mu.Lock(); defer mu.Unlock(); single++ }
	f.drain()
	f.same("SELECT count(*) FROM a")
	if single != 0 {
		t.Errorf("%d rows were repaired by themselves", single)
	}
	if got := strings.Join(order, " "); strings.Contains(got, "public.a public.z") {
		t.Errorf("chunks were of %s", got)
	}
}

func TestAConditionalTargetHasOnlyItsRows(t *testing.T) {
	m := &rewrite.Mapping{Tables: []rewrite.TableMap{{
		Source: rewrite.Name{Schema: "public", Name: "t"},
		Targets: []rewrite.TargetMap{
			{Target: rewrite.Name{Schema: "public", Name: "t"}},
			{Target: rewrite.Name{Schema: "public", Name: "big"}, When: "v > 500", Key: []rewrite.KeyMap{{Target: "id", Source: "id"}}},
		},
		Columns: []rewrite.ColumnMap{{Source: "id", Target: "t.id"}, {Source: "v", Target: "t.v"}, {Source: "v", Target: "big.v"}},
	}}}
	f := newField(t, setup{both: plain, target: "CREATE TABLE big (id int PRIMARY KEY, v int)", mapping: m})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n")
	f.super(router.Target, "INSERT INTO big SELECT n, 1 FROM generate_series(400, 600) n")
	f.walked("public.t", shadow.CauseRequested)
	f.drain()
	f.same(whole)
	f.expect(router.Target, "SELECT count(*) || ' ' || min(id) || ' ' || bool_and(v = id) FROM big", "500 501 true")

	// A key of it, with another session's insert in the way.
	late := f.writer()
	late.do("INSERT INTO big VALUES (3, 3)")
	f.dirty("public.t", "", shadow.CauseRequested, key(3))
	f.hand.opt.LockMost = 25 * time.Millisecond
	f.one(Unproven)
	late.do("COMMIT")
	f.one(Wrote)
	f.expect(router.Target, "SELECT count(*) FROM big WHERE id = 3", "0")
}

// mirror is a client whose writes are mirrored in the order of DESIGN §4.
type mirror struct {
	*field
	sides [router.Sides]*pgconn.PgConn
	table string
}

func (f *field) mirror(ctx context.Context) (*mirror, error) {
	m := &mirror{field: f}
	for side := range m.sides {
		conn, err := f.connect(ctx, router.Side(side), "super")
		if err != nil {
			return nil, err
		}
		m.sides[side] = conn
	}
	return m, nil
}

func (m *mirror) close() {
	for _, conn := range m.sides {
		_ = conn.Close(context.Background())
	}
}

func (m *mirror) run(ctx context.Context, side router.Side, sql string) (int64, error) {
	results, err := m.sides[side].Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return results[len(results)-1].CommandTag.RowsAffected(), nil
}

// write does one random write; what fails at the target becomes dirty.
func (m *mirror) write(ctx context.Context, r *rand.Rand) error {
	id, v := r.IntN(2000)+1, r.IntN(1000)
	texts := [][2]string{
		{fmt.Sprintf("INSERT INTO t VALUES (%d, %d) ON CONFLICT (id) DO UPDATE SET v = excluded.v", id, v), ""},
		{fmt.Sprintf("UPDATE t SET v = %d WHERE id = %d", v, id), fmt.Sprintf("INSERT INTO t VALUES (%d, %d) ON CONFLICT (id) DO UPDATE SET v = excluded.v", id, v)},
		{fmt.Sprintf("DELETE FROM t WHERE id = %d", id), fmt.Sprintf("INSERT INTO t VALUES (%d, 0) ON CONFLICT (id) DO UPDATE SET v = 0; DELETE FROM t WHERE id = %d", id, id)},
	}
	text := texts[r.IntN(3)]
	if text[1] == "" {
		text[1] = text[0]
	}
	if _, err := m.run(ctx, router.Source, "BEGIN"); err != nil {
		return err
	}
	n, err := m.run(ctx, router.Source, text[0])
	if err != nil || n == 0 {
		_, _ = m.run(ctx, router.Source, "ROLLBACK")
		return err
	}
	id64, err := m.sides[0].Exec(ctx, "SELECT txid_current()").ReadAll()
	if err != nil {
		return err
	}
	mirrored := r.IntN(10) > 0
	if mirrored {
		_, err = m.run(ctx, router.Target, "BEGIN; SET LOCAL lock_timeout = '100ms'; "+FenceLock+"; "+text[1])
		mirrored = err == nil
	}
	if !mirrored {
		_, _ = m.run(ctx, router.Target, "ROLLBACK")
		in := shadow.Intent{Epoch: 1, Incarnation: m.life, Tables: []shadow.TableKeys{{Table: "public.t", Keys: []rewrite.RowKey{key(id)}}}}
		if _, err := fmt.Sscan(string(id64[0].Rows[0][0]), &in.TxID); err != nil {
			return err
		}
		if err := m.ledger.Mark(&in, shadow.CauseFailed); err != nil {
			return err
		}
	}
	if _, err := m.run(ctx, router.Source, "COMMIT"); err != nil {
		return err
	}
	if mirrored {
		_, err = m.run(ctx, router.Target, "COMMIT")
	}
	return err
}

func TestAWalkAmongWritersEndsEqual(t *testing.T) {
	f := newField(t, setup{both: plain, lock: 25 * time.Millisecond})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 2000) n")
	f.walked("public.t", shadow.CauseNew)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var writes atomic.Int64
	for seed := range 4 {
		m, err := f.mirror(t.Context())
		f.must(err)
		writers.Go(func() {
			defer m.close()
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			for ctx.Err() == nil {
				if err := m.write(context.WithoutCancel(ctx), r); err != nil {
					t.Error(err)
					return
				}
				writes.Add(1)
			}
		})
	}
	o := f.opt
	o.Divergences = nil
	w := New(o)
	runCtx, end := context.WithTimeout(t.Context(), 60*time.Second)
	done := make(chan error, 1)
	go func() { done <- w.Run(runCtx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	for kills := 0; runCtx.Err() == nil && (f.ledger.Counts("public.t").Ranges > 0 || writes.Load() < 1500); {
		<-tick.C
		if kills < 5 && writes.Load() > int64(kills+1)*100 {
			kills++
			side := router.Side(kills % 2)
			f.super(side, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'service' AND datname = current_database()")
		}
	}
	tick.Stop()
	stop()
	writers.Wait()
	end()
	f.must(<-done)
	t.Logf("%d writes, %+v", writes.Load(), w.Status())
	f.drain()
	f.same(whole)
	f.expect(router.Source, "SELECT count(*) > 0 FROM t", "t")
}

func TestAWalkGoesOnWhereItEnded(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 3000) n")
	f.walked("public.t", shadow.CauseNew)
	for f.hand.walk == nil || f.hand.walk.rng.Low == "" {
		f.step()
	}
	f.hand.leave()
	ranges := f.ledger.Ranges("public.t")
	if len(ranges) != 1 || ranges[0].Low == "" || ranges[0].Mark.Until == reconcile.Unknown {
		t.Fatalf("the ranges are %+v", ranges)
	}
	var rows atomic.Int64
	f.opt.Observe.Chunk = func(_ string, n, _ int, _ time.Duration) { rows.Add(int64(n)) }
	f.drain()
	f.same(whole)
	if rows.Load() >= 3000 {
		t.Errorf("%d rows were copied again", rows.Load())
	}
}
