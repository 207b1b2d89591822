package dbserver

import (
	"context"
	"fmt"
)

// refuseAll turns everybody away (manual, "The pg_hba.conf File").
var refuseAll = []string{"local all all reject", "host all all all reject", "host replication all all reject"}

// RefuseLogins makes the server turn away each new connection with the error
// code 28000, as one whose pg_hba.conf somebody has broken, or lets them in
// again. Connections that are open stay, Exec and Query go on working, and the
// refusal outlives Restart. It returns when the server has taken note.
func (p *Postgres) RefuseLogins(ctx context.Context, refuse bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.hba
	if refuse {
		lines = refuseAll
	}
	if err := p.home.writeHBA(lines); err != nil {
		return err
	}
	return p.reload(ctx)
}

// reload returns when each new connection sees the configuration files as they
// are now: the postmaster notes the time when it has read them, and a backend
// inherits that.
func (p *Postgres) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errStartLimit)
	defer cancel()
	const loaded = "SELECT pg_conf_load_time()"
	before, err := p.Query(ctx, "postgres", loaded)
	if err != nil {
		return err
	}
	if err := p.Exec(ctx, "postgres", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	err = poll(ctx, func() (bool, error) {
		now, err := p.Query(ctx, "postgres", loaded)
		return now != before, err
	})
	if err != nil {
		return fmt.Errorf("reload PostgreSQL's configuration: %w", err)
	}
	return nil
}
