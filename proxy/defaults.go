package proxy

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
)

// defaults are settings that a login begins with and that differ between the
// sides: those of its role and its database, and of the servers where an
// application can see them. A late leg is given the source's in its startup
// packet, so that they are there after RESET and DISCARD too (SESSIONSTATE M8).
type defaults struct {
	mu  sync.Mutex
	all map[string]defaultsOf // by user, database and startup packet
}

type defaultsOf struct {
	params []wire.Param
	strict bool // the isolation by default is not READ COMMITTED
	until  time.Time
}

const (
	// defaultsKept is how long they are believed.
	defaultsKept = time.Minute
	// defaultsMost bounds how many logins are remembered.
	defaultsMost = 1000
)

// settingsQuery lists what can be set by anybody, with the value that RESET
// gives; rolesQuery what this login's role and database set, the most specific
// last (manual, ALTER ROLE).
const (
	settingsQuery = "SELECT name, reset_val, category FROM pg_catalog.pg_settings WHERE context OPERATOR(pg_catalog.=) 'user'"
	rolesQuery    = "SELECT c FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS c" +
		" WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))" +
		" AND s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user))" +
		" ORDER BY s.setrole OPERATOR(pg_catalog.<>) 0, s.setdatabase OPERATOR(pg_catalog.<>) 0"
)

// of finds what a leg at the target has to be told beyond asked. The session's
// leg at the source is idle; the target is asked over a connection that ends.
func (d *defaults) of(ctx context.Context, s *session, asked wire.Startup) (defaultsOf, error) {
	key := keyOf(asked)
	d.mu.Lock()
	known, ok := d.all[key]
	d.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known, nil
	}
	source, err := readDefaults(ctx, s, s.legs[router.Source])
	if err != nil {
		return defaultsOf{}, err
	}
	l, _, err := s.server.openLeg(ctx, router.Target, asked, s.lateSecret(router.Target))
	if err != nil {
		return defaultsOf{}, err
	}
	defer func() { _ = l.Close(); l.release() }()
	target, err := readDefaults(ctx, s, l)
	if err != nil {
		return defaultsOf{}, err
	}
	known = defaultsOf{
		params: differing(source, target), strict: source.all["default_transaction_isolation"] != "read committed",
		until: time.Now().Add(defaultsKept),
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil || len(d.all) >= defaultsMost {
		d.all = map[string]defaultsOf{}
	}
	d.all[key] = known
	return known, nil
}

func keyOf(asked wire.Startup) string {
	var b strings.Builder
	for _, p := range asked.Params {
		if p.Name == "application_name" { // of each its own, and no default of anything
			continue
		}
		b.WriteString(p.Name + "\x00" + p.Value + "\x00")
	}
	return b.String()
}

// sideDefaults is what one server gives a login.
type sideDefaults struct {
	visible map[string]string // settings whose effect an application sees
	all     map[string]string // settings that anybody can set
	roles   map[string]string // of the role and the database
}

func readDefaults(ctx context.Context, s *session, l *leg) (*sideDefaults, error) {
	d := &sideDefaults{visible: map[string]string{}, all: map[string]string{}, roles: map[string]string{}}
	ask := s.asking(l)
	rows, err := ask(ctx, settingsQuery)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		d.all[row[0]] = row[1]
		if strings.HasPrefix(row[2], "Client Connection Defaults") || strings.HasPrefix(row[2], "Version and Platform") {
			d.visible[row[0]] = row[1]
		}
	}
	if rows, err = ask(ctx, rolesQuery); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if name, value, ok := strings.Cut(row[0], "="); ok {
			d.roles[name] = value
		}
	}
	return d, nil
}

// differing are the values of the source that a login at the target has not.
func differing(source, target *sideDefaults) []wire.Param {
	want := maps.Clone(source.visible)
	for _, side := range []*sideDefaults{source, target} {
		for name := range side.roles {
			if v, ok := source.all[name]; ok {
				want[name] = v
			}
		}
	}
	for name, value := range source.roles {
		if _, known := source.all[name]; !known && (strings.Contains(name, ".") || name == "role") {
			want[name] = value
		}
	}
	var out []wire.Param
	for name, value := range want {
		has, known := target.all[name]
		if !known {
			has, known = target.roles[name]
			known = known || strings.Contains(name, ".") || name == "role"
		}
		if known && has != value && name != "default_transaction_read_only" && !strings.HasPrefix(name, "transaction_") {
			out = append(out, wire.Param{Name: name, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b wire.Param) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
