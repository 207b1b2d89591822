package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/metrics"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/repair"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/router/live"
	"github.com/crossfade-db/crossfade/shadow"
)

// dualWrites is what mirrored writes work with: the mapping held against both
// catalogs, the journal with the ledger above it, and the worker. There is none
// without mapped tables.
type dualWrites struct {
	config *configs.Config
	live   *live.Live
	store  *state.Store
	log    *slog.Logger
	dir    string

	journal     *journal.Journal
	ledger      *reconcile.Ledger
	divergences *reconcile.Divergences
	suspicions  *reconcile.Suspicions
	coverage    *reconcile.Coverage
	evidence    reconcile.Evidence
	worker      *repair.Worker
	metrics     *metrics.Metrics

	mapped   atomic.Pointer[proxy.Mapped]
	lifeOf   [router.Sides]atomic.Pointer[shadow.Incarnation]
	living   sync.Mutex // one who notes a life
	watches  [router.Sides]*lifeWatch
	since    atomic.Int64 // when the mapping in force was put there, in nanoseconds
	lag      func(*proxy.Mapped) int
	proxy    *proxy.Server // once there is one
	stale    chan struct{} // the catalogs have to be read again
	mu       sync.Mutex    // one who reads catalogs or marks tables
	problems []rewrite.Problem
	off      atomic.Pointer[string]
	paused   atomic.Pointer[string]
	declared sync.Map // by table
	stop     context.CancelFunc
	ended    sync.WaitGroup
}

// firstEpoch is the only one there is until the authority can move.
const firstEpoch shadow.Epoch = 1

// dirtyMost is how many dirty keys of a table may be there for its reads to be
// answered by the target: none, so that whoever met a row at the source finds it.
const dirtyMost = 1

// openMirrors takes up what a former life has left: what was in doubt is dirty
// before it returns.
func (d *daemon) openMirrors(ctx context.Context) error {
	if d.first.Mapping() == nil {
		return d.forgetMapped(ctx)
	}
	m := &dualWrites{
		config: d.first, live: d.live, store: d.store, log: d.log, dir: string(d.first.State.Dir), metrics: d.metrics,
		stale: make(chan struct{}, 1), lag: func(*proxy.Mapped) int { return 1 },
	}
	durability := journal.Fsync
	if d.first.Journal.Durability == "process" {
		durability = journal.Process
	}
	j, open, err := journal.Open(filepath.Join(m.dir, "journal"), journal.Options{
		Durability: durability, Window: time.Duration(d.first.Mirror.TTL), Log: d.log, Synced: d.metrics.Synced,
	})
	if err != nil {
		return err
	}
	m.journal = j
	m.ledger, err = reconcile.OpenLedger(d.store, j, reconcile.LedgerOptions{
		Open: open, DirtyKeys: d.first.Limits.DirtyKeys, Log: d.log,
		Uncertain: func(in *shadow.Intent) { m.suspicions.Uncertain(in) },
	})
	if err != nil {
		return errors.Join(err, j.Close())
	}
	if len(open) > 0 {
		d.log.Warn("transactions were under way when the proxy ended last; their keys are looked at", "transactions", len(open))
	}
	m.divergences = reconcile.NewDivergences(d.store, reconcile.DivergenceOptions{})
	m.coverage = reconcile.OpenCoverage(d.store, reconcile.CoverageOptions{Err: func(err error) {
		d.log.Error("the coverage could not be written", "error", err)
	}})
	if m.evidence, err = evidenceOf(d.first, m.dir); err != nil {
		return err
	}
	m.suspicions, err = reconcile.OpenSuspicions(ctx, reconcile.SuspicionOptions{
		Store: d.store, Divergences: m.divergences, Ledger: m.ledger, Epoch: firstEpoch, Show: m.shown, Log: d.log,
	})
	if err != nil {
		return err
	}
	m.worker = repair.New(repair.Options{
		Plan: m.plan, Ledger: m.ledger, Connect: m.connect, Epoch: firstEpoch, Log: d.log,
		Divergences: sink{m}, Blocked: m.blocked, Quiesced: m.quiesced,
		Observe: repair.Observe{Key: func(table string, o repair.Outcome) { m.metrics.Repaired(table, o.String()) }},
	})
	m.metrics.Backlog(m.backlog, func() (int, uint64) { s := j.Stats(); return s.Open, s.Bytes })
	for side := range m.watches {
		m.watches[side] = newLifeWatch(m, router.Side(side))
	}
	d.mirrors = m
	return m.begin(ctx)
}

// forgetMapped makes tables of a former life that nobody mirrors now new again,
// should they come back: what is written meanwhile is on one side only.
func (d *daemon) forgetMapped(ctx context.Context) error {
	mapped, err := d.store.Mapped(ctx)
	if err != nil || len(mapped) == 0 {
		return err
	}
	j, open, err := journal.Open(filepath.Join(string(d.first.State.Dir), "journal"), journal.Options{Log: d.log})
	if err != nil {
		return err
	}
	l, err := reconcile.OpenLedger(d.store, j, reconcile.LedgerOptions{Open: open, Log: d.log})
	if err == nil {
		err = errors.Join(l.Adopt(nil, shadow.Intent{Epoch: firstEpoch}), l.Close())
	}
	return errors.Join(err, j.Close())
}

// attachMirrors lets operators at the mirror, and the mirror know the sessions.
func (d *daemon) attachMirrors(ctx context.Context) error {
	if d.mirrors == nil {
		return nil
	}
	d.mirrors.lag = d.proxy.Unmirrored
	d.mirrors.mu.Lock()
	d.mirrors.proxy = d.proxy
	d.mirrors.mu.Unlock()
	source, target := d.first.Source, d.first.Target
	return d.control.attach(ctx, mirror{
		Writes: d.mirrors, Worker: &workers{d.mirrors}, Differences: &differences{d.mirrors},
		Migration: d.first.Migration.Name, Source: string(source.Engine) + " " + string(source.Address), Target: string(target.Engine) + " " + string(target.Address),
	})
}

// close ends what runs, and lets the files go.
func (m *dualWrites) close() error {
	if m.stop != nil {
		m.stop()
	}
	m.ended.Wait()
	for _, w := range m.watches {
		w.close()
	}
	m.suspicions.Close()
	return errors.Join(m.coverage.Close(), m.ledger.Close(), m.journal.Close())
}

func evidenceOf(c *configs.Config, dir string) (reconcile.Evidence, error) {
	e := reconcile.Evidence{Columns: map[string]reconcile.Policy{}}
	var err error
	if e.Policy, err = reconcile.ParsePolicy(string(c.Evidence.Values)); err != nil {
		return e, err
	}
	for column, word := range c.Evidence.Columns {
		if e.Columns[column], err = reconcile.ParsePolicy(string(word)); err != nil {
			return e, err
		}
	}
	if e.Key = []byte(c.Evidence.Key.Reveal()); len(e.Key) == 0 {
		e.Key, err = reconcile.EvidenceKey(dir)
	}
	return e, err
}

// backlog is what is dirty, for the metrics.
func (m *dualWrites) backlog() []metrics.Backlog {
	var out []metrics.Backlog
	for table, c := range m.ledger.All() {
		out = append(out, metrics.Backlog{Table: table, Keys: c.Keys, Ranges: c.Ranges, Oldest: c.Oldest})
	}
	return out
}

// plan is what is mapped now; nil: nothing.
func (m *dualWrites) plan() *rewrite.Plan {
	if now := m.mapped.Load(); now != nil {
		return now.Plan
	}
	return nil
}

// connect logs in as the proxy's own user of a side.
func (m *dualWrites) connect(ctx context.Context, side router.Side) (*pgconn.PgConn, error) {
	server := m.config.Source
	if side == router.Target {
		server = *m.config.Target
	}
	at, err := sideOf(server)
	if err != nil {
		return nil, err
	}
	return schema.Connect(ctx, schema.Side{
		Network: at.Network, Address: at.Address, TLS: at.TLS, Database: server.Database,
		User: server.Service.User, Password: server.Service.Password.Reveal(), Application: "crossfade",
	})
}

// blocked names what keeps the worker from working.
func (m *dualWrites) blocked() string {
	snapshot := m.live.Snapshot()
	switch {
	case !snapshot.Mirrors():
		return "phase"
	case snapshot.Off:
		return "off"
	case snapshot.Target != router.TargetOpen:
		return "breaker"
	case m.plan() == nil:
		return "catalogs"
	default:
		return ""
	}
}

// quiescence is how long a mapping is in force before every session that was
// about to send something by an older one is seen to do so.
const quiescence = time.Second

// quiesced says that every session mirrors by the mapping in force.
func (m *dualWrites) quiesced() bool {
	since := time.Unix(0, m.since.Load())
	return m.live.Snapshot().Mirrors() && time.Since(since) > quiescence && m.lag(m.mapped.Load()) == 0
}

// options are what sessions mirror with.
func (m *dualWrites) options() *proxy.MirrorOptions {
	c := m.config
	o := &proxy.MirrorOptions{
		Journal: m.ledger, Mapped: &m.mapped, Epoch: func() shadow.Epoch { return firstEpoch },
		Incarnation: func() shadow.Incarnation { return m.life(router.Source) },
		Dialling:    m.dialling,
		Ready:       func(table string) bool { return m.ledger.Ready(table, dirtyMost) },
		Dirty:       m.ledger.Dirty,
		OneServer:   oneDatabase(c),
		Budget:      time.Duration(c.Mirror.Budget), LockTimeout: time.Duration(c.Mirror.LockTimeout),
		Wait: time.Duration(c.Canary.Wait), Rows: c.Limits.InlineRows, Bytes: inlineBytes, Frame: int(c.Limits.Frame),
		OpenFor:  [2]time.Duration{time.Duration(c.Mirror.Breaker.OpenFor[0]), time.Duration(c.Mirror.Breaker.OpenFor[1])},
		Early:    c.Mirror.Answer == "authority",
		Parse:    parse.Limits{Bytes: int(c.Limits.Parse.Bytes), Operators: c.Limits.Parse.Operators},
		Observer: m.observer(),
	}
	switch c.Migration.OnUncaptured {
	case "refuse":
		o.Uncaptured = proxy.RefuseUncaptured
	case "ignore":
		o.Uncaptured = proxy.IgnoreUncaptured
	}
	if c.Migration.OnDDL == "authority" {
		o.Definitions = proxy.AuthorityDefinition
	}
	return o
}

// inlineBytes of images are mirrored inline, of one transaction (ENGINE §6.8).
const inlineBytes = 16 << 20

func (m *dualWrites) life(side router.Side) shadow.Incarnation {
	if life := m.lifeOf[side].Load(); life != nil {
		return *life
	}
	return ""
}

// shown is a key as the evidence policy lets it be seen.
func (m *dualWrites) shown(table string, key rewrite.RowKey) string {
	if p := m.plan(); p != nil {
		for _, pair := range p.Pairs {
			if pair.Name() == table {
				return m.evidence.OfKey(table, keyColumns(pair), key)
			}
		}
	}
	return m.evidence.OfKey(table, nil, key)
}

func keyColumns(p *rewrite.Pair) []reconcile.KeyColumn {
	out := make([]reconcile.KeyColumn, 0, len(p.Key))
	for _, i := range p.Key {
		c := &p.Cells[i]
		out = append(out, reconcile.KeyColumn{Name: c.Column, Type: c.Type, Binary: c.Binary})
	}
	return out
}
