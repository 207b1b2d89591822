package schema

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// Side is where and as whom to connect.
type Side struct {
	Network, Address string // of package net
	Database         string // empty: the one named like the user
	User, Password   string
	TLS              *tls.Config // nil: none
	Application      string      // application_name
}

// never is no deadline.
var never time.Time

// mostMessage bounds one row of a server's answer.
const mostMessage = 256 << 20

var errNoCancel = errors.New("a cancel request is not sent in the clear")

var errUnasked = errors.New("the server says more than it was asked")

// Connect logs in as the proxy's own logins do, by ctx's deadline; later
// statements have their own contexts. A statement whose context ends breaks the
// connection.
func Connect(ctx context.Context, side Side) (*pgconn.PgConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, side.Network, side.Address)
	if err != nil {
		return nil, err
	}
	back, err := login(ctx, conn, side)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return construct(back, side)
}

func login(ctx context.Context, conn net.Conn, side Side) (*pgwire.Back, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	startup := wire.Startup{Version: pgwire.Version30}
	startup.Set("user", side.User)
	startup.Set("database", side.Database)
	if side.Database == "" {
		startup.Set("database", side.User)
	}
	startup.Set("application_name", side.Application)
	startup.Set("client_encoding", "UTF8")
	return pgwire.Login(ctx, conn, pgwire.LoginOptions{
		Startup: startup, TLS: side.TLS, Secret: pgwire.Secret{Password: side.Password}, Keys: &pgwire.KeyCache{},
	})
}

// construct goes on with what the proxy's own login has begun.
func construct(back *pgwire.Back, side Side) (*pgconn.PgConn, error) {
	if len(back.Rest) > 0 {
		return nil, errors.Join(errUnasked, back.Conn.Close())
	}
	config := &pgconn.Config{
		DialFunc:      side.dialCancel,
		BuildFrontend: func(r io.Reader, w io.Writer) *pgproto3.Frontend { return pgproto3.NewFrontend(r, w) },
		BuildContextWatcherHandler: func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
		},
		MaxProtocolMessageBodyLen: mostMessage,
	}
	conn, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn: back.Conn, PID: back.PID, SecretKey: back.Key, ParameterStatuses: map[string]string{}, TxStatus: 'I', Config: config,
	})
	if err == nil {
		err = conn.Conn().SetDeadline(never)
	}
	if err != nil {
		return nil, errors.Join(err, back.Conn.Close())
	}
	return conn, nil
}

// dialCancel dials for pgconn, which asks the server to give a statement up whose
// context has ended. The request travels in the clear, so that there is none
// where the connection does not.
func (s Side) dialCancel(ctx context.Context, _, _ string) (net.Conn, error) {
	if s.TLS != nil {
		return nil, errNoCancel
	}
	return (&net.Dialer{}).DialContext(ctx, s.Network, s.Address)
}

// Of asks over a connection.
func Of(conn *pgconn.PgConn) Query {
	return func(ctx context.Context, sql string) ([][]*string, error) {
		results, err := conn.Exec(ctx, sql).ReadAll()
		if err != nil {
			return nil, withoutText(err)
		}
		var rows [][]*string
		for _, result := range results {
			for _, row := range result.Rows {
				rows = append(rows, texts(row))
			}
		}
		return rows, nil
	}
}

func texts(row [][]byte) []*string {
	out := make([]*string, len(row))
	for i, value := range row {
		if value != nil {
			text := string(value)
			out[i] = &text
		}
	}
	return out
}

// withoutText keeps the SQLSTATE of a server's error: its text may hold data.
func withoutText(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return fmt.Errorf("the server refused it (SQLSTATE %s)", refused.Code)
	}
	return err
}
