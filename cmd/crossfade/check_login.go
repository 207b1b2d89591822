package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// dial connects to the side. The deadline of ctx is that of the connection.
func (e *end) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, e.reach.Network, e.reach.Address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// tryPassThrough tries the way to the server: only the client has the key to
// log in with.
func (e *end) tryPassThrough(ctx context.Context) error {
	conn, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if e.reach.TLS == nil {
		return nil
	}
	_, err = pgwire.StartTLS(ctx, conn, e.reach.TLS)
	return err
}

// login logs in as a session of the proxy would be.
func (e *end) login(ctx context.Context, as configs.Login) (*visitor, error) {
	conn, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	startup := wire.Startup{Version: pgwire.Version30}
	startup.Set("user", as.User)
	startup.Set("database", e.reach.Database)
	if e.reach.Database == "" {
		startup.Set("database", as.User)
	}
	startup.Set("application_name", "crossfade check")
	back, err := pgwire.Login(ctx, conn, pgwire.LoginOptions{
		Startup: startup, TLS: e.reach.TLS, Secret: pgwire.Secret{Password: as.Password.Reveal()}, Keys: &pgwire.KeyCache{},
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return newVisitor(back)
}

// noSuchDatabase is the SQLSTATE of a login to a database that is not there.
const noSuchDatabase = "3D000"

// loginFinding says how the login of a user went. An end that does not answer
// is marked as down.
func (e *end) loginFinding(u *configs.User, err error) finding {
	f := finding{Severity: "info", Check: e.side.String() + " login", Message: fmt.Sprintf("user %q logs in", u.Name)}
	if u.Auth == configs.AuthSCRAMPassthrough {
		f.Message = fmt.Sprintf("user %q: the server answers; only the client itself can log in", u.Name)
	}
	if err == nil {
		return f
	}
	return e.failed(f, fmt.Sprintf("user %q", u.Name), fmt.Sprintf("users[%s].%s", u.Name, e.side), err)
}

// failed makes f the finding of a login that failed: whose, and by which key.
func (e *end) failed(f finding, whose, key string, err error) finding {
	f.Severity, f.Message = "error", fmt.Sprintf("%s: %v", whose, err)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return e.unreachable(f, op.Error())
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return e.unreachable(f, fmt.Sprintf("%s does not answer in time", e.server.Address))
	}
	f.Remedy = fmt.Sprintf("compare %s with the server's role and pg_hba.conf", key)
	var refused *pgwire.ServerError
	if errors.As(err, &refused) && refused.Code == noSuchDatabase {
		f.Remedy = fmt.Sprintf("set %s.database, or create the database", e.side)
	}
	return f
}

func (e *end) unreachable(f finding, why string) finding {
	e.down = true
	f.Check, f.Message = e.side.String()+" reachable", why
	f.Remedy = fmt.Sprintf("start the server, or correct %s.address", e.side)
	return f
}
