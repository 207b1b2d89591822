// Package demo shows Crossfade at work: a small shop on an old PostgreSQL, a new
// one that begins empty and has a table of another shape, the proxy in front of
// them, and a load that goes on while the new one is filled, answers a share of
// the readers, and is hit by faults. It is the command "crossfade demo".
//
//	tills (write) ──────┐          ┌── source, a private PostgreSQL of the old version
//	browsers (read) ── proxy ──────┤
//	                    │          └── target, one of the new version
//	operator ───────────┘ the program's own commands
//
// What it claims is told by the servers: each answer to a browser names the
// server that gave it, and in the end each server writes its tables out in order,
// by queries that know nothing of the proxy. It leaves no trace but the report:
// servers and files are gone when Run returns.
//
//	err := demo.Run(ctx, demo.Options{Serve: serve, Command: run, Out: os.Stdout, Talk: os.Stderr})
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

// ErrFailed is something promised that was not seen. The report says what.
var ErrFailed = errors.New("the demo's checks do not all hold")

// Options say what to show. Serve and Command are required.
type Options struct {
	// Serve runs the proxy with a configuration file until ctx ends. It writes
	// "ready shop=host:port admin=host:port" to out once it accepts clients.
	Serve func(ctx context.Context, file string, out, talk io.Writer) error
	// Command runs one command of the program, as it is typed, and returns its
	// exit code.
	Command func(ctx context.Context, args []string, out, talk io.Writer) int
	Out     io.Writer     // what people read; nil: nowhere
	Talk    io.Writer     // warnings of the proxy; nil: nowhere
	Length  time.Duration // of each share; 0: 3 s, or 1 s with Exit
	Exit    bool          // end after the report, without leaving all running
	Report  string        // file that the auditor's report goes to; "": a new one in the directory for temporary files
}

const (
	defaultLength = 3 * time.Second
	briefLength   = time.Second
)

// Run starts both servers and the proxy, fills the target and takes the share up
// and down under load, plants faults, and prints what happened. Then it leaves all
// running with a light load until ctx ends, which is no error; ending before the
// report is one. A check that does not hold is ErrFailed. Run ends everything
// that it started.
func Run(ctx context.Context, opt Options) (err error) {
	if opt.Out == nil {
		opt.Out = io.Discard
	}
	if opt.Talk == nil {
		opt.Talk = io.Discard
	}
	switch {
	case opt.Length != 0:
	case opt.Exit:
		opt.Length = briefLength
	default:
		opt.Length = defaultLength
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &stage{out: opt.Out, page: opt.Report}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err := s.open(ctx, opt, cancel); err != nil {
		return err
	}
	if err := s.show(ctx, opt.Length); err != nil || opt.Exit {
		return err
	}
	return s.linger(ctx)
}
