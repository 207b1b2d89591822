package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// checkSource connects to the source as every user would be logged in there.
// It says whether the server could be reached at all.
func checkSource(ctx context.Context, config *configs.Config, result *findings) (reached bool) {
	live, err := liveOf(config, config)
	if err != nil {
		result.add(finding{Severity: "error", Check: "configuration", Message: err.Error(), Remedy: "correct the file"})
		return true
	}
	side := live.Sides[router.Source]
	for _, u := range config.Users {
		err := tryLogin(ctx, side, live.Users[u.Name])
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			result.add(finding{
				Severity: "error", Check: "source reachable", Message: op.Error(),
				Remedy: "start the server, or correct source.address",
			})
			return false
		}
		result.add(loginFinding(u, err))
	}
	return true
}

// tryLogin logs in as one user. With pass-through only the client has the key,
// so that only the way to the server is tried.
func tryLogin(ctx context.Context, side proxy.Side, user *proxy.User) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, side.Network, side.Address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if user.Auth == proxy.ScramPassThrough {
		if side.TLS == nil {
			return nil
		}
		_, err := pgwire.StartTLS(ctx, conn, side.TLS)
		return err
	}
	login := user.Logins[router.Source]
	startup := wire.Startup{Version: pgwire.Version30}
	startup.Set("user", login.User)
	startup.Set("database", side.Database)
	if side.Database == "" {
		startup.Set("database", login.User)
	}
	startup.Set("application_name", "crossfade check")
	_, err = pgwire.Login(ctx, conn, pgwire.LoginOptions{
		Startup: startup, TLS: side.TLS, Secret: pgwire.Secret{Password: login.Password}, Keys: &pgwire.KeyCache{},
	})
	return err
}

// noSuchDatabase is the SQLSTATE of a login to a database that is not there.
const noSuchDatabase = "3D000"

func loginFinding(u configs.User, err error) finding {
	f := finding{Severity: "info", Check: "source login", Message: fmt.Sprintf("user %q logs in", u.Name)}
	if u.Auth == configs.AuthSCRAMPassthrough {
		f.Message = fmt.Sprintf("user %q: the server answers; only the client itself can log in", u.Name)
	}
	if err == nil {
		return f
	}
	f.Severity, f.Message = "error", fmt.Sprintf("user %q: %v", u.Name, err)
	f.Remedy = fmt.Sprintf("compare users[%s].source with the server's role and pg_hba.conf", u.Name)
	var refused *pgwire.ServerError
	if errors.As(err, &refused) && refused.Code == noSuchDatabase {
		f.Remedy = "set source.database, or create the database"
	}
	return f
}
