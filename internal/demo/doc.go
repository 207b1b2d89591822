// Package demo shows Crossfade at work: a small shop on a real PostgreSQL,
// the proxy in front of it, and a load through the proxy whose figures are
// printed beside the server's own. It is the command "crossfade demo".
//
//	shoppers (pgx) ── proxy ── source, a private PostgreSQL
//	                               │
//	                  checks ──────┘  asked directly, not through the proxy
//
// It leaves no trace: the server and every file are gone when Run returns.
//
//	err := demo.Run(ctx, demo.Options{Serve: serve, Out: os.Stdout, Talk: os.Stderr})
//	if errors.Is(err, demo.ErrFailed) {
//		os.Exit(1)
//	}
package demo

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrFailed is a check that did not hold. The report says which.
var ErrFailed = errors.New("the demo's checks do not all hold")

// Options say what to show. Serve is required.
type Options struct {
	// Serve runs the proxy with a configuration file until ctx ends. It writes
	// "ready shop=host:port admin=host:port" to out once it accepts clients.
	Serve  func(ctx context.Context, file string, out, talk io.Writer) error
	Out    io.Writer     // what people read; nil: nowhere
	Talk   io.Writer     // warnings of the proxy; nil: nowhere
	Length time.Duration // of the measured load; 0: 8 s
	Exit   bool          // end after the report, without leaving all running
}

const defaultLength = 8 * time.Second

// Run starts a server and the proxy, runs the load, and prints what happened.
// Then it leaves both running with a light load until ctx ends, which is no
// error; ending before the report is one. A check that does not hold is
// ErrFailed. Run ends everything that it started.
func Run(ctx context.Context, opt Options) (err error) {
	if opt.Out == nil {
		opt.Out = io.Discard
	}
	if opt.Talk == nil {
		opt.Talk = io.Discard
	}
	if opt.Length == 0 {
		opt.Length = defaultLength
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &stage{out: opt.Out}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err := s.open(ctx, opt, cancel); err != nil {
		return err
	}
	if err := s.show(ctx, opt.Length); err != nil || opt.Exit {
		return err
	}
	return s.linger(ctx)
}
