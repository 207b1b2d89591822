package main

import (
	"context"
	"fmt"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// ExplainStatement explains by the mapping in force.
func (c *control) ExplainStatement(ctx context.Context, q admin.StatementQuery) (admin.Explained, error) {
	m, err := c.mirrored()
	if err != nil {
		return admin.Explained{}, err
	}
	return m.Writes.Explain(ctx, q)
}

// Explain explains as a session of the user would have it that begins now.
func (m *dualWrites) Explain(ctx context.Context, q admin.StatementQuery) (admin.Explained, error) {
	now := m.mapped.Load()
	if now == nil {
		return admin.Explained{}, admin.Refuse(admin.Unprepared, "no mapping is in force, since the phase mirrors nothing",
			"crossfade explain -c FILE explains without the proxy; or crossfade phase set mirror")
	}
	name, login, err := sessionOf(m.config, q.User)
	if err != nil {
		return admin.Explained{}, admin.Refuse(admin.Invalid, err.Error(), "leave --user out for the first one")
	}
	x := newExplainer(m.config, now.Plan.Source, now.Plan.Target)
	x.user, x.env.Plan, x.env.Rights = name, now.Plan, now.Rights[login]
	x.ready = func(table string) bool { return m.ledger.Ready(table, dirtyMost) }
	if s := m.standing(); s.State != admin.On {
		x.notes = append(x.notes, fmt.Sprintf("the mirror is %s now: what would be mirrored is dirty instead, or not mirrored at all while the phase is observe", s.State))
	}
	ctx, cancel := context.WithTimeout(ctx, catalogTime)
	defer cancel()
	if x.env.Path, err = m.loginPath(ctx, login); err != nil || len(x.env.Path) == 0 {
		m.log.Warn("the search_path of a login cannot be read; the default is taken", "login", login, "error", err)
		x.env.Path = []string{"pg_catalog", login, "public"}
		x.notes = append(x.notes, "the source could not be asked for the search_path of the login: names are looked for where they are by default")
	}
	return x.explain(q.SQL), nil
}
