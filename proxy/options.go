// Package proxy relays sessions between applications and the two sides.
//
// A listener accepts clients, lets them prove who they are, and logs in at the
// side for them; from then on one session owns both connections:
//
//	client ── conn ── session ── leg ── source
//	                  engine     leg ── target
//
// The engine (proxy/engine) decides, the session does. Server owns listeners
// and sessions and waits for all of them:
//
//	server, err := proxy.Listen(options)
//	err = server.Serve(ctx)   // returns when ctx ends and all is drained
package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// Options are what a server needs to begin; Live is the part that can change.
type Options struct {
	Listeners []ListenerOptions
	Live      *Live
	// Policy decides where sessions are answered; nil is a relay to the source.
	Policy *atomic.Pointer[router.Snapshot]
	// TargetChanged is told what the breaker has found, and why. When it
	// returns, Policy has it.
	TargetChanged func(state router.TargetState, why string)
	Observer      Observer
	Mirror        *MirrorOptions // nil: nothing is mirrored
	probeTime     time.Duration  // of the breaker; 0: probeTime
	Log           *slog.Logger
}

// ListenerOptions is one address to accept clients on.
type ListenerOptions struct {
	Name    string
	Network string // tcp or unix
	Address string
}

// Live is the reloadable part, swapped as one immutable value. Sessions that
// are logged in keep what they have.
type Live struct {
	Fronts map[string]pgwire.FrontOptions // by the name of the listener
	Sides  [router.Sides]Side
	Users  map[string]*User
	// OwnParams are startup parameters that place a session and are not passed
	// on: a server would refuse what it does not know.
	OwnParams map[string]bool
	// Service is the proxy's own login at each side, where it has one.
	Service [router.Sides]Login
	Limits  Limits
}

// Side is how to reach one database server.
type Side struct {
	Network  string // tcp or unix
	Address  string
	Database string      // "": the one that the client asked for
	TLS      *tls.Config // nil: none
}

// Auth is how a user proves who it is.
type Auth uint8

const (
	// Deny lets nobody in; the zero value.
	Deny Auth = iota
	// Scram: SCRAM-SHA-256 against a verifier.
	Scram
	// ScramPassThrough: the same, and the key learnt from it logs in.
	ScramPassThrough
	// Certificate: a verified client certificate whose common name is the user's.
	Certificate
	// Trust: no proof; from loopback and unix sockets only.
	Trust
)

// User is one application login.
type User struct {
	hidden
	Name     string
	Auth     Auth
	Verifier pgwire.Verifier
	Logins   [router.Sides]Login
}

// Login is how a user's sessions log in at one side.
type Login struct {
	hidden
	User, Password string
}

// hidden makes whatever embeds it print as *** under every verb, and in
// encoders and structured logs. What points to a password embeds it too: under
// a wrong verb fmt follows the pointer and asks nobody on the way.
type hidden struct{}

// Format writes the stars.
func (hidden) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalText gives the stars.
func (hidden) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Limits bound what clients can make us do.
type Limits struct {
	Clients         int
	LoginTimeout    time.Duration
	LoginPerAddress int
	LoginTotal      int
	Memory          int64 // bytes
	Drain           time.Duration
	RetryKeep       int // bytes of a request that is kept while the target answers it
}
