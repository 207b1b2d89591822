// Package admin is the door for operators and their tools: HTTP on an address
// of its own, and the client that the program's commands use.
//
//	/metrics /healthz /readyz   open: monitoring
//	/api/v1/...                 a token each: the verbs (Verbs), openapi.json
//
// Every request that is not monitoring goes through one wrapper, in this order:
// the host must be ours, no other site may ask, the token must be known, the
// role must be enough. Only then is anything read of it. Answers are JSON, and
// refusals too (Refusal).
package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits of the door: requests here are small, and nobody is slow for a good
// reason.
const (
	headerTime  = 5 * time.Second
	requestTime = 30 * time.Second
	headerBytes = 16 << 10
	closeTime   = 2 * time.Second
)

// Options are what a door needs. Without Control there are no verbs; without
// Tokens nobody may use them.
type Options struct {
	Address string      // host:port
	TLS     *tls.Config // nil: none
	Metrics http.Handler
	Control Control
	Tokens  []Token
	Log     *slog.Logger // nil: silence
}

// Server answers operators. It is not ready until told so.
type Server struct {
	http     *http.Server
	listener net.Listener
	ready    atomic.Bool
}

// Open binds the address.
func Open(opt Options) (*Server, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", opt.Address)
	if err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	s := &Server{listener: listener}
	if opt.TLS != nil {
		s.listener = tls.NewListener(listener, opt.TLS)
	}
	s.http = &http.Server{
		Handler: newDoor(opt, s.monitoring(opt.Metrics)), ReadHeaderTimeout: headerTime, ReadTimeout: requestTime,
		WriteTimeout: requestTime, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(opt.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// monitoring is what needs no token.
func (s *Server) monitoring(metrics http.Handler) map[string]http.Handler {
	open := map[string]http.Handler{
		"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }),
		"/readyz":  http.HandlerFunc(s.readyz),
	}
	if metrics != nil {
		open["/metrics"] = metrics
	}
	return open
}

// Addr is the address bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Ready says whether clients are accepted: false before the start and while
// draining.
func (s *Server) Ready(ready bool) { s.ready.Store(ready) }

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		say(w, http.StatusServiceUnavailable, "not accepting clients")
		return
	}
	say(w, http.StatusOK, "ready")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin: %w", err)
	}
	return nil
}

// Close ends what is being answered, within a moment.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}
