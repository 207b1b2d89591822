package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

var noDeadline time.Time

// farewellTime bounds telling a client why its session ends.
const farewellTime = 2 * time.Second

// login is one connection on its way to a session.
type login struct {
	server *Server
	live   *Live
	front  *pgwire.Front
	from   netip.Addr // invalid: a unix socket
}

// accept takes a new connection to its session, or to its end. The session
// runs on a goroutine of its own: logging in grows the stack, and an idle
// session should not keep that.
func (s *Server) accept(conn net.Conn, listener string) {
	live := s.live.Load()
	ctx, cancel := context.WithTimeoutCause(s.ctx, live.Limits.LoginTimeout, errLoginTime)
	defer cancel()
	l := &login{server: s, live: live, front: pgwire.NewFront(conn, live.Fronts[listener]), from: addressOf(conn)}
	outcome, session, err := l.guarded(ctx, conn)
	s.opt.Observer.login(outcome)
	if session != nil {
		s.start(session)
		return
	}
	l.refuse(conn, err)
	s.logLogin(outcome, l.from, err)
}

// guarded turns a panic into the end of this login alone.
func (l *login) guarded(ctx context.Context, conn net.Conn) (outcome LoginOutcome, session *session, err error) {
	defer func() {
		if p := recover(); p != nil {
			l.server.logPanic(p)
			outcome, session, err = LoginProtocol, nil, &wire.Error{Code: pgwire.CodeInternal, Message: "internal error"}
		}
	}()
	return l.run(ctx, conn)
}

var (
	errLoginTime = errors.New("the login took too long")
	errGone      = errors.New("the client left")
)

// run reads what the client wants and does it.
func (l *login) run(ctx context.Context, conn net.Conn) (LoginOutcome, *session, error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return LoginGone, nil, err
	}
	admission := l.server.admission.Load()
	speaks := admission.hush(conn)
	err := l.front.Await()
	speaks()
	if err != nil {
		return LoginGone, nil, errGone
	}
	leave, err := admission.enter(ctx, l.from)
	if err != nil {
		return LoginLimit, nil, tooMany("too many clients are logging in", err)
	}
	defer leave()
	request, err := l.front.Request(ctx)
	switch {
	case err != nil:
		return outcomeOf(err), nil, err
	case request.Cancel != nil:
		l.server.opt.Observer.cancel(l.server.cancel(ctx, request.Cancel, l.from))
		return LoginOK, nil, nil
	default:
		return l.session(ctx, *request.Startup)
	}
}

// session lets the client in: who it is, then the same one at the side.
func (l *login) session(ctx context.Context, startup wire.Startup) (LoginOutcome, *session, error) {
	name := startup.Get("user")
	if name == "" {
		return LoginProtocol, nil, &wire.Error{Fault: wire.ByClient, Code: pgwire.CodeInvalidAuth, Message: "no PostgreSQL user name specified in startup packet"}
	}
	secret, err := l.authenticate(name)
	if err != nil {
		return outcomeOf(err), nil, err
	}
	asked, err := l.forSide(sessionSide, startup)
	if err != nil {
		return LoginProtocol, nil, err
	}
	if !l.server.sessions.reserve(l.live.Limits.Clients) {
		return LoginLimit, nil, tooMany("sorry, too many clients already", nil)
	}
	outcome, session, err := l.open(ctx, asked, secret)
	if session == nil {
		l.server.sessions.abandon()
	}
	return outcome, session, err
}

// open logs in at the side and tells the client that it is in.
func (l *login) open(ctx context.Context, asked wire.Startup, secret pgwire.Secret) (LoginOutcome, *session, error) {
	leg, greeting, err := l.server.openLeg(ctx, sessionSide, asked, secret)
	var refused *pgwire.ServerError
	switch {
	case errors.As(err, &refused):
		return LoginBackend, nil, err
	case err != nil:
		return LoginBackend, nil, unreachable(sessionSide, err)
	}
	slot := &cancelSlot{secret: newSecret(l.front.KeySize())}
	slot.leg.Store(leg)
	if err := l.welcome(greeting, leg, slot); err != nil {
		_ = leg.Close()
		return LoginGone, nil, err
	}
	return LoginOK, l.server.newSession(l.front, leg, slot, greeting), nil
}

// welcome registers the key before the client learns it.
func (l *login) welcome(greeting []byte, leg *leg, slot *cancelSlot) error {
	l.server.cancels.add(leg.pid, slot)
	err := l.front.Welcome(greeting, leg.pid, slot.secret)
	if err == nil {
		err = l.front.Conn().SetDeadline(noDeadline)
	}
	if err != nil {
		l.server.cancels.retire(leg.pid, slot)
	}
	return err
}

// authenticate lets the client prove who it is and returns what logs in at
// the side. An unknown user goes through the same exchange as a known one.
func (l *login) authenticate(name string) (pgwire.Secret, error) {
	user := l.live.Users[name]
	if user == nil {
		return pgwire.Secret{}, l.scram(nil, name, nil)
	}
	secret := pgwire.Secret{Password: user.Logins[sessionSide].Password}
	switch user.Auth {
	case Scram:
		return secret, l.scram(&user.Verifier, name, nil)
	case ScramPassThrough:
		keys := &pgwire.Keys{Verifier: user.Verifier}
		return pgwire.Secret{Keys: keys}, l.scram(&user.Verifier, name, keys)
	case Certificate:
		if l.front.PeerCommonName() != name {
			return secret, &wire.Error{
				Fault: wire.ByClient, Code: pgwire.CodeInvalidAuth,
				Message: fmt.Sprintf("certificate authentication failed for user %q", name),
				Hint:    "connect with TLS and a client certificate whose common name is the user's",
			}
		}
		return secret, nil
	case Trust:
		if l.from.IsValid() && !l.from.IsLoopback() {
			return secret, l.scram(nil, name, nil)
		}
		return secret, nil
	case Deny:
		return secret, l.scram(nil, name, nil)
	default:
		return secret, l.scram(nil, name, nil)
	}
}

// scram runs the exchange; verifier nil is a user that does not exist. The
// key learnt goes to keys, if there are any.
func (l *login) scram(verifier *pgwire.Verifier, name string, keys *pgwire.Keys) error {
	exchange := pgwire.NewScramServer(pgwire.ScramServerOptions{User: name, Verifier: verifier, CertHash: l.front.CertHash()})
	defer exchange.Wipe()
	if err := l.front.Scram(exchange, name); err != nil {
		return err
	}
	if verifier == nil { // no exchange with a mock succeeds; never rely on that alone
		return pgwire.WrongPassword(name)
	}
	if keys != nil {
		keys.ClientKey = exchange.ClientKey()
	}
	return nil
}

// forSide is the startup packet for a side: the client's own settings, the
// user and database of the side, and nothing that is meant for us.
func (l *login) forSide(at router.Side, startup wire.Startup) (wire.Startup, error) {
	name := startup.Get("user")
	database := startup.Get("database")
	if database == "" {
		database = name
	}
	if d := l.live.Sides[at].Database; d != "" {
		database = d
	}
	user := name
	if u := l.live.Users[name]; u != nil && u.Logins[at].User != "" {
		user = u.Logins[at].User
	}
	out := wire.Startup{Version: pgwire.Version30}
	out.Set("user", user)
	out.Set("database", database)
	for _, p := range startup.Params {
		switch p.Name {
		case "user", "database":
		case "options":
			rest, err := ownOptions(p.Value)
			if err != nil {
				return out, err
			}
			if rest != "" {
				out.Set("options", rest)
			}
		default:
			out.Set(p.Name, p.Value)
		}
	}
	return out, nil
}

// refuse tells the client why, where it can still be told, and hangs up.
func (l *login) refuse(conn net.Conn, err error) {
	var raw []byte
	var own *wire.Error
	var server *pgwire.ServerError
	switch {
	case errors.As(err, &server):
		raw = server.Raw
	case errors.As(err, &own):
		raw = pgwire.AppendError(nil, own)
	}
	farewell(l.front.Conn(), conn, raw)
}

func outcomeOf(err error) LoginOutcome {
	var own *wire.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF):
		return LoginGone
	case errors.Is(err, pgwire.ErrHandshake):
		return LoginProtocol
	case !errors.As(err, &own):
		return LoginGone
	case own.Code == pgwire.CodeProtocolViolation, own.Code == pgwire.CodeNotSupported:
		return LoginProtocol
	default:
		return LoginDenied
	}
}

func tooMany(message string, cause error) *wire.Error {
	return &wire.Error{Fault: wire.ByProxy, Code: pgwire.CodeTooMany, Message: message, Cause: cause}
}

func addressOf(conn net.Conn) netip.Addr {
	switch a := conn.RemoteAddr().(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.UnixAddr:
		return netip.Addr{}
	default:
		return netip.IPv6Unspecified() // from anywhere, for all we know
	}
}

// ownOptions takes what is meant for us out of the startup options. Only the
// shape that there is can be asked for.
func ownOptions(text string) (string, error) {
	own, rest := pgwire.SplitOptions(text)
	for _, p := range own {
		if p.Name == "crossfade.shape" && p.Value == router.Source.String() {
			continue
		}
		return "", &wire.Error{
			Fault: wire.ByClient, Code: pgwire.CodeInvalidParameter,
			Message: fmt.Sprintf("startup option %q is not known here, or not with this value", p.Name),
			Hint:    "this version knows crossfade.shape=source",
		}
	}
	return rest, nil
}
