package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
)

// checkDatabases connects to the configured sides as every user would be logged
// in there and, where there are two, compares them; with mapping, it proves the
// mapping there. It says whether all of them could be reached.
func checkDatabases(ctx context.Context, config *configs.Config, mapping bool, result *findings) (reached bool) {
	c, err := newComparison(config)
	if err != nil {
		result.add(finding{Severity: "error", Check: "configuration", Message: err.Error(), Remedy: "correct the file"})
		return true
	}
	c.users(ctx, result)
	if config.Target != nil {
		c.compare(ctx, result)
	}
	if mapping {
		c.checkMapping(ctx, result)
	}
	for _, e := range c.ends {
		if e != nil && e.down {
			return false
		}
	}
	return true
}

// comparison is one check of the two sides.
type comparison struct {
	config *configs.Config
	ends   [router.Sides]*end // nil: not configured
	one    bool               // both sides are one database
	first  *configs.User      // that could log in everywhere
}

// end is one side to connect to.
type end struct {
	side   router.Side
	server *configs.Server
	reach  proxy.Side
	down   bool // it could not be reached, and is not tried again
}

func newComparison(config *configs.Config) (*comparison, error) {
	if _, err := liveOf(config, config); err != nil {
		return nil, err
	}
	c := &comparison{config: config}
	servers := [router.Sides]*configs.Server{router.Source: &config.Source, router.Target: config.Target}
	for side, server := range servers {
		if server == nil {
			continue
		}
		reach, err := sideOf(*server)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", router.Side(side), err)
		}
		c.ends[side] = &end{side: router.Side(side), server: server, reach: reach}
	}
	c.one = oneDatabase(config)
	return c, nil
}

// oneDatabase says that both sides are one database, where the mapping names
// tables of two shapes.
func oneDatabase(c *configs.Config) bool {
	return c.Target != nil && c.Target.Address == c.Source.Address && c.Target.Database == c.Source.Database
}

// loginOf is how a user logs in at a side.
func loginOf(u *configs.User, side router.Side) configs.Login {
	switch side {
	case router.Target:
		return u.Target
	case router.Source:
		return u.Source
	default:
		return configs.Login{}
	}
}

// users logs in as every user on every side that can be reached, and compares
// what it is told there.
func (c *comparison) users(ctx context.Context, result *findings) {
	var told perUser
	for i := range c.config.Users {
		u := &c.config.Users[i]
		var seen [router.Sides]*visit
		for side, e := range c.ends {
			if e != nil && !e.down && !(c.one && e.side == router.Target) {
				seen[side] = c.user(ctx, e, u, result)
			}
		}
		if seen[router.Source] == nil || seen[router.Target] == nil {
			continue
		}
		if c.first == nil {
			c.first = u
		}
		told.add(u.Name, slices.Concat(compareReported(seen), compareSettings(seen), c.rights(seen[router.Target])))
	}
	told.tell(result)
}

// user logs in as one user and reports how that went. It gives what the server
// told, or nil if nobody but the client can log in, it failed, or there is
// nothing to compare it with.
func (c *comparison) user(ctx context.Context, e *end, u *configs.User, result *findings) *visit {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	through := u.Auth == configs.AuthSCRAMPassthrough
	if through {
		err := e.tryPassThrough(ctx)
		result.add(e.loginFinding(u, err))
		if err == nil && e.side == router.Target {
			result.add(passThroughFinding(u))
		}
		return nil
	}
	visitor, err := e.login(ctx, loginOf(u, e.side))
	result.add(e.loginFinding(u, err))
	if err != nil {
		return nil
	}
	defer visitor.close()
	if c.config.Target == nil || c.one {
		return nil
	}
	seen, err := visitor.look(ctx)
	if err != nil {
		result.add(finding{
			Severity: "warning", Check: e.side.String() + " settings",
			Message: fmt.Sprintf("user %q: %v", u.Name, err),
		})
		return nil
	}
	return seen
}

func passThroughFinding(u *configs.User) finding {
	return finding{
		Severity: "warning", Check: "target login",
		Message: fmt.Sprintf("user %q: the target must have the same verifier as users[%s].verifier, which cannot be tried without the password", u.Name, u.Name),
		Remedy:  "copy rolpassword of pg_authid to the target's role",
	}
}
