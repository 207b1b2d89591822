package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// ledger is a journal in memory that remembers how each intent ended.
type ledger struct {
	mu      sync.Mutex
	all     []*intended
	refuses error
}

type intended struct {
	*shadow.Intent
	l       *ledger
	settled bool
	outcome shadow.Outcome
	cause   shadow.Cause
}

func (i *intended) Wait() error { return i.l.refuses }

func (l *ledger) Intend(in *shadow.Intent) shadow.Ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := &intended{Intent: in, l: l}
	l.all = append(l.all, i)
	return i
}

func (l *ledger) Settle(t shadow.Ticket, outcome shadow.Outcome, cause shadow.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := t.(*intended)
	i.settled, i.outcome, i.cause = true, outcome, cause
}

func (l *ledger) Mark(*shadow.Intent, shadow.Cause) error { return errors.ErrUnsupported }

// intents is how many there were.
func (l *ledger) intents() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// dirty are the tables with keys, or as a whole, that an outcome has left dirty.
func (l *ledger) dirty() (keys map[string]int, whole []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys = map[string]int{}
	for _, i := range l.all {
		if !i.settled {
			whole = append(whole, "unsettled")
		}
		if i.outcome == shadow.Both || i.outcome == shadow.Neither {
			continue
		}
		for _, t := range i.Tables {
			if t.Whole {
				whole = append(whole, t.Table)
			}
			keys[t.Table] += len(t.Keys)
		}
	}
	return keys, whole
}

// isDirty says that a row is dirty, alone or with its table.
func (l *ledger) isDirty(table string, key rewrite.RowKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.all {
		if !i.settled || i.outcome == shadow.Both || i.outcome == shadow.Neither {
			continue
		}
		for _, t := range i.Tables {
			if t.Table == table && (t.Whole || slices.Contains(t.Keys, key)) {
				return true
			}
		}
	}
	return false
}

// mirrored is a proxy that mirrors a database of its own on the pair.
type mirrored struct {
	*shared
	servers  dbserver.Pair
	database string
	journal  *ledger
	seen     map[writes.Why]int
	refused  []string
	missed   atomic.Uint64 // deletes that met no row and took their key
	effects  []string      // rows that the target did not have, by table and key
	mapped   atomic.Pointer[Mapped]
	direct   [router.Sides]*pgx.Conn
}

const epochTable = `CREATE SCHEMA crossfade; CREATE TABLE crossfade.epoch (one boolean PRIMARY KEY DEFAULT true CHECK (one),
	epoch bigint NOT NULL, side text NOT NULL, instance text NOT NULL, since timestamptz NOT NULL DEFAULT now());
	INSERT INTO crossfade.epoch VALUES (true, 1, 'source', 'test'); GRANT USAGE ON SCHEMA crossfade TO PUBLIC; GRANT SELECT ON crossfade.epoch TO PUBLIC`

var databases atomic.Int32

// newMirrored makes a database with the statements on both sides and a proxy
// that mirrors it; m nil maps what has the same name.
func newMirrored(t testing.TB, source, target []string, m *rewrite.Mapping, change func(*Options)) *mirrored {
	t.Helper()
	n := &mirrored{servers: pair}
	n.begin(t, [router.Sides][]string{source, append(slices.Clip(target), epochTable)}, change)
	n.load(t, m)
	return n
}

// begin makes the databases and the proxy; what is mapped is put there later.
func (n *mirrored) begin(t testing.TB, statements [router.Sides][]string, change func(*Options)) {
	t.Helper()
	n.journal, n.seen, n.database = &ledger{}, map[writes.Why]int{}, fmt.Sprintf("mirror%d", databases.Add(1))
	for side, p := range sidesOf(n.servers) {
		if side == 0 || p != n.servers.Source {
			n.create(t, p, statements[side])
		}
		n.direct[side] = n.dial(t, p.Addr())
	}
	n.shared = newShared(t, func(o *Options) {
		for side, p := range sidesOf(n.servers) {
			o.Live.Sides[side] = Side{Network: "tcp", Address: p.Addr()}
		}
		o.Mirror = &MirrorOptions{
			Journal: n.journal, Mapped: &n.mapped, Epoch: func() shadow.Epoch { return 1 },
			Incarnation: func() shadow.Incarnation { return "test" }, Ready: func(string) bool { return true },
			Dirty:  n.journal.isDirty,
			Budget: 5 * time.Second, LockTimeout: 2 * time.Second, Wait: time.Second, Rows: 10_000, Bytes: 16 << 20, Frame: 64 << 20,
			Parse: parse.Limits{Bytes: 64 << 10, Operators: 1000},
			Observer: MirrorObserver{
				Uncaptured: func(why writes.Why) { n.note(func() { n.seen[why]++ }) },
				Missed: func(followed bool) {
					if !followed {
						t.Error("a delete met no row and its key was not taken")
					}
					n.missed.Add(1)
				},
				Effect: func(table string, key rewrite.RowKey, _ shadow.TxID) {
					n.note(func() { n.effects = append(n.effects, table+" "+string(key)) })
				},
				Refused: func(code string) { n.note(func() { n.refused = append(n.refused, code) }) },
			},
		}
		o.Live.Users["app"].Logins[router.Target] = o.Live.Users["app"].Logins[router.Source]
		if change != nil {
			change(o)
		}
	})
	n.shared.change(func(p *router.Snapshot) {
		p.Phase, p.Mapped, p.Writes = router.Mirror, true, router.WritesUnset
	})
}

func (n *mirrored) create(t testing.TB, p *dbserver.Postgres, statements []string) {
	t.Helper()
	if err := p.Exec(t.Context(), "postgres", "CREATE DATABASE "+n.database); err != nil {
		t.Fatal(err)
	}
	for _, sql := range statements {
		if err := p.Exec(t.Context(), n.database, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func (n *mirrored) dial(t testing.TB, addr string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig("sslmode=disable user=app database=" + n.database)
	if err != nil {
		t.Fatal(err)
	}
	config.Password = appPassword
	host, port, _ := strings.Cut(addr, ":")
	config.Host = host
	if _, err := fmt.Sscan(port, &config.Port); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// client is a session through the proxy.
func (n *mirrored) client(t testing.TB) *pgx.Conn { return n.dial(t, n.addr) }

// load holds the mapping against the catalogs.
func (n *mirrored) load(t testing.TB, m *rewrite.Mapping) {
	t.Helper()
	if m == nil {
		m = &rewrite.Mapping{}
	}
	var schemas [router.Sides]*rewrite.Schema
	for side, c := range n.direct {
		s, err := schema.Load(t.Context(), schema.Of(c.PgConn()))
		if err != nil {
			t.Fatal(err)
		}
		schemas[side] = s
	}
	plan, problems := rewrite.Resolve(m, schemas[0], schemas[1], rewrite.Defaults{})
	for _, p := range problems {
		if p.Severity == rewrite.Error {
			t.Logf("mapping: %s %s.%s: %s", p.Check, p.Table, p.Column, p.Message)
		}
	}
	n.put(plan)
}

// put puts a plan in force.
func (n *mirrored) put(plan *rewrite.Plan) {
	rights := map[rewrite.Name]writes.Rights{}
	for name := range plan.Source.Tables {
		rights[name] = writes.Rights{Select: true}
	}
	n.mapped.Store(&Mapped{Plan: plan, Rights: map[string]map[rewrite.Name]writes.Rights{"app": rights}})
}

// rows is a query's result at a side, one line per row.
func (n *mirrored) rows(t testing.TB, side router.Side, sql string) []string {
	t.Helper()
	got, err := n.direct[side].Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(got, func(r pgx.CollectableRow) (string, error) {
		var line strings.Builder
		for _, v := range r.RawValues() {
			if v == nil {
				line.WriteString("∅|")
				continue
			}
			line.Write(v)
			line.WriteByte('|')
		}
		return line.String(), nil
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

// equal says that both sides have the same rows.
func (n *mirrored) equal(t testing.TB, tables ...string) {
	t.Helper()
	for _, table := range tables {
		sql := "SELECT * FROM " + table + " ORDER BY 1"
		source, target := n.rows(t, router.Source, sql), n.rows(t, router.Target, sql)
		if !slices.Equal(source, target) {
			t.Errorf("%s differs: %d rows and %d", table, len(source), len(target))
			for i := range max(len(source), len(target)) {
				left, right := "nothing", "nothing"
				if i < len(source) {
					left = source[i]
				}
				if i < len(target) {
					right = target[i]
				}
				if left != right {
					t.Errorf("first at row %d:\nsource %.200s\ntarget %.200s", i, left, right)
					break
				}
			}
		}
	}
}

// clean says that nothing is dirty and nothing unsettled.
func (n *mirrored) clean(t testing.TB) {
	t.Helper()
	keys, whole := n.journal.dirty()
	if len(whole) > 0 || len(keys) > 0 {
		t.Errorf("dirty: keys %v, tables %v; the target has refused %v", keys, whole, n.refused)
	}
}
