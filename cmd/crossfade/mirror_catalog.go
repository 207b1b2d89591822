package main

import (
	"context"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/reconcile/repair"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// catalogs are what the mapping is held against, kept in the state directory:
// while the target cannot be asked after a start, writes are captured by what it
// said last, and their keys are dirty.
type catalogs struct {
	Form    int // what is read of catalogs; of another one only Lives is known
	Schemas [router.Sides]*rewrite.Schema
	Rights  map[string]map[rewrite.Name]writes.Rights // at the source, by login
	Lives   [router.Sides]shadow.Incarnation
}

const (
	catalogsFile = "catalogs"
	catalogsForm = 2
	catalogTime  = time.Minute // for both sides; 13,000 relations take eight seconds on a loaded machine
	lookTime     = 10 * time.Second
	retryEvery   = time.Second
)

// begin puts the mapping in force where the phase mirrors already, and starts
// what goes on beside the sessions.
func (m *dualWrites) begin(ctx context.Context) error {
	kept, err := m.keptCatalogs()
	if err != nil {
		m.log.Warn("the catalogs of the last life cannot be read", "error", err)
	}
	if kept != nil {
		for side := range kept.Lives {
			m.lifeOf[side].Store(&kept.Lives[side])
		}
	}
	if m.live.Snapshot().Mirrors() {
		if err := m.readCatalogs(ctx); err != nil && kept != nil && kept.Form == catalogsForm {
			m.log.Warn("the catalogs cannot be read; writes are mirrored by what they said last", "error", err)
			if err := m.adopt(kept); err != nil {
				return err
			}
			m.again()
		} else if err != nil {
			return fmt.Errorf("read the catalogs of both sides, without which nothing can be mirrored: %w", err)
		}
	}
	m.lookAround(ctx)
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.ended.Go(func() { m.watch(ctx) })
	for _, w := range m.watches {
		m.ended.Go(func() { w.run(ctx) })
		m.ended.Go(func() { w.answer(ctx) })
	}
	m.ended.Go(func() {
		if err := m.worker.Run(ctx); err != nil && ctx.Err() == nil {
			m.log.Error("the worker has ended", "error", err)
		}
	})
	return nil
}

// again asks for the catalogs to be read again.
func (m *dualWrites) again() {
	select {
	case m.stale <- struct{}{}:
	default:
	}
}

// readCatalogs reads both sides and puts what the mapping is then in force.
func (m *dualWrites) readCatalogs(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, catalogTime)
	defer cancel()
	var defined uint64
	if m.proxy != nil {
		defined = m.proxy.Defined()
	}
	c := &catalogs{Form: catalogsForm, Rights: map[string]map[rewrite.Name]writes.Rights{}}
	for side := range c.Schemas {
		if err := m.readSide(ctx, c, router.Side(side)); err != nil {
			return fmt.Errorf("%s: %w", router.Side(side), err)
		}
	}
	for side, life := range c.Lives {
		if err := m.lives(router.Side(side), life); err != nil {
			return err
		}
	}
	if err := m.keep(c); err != nil {
		m.log.Warn("the catalogs cannot be kept for the next start", "error", err)
	}
	if err := m.adopt(c); err != nil {
		return err
	}
	if m.proxy != nil {
		m.proxy.Known(defined)
	}
	return nil
}

func (m *dualWrites) readSide(ctx context.Context, c *catalogs, side router.Side) error {
	connecting, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	conn, err := m.connect(connecting, side)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if c.Schemas[side], err = schema.Load(ctx, schema.Of(conn)); err != nil {
		return err
	}
	if c.Lives[side], err = repair.Incarnation(ctx, conn); err != nil {
		return err
	}
	if side == router.Source {
		return m.readRights(ctx, c, conn)
	}
	return nil
}

// readRights reads what every login of the configuration may do at the source.
func (m *dualWrites) readRights(ctx context.Context, c *catalogs, conn *pgconn.PgConn) error {
	var names []rewrite.Name
	for name := range c.Schemas[router.Source].Tables {
		names = append(names, name)
	}
	for _, u := range m.config.Users {
		login := u.Source.User
		if c.Rights[login] != nil {
			continue
		}
		rights, err := schema.Privileges(ctx, schema.Of(conn), login, names)
		if err != nil {
			return err
		}
		c.Rights[login] = map[rewrite.Name]writes.Rights{}
		for name, r := range rights {
			c.Rights[login][name] = writes.Rights{Select: r.Select, RowSecurity: r.RowSecurity}
		}
	}
	return nil
}

// adopt holds the mapping against catalogs and puts it in force: what is new is
// dirty before any session mirrors by it.
func (m *dualWrites) adopt(c *catalogs) error {
	plan, problems := rewrite.Resolve(m.config.Mapping(), c.Schemas[router.Source], c.Schemas[router.Target], defaultsOf(m.config))
	m.problems = problems
	tables := map[string]string{}
	for _, pair := range plan.Pairs {
		tables[pair.Name()] = fingerprint(pair)
	}
	if err := m.ledger.Adopt(tables, shadow.Intent{Epoch: firstEpoch, Incarnation: c.Lives[router.Source]}); err != nil {
		return err
	}
	now := &proxy.Mapped{Plan: plan, Rights: c.Rights}
	if before := m.mapped.Load(); before == nil || !same(before, now) {
		m.mapped.Store(now)
		m.since.Store(time.Now().UnixNano())
	}
	for _, p := range problems {
		if p.Severity == rewrite.Error {
			m.log.Warn("a table is not mirrored", "table", p.Table, "check", p.Check, "why", p.Message)
		}
	}
	m.worker.Wake()
	return nil
}

// defaultsOf are what a mapping leaves out.
func defaultsOf(c *configs.Config) rewrite.Defaults {
	return rewrite.Defaults{Strict: c.Mirror.Strict, OneServer: oneDatabase(c)}
}

// same says that two plans are made of the same catalogs, rights and mapping:
// whatever decisions hang on.
func same(a, b *proxy.Mapped) bool {
	return reflect.DeepEqual(a.Rights, b.Rights) && sameSchema(a.Plan.Source, b.Plan.Source) && sameSchema(a.Plan.Target, b.Plan.Target) &&
		slices.EqualFunc(a.Plan.Pairs, b.Plan.Pairs, func(p, q *rewrite.Pair) bool {
			return p.Name() == q.Name() && fingerprint(p) == fingerprint(q) && p.Strict == q.Strict && p.Canary == q.Canary
		})
}

// sameSchema looks at everything but sizes.
func sameSchema(a, b *rewrite.Schema) bool {
	x, y := *a, *b
	x.Tables, y.Tables = nil, nil
	return reflect.DeepEqual(x, y) && maps.EqualFunc(a.Tables, b.Tables, func(s, t *rewrite.Table) bool {
		v, w := *s, *t
		v.Rows, v.Bytes, w.Rows, w.Bytes = 0, 0, 0, 0
		return reflect.DeepEqual(v, w)
	})
}

// fingerprint changes when what a table becomes at the target does.
func fingerprint(p *rewrite.Pair) string {
	var b strings.Builder
	for _, t := range p.Targets {
		fmt.Fprintf(&b, "%s %v %s;", t.Table.Name, t.Key, t.When)
		for _, a := range t.Columns {
			fmt.Fprintf(&b, "%s=%s;", a.Column.Name, a.Up)
		}
	}
	h := fnv.New128a()
	_, _ = h.Write([]byte(b.String()))
	return hex.EncodeToString(h.Sum(nil))
}

// keep writes the catalogs where the next life finds them.
func (m *dualWrites) keep(c *catalogs) error {
	path := filepath.Join(m.dir, catalogsFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(gob.NewEncoder(f).Encode(c), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (m *dualWrites) keptCatalogs() (*catalogs, error) {
	f, err := os.Open(filepath.Join(m.dir, catalogsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := &catalogs{}
	if err := gob.NewDecoder(f).Decode(c); err != nil {
		return nil, err
	}
	return c, nil
}

// watch reads the catalogs again when they have changed.
func (m *dualWrites) watch(ctx context.Context) {
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	stale := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.stale:
			stale = true
			continue // with the next beat: definitions come in numbers
		case <-ticker.C:
		}
		if !m.live.Snapshot().Mirrors() {
			continue
		}
		if stale || m.mapped.Load() == nil {
			if err := m.readCatalogs(ctx); err != nil {
				m.log.Debug("the catalogs cannot be read", "error", err)
			} else {
				stale = false
			}
		}
	}
}

// lookAround looks in which lives both sides are, if anything is mirrored. What
// cannot be reached is looked for on and on.
func (m *dualWrites) lookAround(ctx context.Context) {
	if !m.live.Snapshot().Mirrors() {
		return
	}
	for side, w := range m.watches {
		if err := w.look(ctx); err != nil {
			m.log.Debug("the life of a side is not known", "side", router.Side(side).String(), "error", err)
		}
	}
}

// fence puts the fence on both sides.
func (m *dualWrites) fence(ctx context.Context) error {
	for side := range router.Sides {
		at := router.Side(side)
		conn, err := m.connect(ctx, at)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		err = repair.Install(ctx, conn, repair.Fence{Epoch: firstEpoch, Side: router.Source, Instance: m.config.Migration.Name})
		_ = conn.Close(context.WithoutCancel(ctx))
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

var _ = configs.AuthSCRAM
