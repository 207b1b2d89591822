package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// leg is a session's connection to one side, logged in.
type leg struct {
	*conn
	side router.Side
	pid  uint32
	key  []byte // the backend's cancel key

	serial   int                           // of captured statements: names are never used again
	bare     bool                          // it cannot answer the client
	applies  bool                          // its session has the settings of applies
	prepared map[string]bool               // statements of ours that it has
	captured map[uint64]*capturedStatement // at the source, by text and types
}

// dial connects to a side. Until free is called the connection ends with ctx:
// what waits on it then fails. free says whether ctx had ended by then.
func (s *Server) dial(ctx context.Context, side Side, purpose string) (conn net.Conn, free func() error, err error) {
	conn, err = (&net.Dialer{}).DialContext(ctx, side.Network, side.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("dial: %w", err)
	}
	s.opt.Log.Debug("side dialled", "for", purpose, "local", conn.LocalAddr().String())
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	return conn, func() error {
		if !stop() {
			return context.Cause(ctx)
		}
		return nil
	}, nil
}

// openLeg dials a side and logs in there as the user of the client. What it
// returns beside the leg is the greeting for the client. Nothing is served on a
// leg of a server's new life before it is known what that may have lost: the
// source is dialled again then, as long as ctx lasts.
func (s *Server) openLeg(ctx context.Context, at router.Side, startup wire.Startup, secret pgwire.Secret) (*leg, []byte, error) {
	for {
		dialled, err := s.dialling(ctx, at)
		if err != nil {
			s.opt.Observer.dialled(at, err)
			return nil, nil, err
		}
		l, greeting, err := s.logIn(ctx, at, startup, secret)
		if err != nil {
			return nil, nil, err
		}
		err = dialled(ctx)
		if err == nil {
			return l, greeting, nil
		}
		_ = l.Close()
		l.release()
		if at == router.Target || ctx.Err() != nil {
			return nil, nil, err
		}
	}
}

// dialling asks in which life a side is, before it is dialled; what it returns
// says afterwards that the leg is of that life.
func (s *Server) dialling(ctx context.Context, at router.Side) (func(context.Context) error, error) {
	if m := s.opt.Mirror; m != nil && m.Dialling != nil {
		return m.Dialling(ctx, at)
	}
	return func(context.Context) error { return nil }, nil
}

func (s *Server) logIn(ctx context.Context, at router.Side, startup wire.Startup, secret pgwire.Secret) (*leg, []byte, error) {
	back, err := s.loginAt(ctx, s.live.Load().Sides[at], startup, secret)
	s.opt.Observer.dialled(at, err)
	if err != nil {
		return nil, nil, err
	}
	s.opt.Log.Debug("backend connected", "side", at.String(), "local", back.Conn.LocalAddr().String(), "pid", back.PID)
	return &leg{conn: newConn(back.Conn, s.buffers, back.Rest), side: at, pid: back.PID, key: back.Key}, back.Greeting, nil
}

func (s *Server) loginAt(ctx context.Context, side Side, startup wire.Startup, secret pgwire.Secret) (*pgwire.Back, error) {
	conn, free, err := s.dial(ctx, side, "login")
	if err != nil {
		return nil, err
	}
	back, err := pgwire.Login(ctx, conn, pgwire.LoginOptions{Startup: startup, TLS: side.TLS, Secret: secret, Keys: &s.keys})
	if late := free(); err == nil {
		err = late
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return back, nil
}

// unreachable is what a client is told when a side cannot be had. The cause
// goes to the log; the client learns neither addresses nor how we log in.
func unreachable(at router.Side, cause error) *wire.Error {
	e := &wire.Error{
		Fault: faultOf(at), Code: pgwire.CodeConnectionFailure, Cause: cause,
		Message: fmt.Sprintf("the %s database cannot be reached", at),
		Hint:    "the proxy's log has the cause",
	}
	var op *net.OpError
	if !errors.As(cause, &op) {
		e.Message = fmt.Sprintf("logging in at the %s database did not work", at)
	}
	return e
}

func faultOf(at router.Side) wire.Fault {
	if at == router.Target {
		return wire.ByTarget
	}
	return wire.BySource
}
