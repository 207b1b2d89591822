package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
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
	keys, err := l.authenticate(name)
	if err != nil {
		return outcomeOf(err), nil, err
	}
	if _, err := forSide(l.live, router.Source, startup); err != nil {
		return LoginProtocol, nil, err
	}
	if !l.server.sessions.reserve(l.live.Limits.Clients) {
		return LoginLimit, nil, tooMany("sorry, too many clients already", nil)
	}
	outcome, session, err := l.open(ctx, startup, keys)
	if session == nil {
		l.server.sessions.abandon()
	}
	return outcome, session, err
}

// open logs in at the side and tells the client that it is in.
func (l *login) open(ctx context.Context, startup wire.Startup, keys *pgwire.Keys) (LoginOutcome, *session, error) {
	share := l.share(startup, keys)
	leg, greeting, err := l.firstLeg(ctx, startup, share, keys)
	var refused *pgwire.ServerError
	switch {
	case errors.As(err, &refused):
		return LoginBackend, nil, err
	case err != nil:
		return LoginBackend, nil, unreachable(router.Source, err)
	}
	slot := &cancelSlot{secret: newSecret(l.front.KeySize())}
	slot.leg.Store(leg)
	if err := l.welcome(greeting, leg, slot); err != nil {
		_ = leg.Close()
		return LoginGone, nil, err
	}
	n := l.server.newSession(l.front, leg, slot, greeting)
	if share != nil {
		n.enroll(share, greeting)
	}
	return LoginOK, n, nil
}

// firstLeg logs in at the side that the session begins on: the source, whose
// words and numbers the client is told, unless the session is to live whole at
// the target. A target that cannot be had turns nobody away.
func (l *login) firstLeg(ctx context.Context, startup wire.Startup, share *sharing, keys *pgwire.Keys) (*leg, []byte, error) {
	if share != nil && share.stays {
		leg, greeting, err := l.firstAtTarget(ctx, startup, keys)
		if err == nil {
			return leg, greeting, nil
		}
		l.server.opt.Observer.fellBack(l.server.targetFailed(err))
	}
	return l.openAt(ctx, router.Source, startup, keys)
}

func (l *login) firstAtTarget(ctx context.Context, startup wire.Startup, keys *pgwire.Keys) (*leg, []byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lateTime, errLoginTime)
	defer cancel()
	return l.openAt(ctx, router.Target, startup, keys)
}

func (l *login) openAt(ctx context.Context, at router.Side, startup wire.Startup, keys *pgwire.Keys) (*leg, []byte, error) {
	asked, err := forSide(l.live, at, startup)
	if err != nil {
		return nil, nil, err
	}
	return l.server.openLeg(ctx, at, asked, secretFor(l.live, at, startup, keys))
}

// secretFor is what a user logs in with at a side.
func secretFor(live *Live, at router.Side, startup wire.Startup, keys *pgwire.Keys) pgwire.Secret {
	secret := pgwire.Secret{Keys: keys}
	if u := live.Users[startup.Get("user")]; u != nil && keys == nil {
		secret.Password = u.Logins[at].Password
	}
	return secret
}

// share is what a session needs to be answered by either side; nil where there
// is no target.
func (l *login) share(startup wire.Startup, keys *pgwire.Keys) *sharing {
	policy := l.server.policy()
	if policy == nil || policy.Target == router.TargetNone {
		return nil
	}
	sh := &sharing{startup: startup, keys: keys, session: factsOf(startup, l.from)}
	sh.place = policy.Place(sh.session)
	sh.seen.Store(policy)
	side, why := policy.Decide(sh.place, router.None)
	sh.stays = policy.Writes == router.WritesTarget && side == router.Target
	if policy.Writes == router.WritesTarget && why == router.Broken {
		l.server.opt.Observer.fellBack(why)
	}
	return sh
}

// factsOf is what places a session.
func factsOf(startup wire.Startup, from netip.Addr) *router.Session {
	s := &router.Session{User: startup.Get("user"), Application: startup.Get("application_name")}
	if from.IsValid() {
		s.Address = from.String()
	}
	for _, p := range startup.Params {
		s.Startup = append(s.Startup, router.Param{Name: p.Name, Value: p.Value})
	}
	own, _ := pgwire.SplitOptions(startup.Get("options"))
	for _, p := range own {
		s.Startup = append(s.Startup, router.Param{Name: strings.TrimPrefix(p.Name, "crossfade."), Value: p.Value})
	}
	return s
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

// authenticate lets the client prove who it is and returns the keys that it
// has shown, where they log in at the sides. An unknown user goes through the
// same exchange as a known one.
func (l *login) authenticate(name string) (*pgwire.Keys, error) {
	user := l.live.Users[name]
	if user == nil {
		return nil, l.scram(nil, name, nil)
	}
	switch user.Auth {
	case Scram:
		return nil, l.scram(&user.Verifier, name, nil)
	case ScramPassThrough:
		keys := &pgwire.Keys{Verifier: user.Verifier}
		return keys, l.scram(&user.Verifier, name, keys)
	case Certificate:
		if l.front.PeerCommonName() != name {
			return nil, &wire.Error{
				Fault: wire.ByClient, Code: pgwire.CodeInvalidAuth,
				Message: fmt.Sprintf("certificate authentication failed for user %q", name),
				Hint:    "connect with TLS and a client certificate whose common name is the user's",
			}
		}
		return nil, nil
	case Trust:
		if l.from.IsValid() && !l.from.IsLoopback() {
			return nil, l.scram(nil, name, nil)
		}
		return nil, nil
	case Deny:
		return nil, l.scram(nil, name, nil)
	default:
		return nil, l.scram(nil, name, nil)
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
func forSide(live *Live, at router.Side, startup wire.Startup) (wire.Startup, error) {
	out := wire.Startup{Version: pgwire.Version30}
	out.Set("user", userAt(live, at, startup))
	out.Set("database", databaseAt(live, at, startup))
	for _, p := range startup.Params {
		switch {
		case p.Name == "user", p.Name == "database", live.OwnParams[p.Name]:
		case p.Name == "options":
			rest, err := ownOptions(p.Value, live.OwnParams)
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

func userAt(live *Live, at router.Side, startup wire.Startup) string {
	name := startup.Get("user")
	if u := live.Users[name]; u != nil && u.Logins[at].User != "" {
		return u.Logins[at].User
	}
	return name
}

func databaseAt(live *Live, at router.Side, startup wire.Startup) string {
	if d := live.Sides[at].Database; d != "" {
		return d
	}
	if d := startup.Get("database"); d != "" {
		return d
	}
	return startup.Get("user")
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

// ownOptions takes what is meant for us out of the startup options: the
// parameters that place a session, and the shape, of which there is one.
func ownOptions(text string, own map[string]bool) (string, error) {
	asked, rest := pgwire.SplitOptions(text)
	for _, p := range asked {
		if p.Name == "crossfade.shape" && p.Value == router.Source.String() || own[strings.TrimPrefix(p.Name, "crossfade.")] {
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
