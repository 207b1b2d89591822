package main

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/reconcile/schema"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// mappingTime bounds all of a check with --mapping, and countTime one statement
// of it; what takes longer is told from a sample.
const (
	mappingTime = 15 * time.Minute
	countTime   = 30 * time.Second
)

// mappingProof holds a mapping against both databases.
type mappingProof struct {
	config  *configs.Config
	mapping *rewrite.Mapping
	plan    *rewrite.Plan
	source  *mappedSide
	target  *mappedSide
	result  *findings
	counted map[countedReason]bool // what the source has counted in all rows
	reasons map[string][]string    // of tables, why writes of theirs are not captured
}

// checkMapping proves the mapping of a configuration, as the service logins. It
// writes nothing at the source, and nothing that stays at the target.
func (c *comparison) checkMapping(ctx context.Context, result *findings) {
	mapping := c.config.Mapping()
	switch {
	case c.config.Target == nil:
		result.add(finding{Severity: "error", Check: "mapping", Message: "there is no target", Remedy: "give target.address"})
		return
	case mapping == nil:
		result.add(finding{Severity: "error", Check: "mapping", Message: "the file maps no tables", Remedy: "give migration.tables"})
		return
	}
	m := &mappingProof{config: c.config, mapping: mapping, result: result, counted: map[countedReason]bool{}, reasons: map[string][]string{}}
	for _, e := range c.ends {
		side, err := c.mapped(ctx, e)
		if err != nil {
			result.add(e.failed(finding{Check: e.side.String() + " login"}, "the service user", e.side.String()+".service", err))
			return
		}
		defer side.close()
		if e.side == router.Source {
			m.source = side
		} else {
			m.target = side
		}
	}
	if err := m.prove(ctx); err != nil {
		m.add(finding{Severity: "error", Check: "mapping", Message: fmt.Sprintf("could not be proven: %v", err)})
	}
}

// mapped logs in at a side and reads its catalog. A file with a mapping has a
// service login for both.
func (c *comparison) mapped(ctx context.Context, e *end) (*mappedSide, error) {
	visitor, err := e.enter(ctx, e.server.Service)
	if err != nil {
		return nil, err
	}
	side := &mappedSide{visitor: visitor, side: e.side, login: e.server.Service.User}
	settings := fmt.Sprintf("SET statement_timeout = %d; SET lock_timeout = '5s'; SET client_encoding = 'UTF8'", countTime.Milliseconds())
	if e.side == router.Source {
		settings += "; SET default_transaction_read_only = on"
	}
	if err = side.do(ctx, settings); err == nil {
		side.schema, err = schema.Load(ctx, side.ask)
	}
	if err != nil {
		visitor.close()
		return nil, err
	}
	return side, nil
}

func (m *mappingProof) add(f finding) { m.result.add(f) }

// prove runs all parts: what the catalogs say first, then what the rows say.
func (m *mappingProof) prove(ctx context.Context) error {
	var problems []rewrite.Problem
	m.plan, problems = rewrite.Resolve(m.mapping, m.source.schema, m.target.schema, defaultsOf(m.config))
	m.problems(problems)
	m.coverage(problems)
	m.relations()
	steps := []func(context.Context) error{
		m.triggers, m.foreignKeys, m.views, m.rights, m.serviceRights, m.serverSettings, m.collations, m.sequences,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	m.uncaptured()
	for _, pair := range m.plan.Pairs {
		err := m.pair(ctx, pair)
		switch code := refusedWith(err); {
		case code != "":
			m.add(finding{
				Severity: "warning", Check: "rows", Table: pair.Name(), Message: fmt.Sprintf("could not be proven by its rows: %v", err),
				Remedy: "give the service logins their rights, and check again",
			})
		case err != nil:
			return err
		}
	}
	return nil
}

// pair proves one pair by its rows.
func (m *mappingProof) pair(ctx context.Context, pair *rewrite.Pair) error {
	if err := m.immutable(ctx, pair); err != nil {
		return fmt.Errorf("prove expressions of %s: %w", pair.Name(), err)
	}
	for _, target := range pair.Targets {
		for _, all := range [][]doubt{m.doubts(pair, target), m.checkDoubts(pair, target)} {
			if err := m.count(ctx, pair, target, all); err != nil {
				return fmt.Errorf("count rows of %s: %w", pair.Name(), err)
			}
		}
		if err := m.unique(ctx, pair, target); err != nil {
			return fmt.Errorf("count keys of %s: %w", pair.Name(), err)
		}
	}
	if err := m.hidden(ctx, pair); err != nil {
		return fmt.Errorf("count values of %s: %w", pair.Name(), err)
	}
	return m.try(ctx, pair)
}

// entry is what the file says of a pair; nil: nothing.
func (m *mappingProof) entry(pair *rewrite.Pair) *rewrite.TableMap {
	for i := range m.mapping.Tables {
		if m.mapping.Tables[i].Source == pair.Source.Name {
			return &m.mapping.Tables[i]
		}
	}
	return nil
}
