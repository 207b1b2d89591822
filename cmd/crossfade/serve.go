package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/metrics"
	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/router/live"
)

func serveCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "serve -c FILE", Short: "Runs the proxy", Args: cobra.NoArgs,
		Long: `Runs the proxy. Prints one line "ready" with its addresses when it accepts clients.

SIGHUP reads the configuration again and takes over what can change at run time.
SIGTERM or SIGINT ends each session at its next idle point, within limits.drain;
a second one ends them all at once.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), file, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "configuration file (required)")
	_ = cmd.MarkFlagRequired("config") // the flag is there: defined one line above
}

// daemon is one running proxy and what belongs to it.
type daemon struct {
	file    string
	first   *configs.Config // that the process began with
	current *configs.Config
	loads   int
	hash    string // of the configuration in force
	level   slog.LevelVar
	log     *slog.Logger
	metrics *metrics.Metrics
	admin   *admin.Server
	proxy   *proxy.Server

	store    *state.Store
	live     *live.Live
	control  *control
	mirrors  *dualWrites    // nil: no table is mapped
	acts     sync.WaitGroup // acts of the breaker that are being written
	draining atomic.Bool
	signals  chan os.Signal
	loading  sync.Mutex // guards current and loads
}

// serve runs until it is told to stop by a signal or by ctx.
func serve(ctx context.Context, file string, out, talk io.Writer) error {
	signals := make(chan os.Signal, signalsKept)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	defer signal.Stop(signals)
	config, err := configs.Load(file)
	if err != nil {
		return &exit{exitUsage, err}
	}
	d := &daemon{file: file, first: config, current: config, metrics: metrics.New(build()), signals: signals}
	d.log = d.logger(talk)
	defer d.closeState("the process ended")
	if err := d.openState(ctx); err != nil {
		return &exit{exitUsage, err}
	}
	if err := d.openMirrors(ctx); err != nil {
		return &exit{exitUsage, err}
	}
	if err := d.listen(); err != nil {
		return &exit{exitUsage, err}
	}
	if err := d.attachMirrors(ctx); err != nil {
		return &exit{exitUsage, err}
	}
	if err := d.control.Started(ctx, fileHash(file)); err != nil {
		return &exit{exitUsage, err}
	}
	for _, n := range configs.Unused(config) {
		d.log.Warn("configuration", "notice", n.String())
	}
	d.admin.Ready(true)
	if _, err := fmt.Fprintln(out, d.ready()); err != nil {
		return err
	}
	return d.run(ctx, signals)
}

// signalsKept is how many signals may wait.
const signalsKept = 4

func (d *daemon) logger(talk io.Writer) *slog.Logger {
	d.level.Set(levelOf(d.first.Log.Level))
	options := &slog.HandlerOptions{Level: &d.level}
	if d.first.Log.Format == configs.LogJSON {
		return slog.New(slog.NewJSONHandler(talk, options))
	}
	return slog.New(slog.NewTextHandler(talk, options))
}

func levelOf(word configs.LogLevel) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(word)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// listen binds every address before the first client is accepted.
func (d *daemon) listen() error {
	live, err := liveOf(d.current, d.first)
	if err != nil {
		return err
	}
	options := proxy.Options{Listeners: listenersOf(d.first), Live: live, Observer: d.metrics.Observer(), Log: d.log}
	if d.first.Target != nil {
		options.Policy, options.TargetChanged = d.live.Pointer(), d.targetChanged
		options.Observer.Session, options.Observer.SessionGone = d.sessionShown, d.live.DeleteSession
	}
	if d.mirrors != nil {
		options.Mirror = d.mirrors.options()
	}
	d.proxy, err = proxy.Listen(options)
	if err != nil {
		return err
	}
	d.metrics.Watch(d.proxy.Stats)
	d.metrics.Policy(d.live.Snapshot)
	d.configured()
	return d.listenAdmin()
}

func (d *daemon) listenAdmin() error {
	a := d.first.Admin
	options := admin.Options{
		Address: string(a.Address), Metrics: d.metrics.Handler(), Log: d.log,
		Control: recalling{d.control, func() { d.proxy.Recall(time.Duration(d.first.Canary.AbortDeadline)) }},
	}
	var err error
	if options.Tokens, err = d.tokens(); err != nil {
		return err
	}
	if a.TLS.Cert != "" {
		if options.TLS, err = serverTLS(string(a.TLS.Cert), string(a.TLS.Key)); err != nil {
			return err
		}
	}
	d.admin, err = admin.Open(options)
	return err
}

// ready is the line for whoever waits for the proxy.
func (d *daemon) ready() string {
	words := []string{"ready"}
	for i, a := range d.proxy.Addrs() {
		words = append(words, d.first.Listeners[i].Name+"="+a.String())
	}
	return strings.Join(append(words, "admin="+d.admin.Addr().String()), " ")
}

// run serves until the last session is gone. Whatever ends first ends all.
func (d *daemon) run(ctx context.Context, signals <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan struct{})
	go func() { defer close(served); d.proxy.Serve(ctx) }()
	adminEnd := make(chan error, 1)
	go func() { adminEnd <- d.admin.Serve() }()

	var failed error
	for {
		select {
		case s := <-signals:
			d.obey(s, ctx.Err() != nil, stop)
		case failed = <-adminEnd:
			adminEnd = nil
			d.log.Error("the admin address failed; ending", "error", failed)
			stop()
		case <-served:
			return d.close(adminEnd, failed)
		}
	}
}

// obey carries out a signal.
func (d *daemon) obey(s os.Signal, stopping bool, stop context.CancelFunc) {
	switch {
	case s == syscall.SIGHUP:
		d.reloadBySignal(s)
	case stopping:
		d.log.Warn("second signal: ending all sessions now")
		d.proxy.Kill()
	default:
		d.log.Info("draining", "signal", s.String(), "limit", d.first.Limits.Drain.String())
		d.draining.Store(true)
		d.admin.Ready(false)
		stop()
	}
}

// drainBy begins what SIGTERM begins.
func (d *daemon) drainBy() {
	select {
	case d.signals <- syscall.SIGTERM:
	default: // so many wait that one of them ends it
	}
}

// close ends the admin door, the last thing that answers.
func (d *daemon) close(adminEnd <-chan error, failed error) error {
	err := d.admin.Close()
	if adminEnd != nil {
		failed = errors.Join(failed, <-adminEnd)
	}
	d.log.Info("ended")
	if err = errors.Join(failed, err); err != nil {
		return &exit{exitUnreachable, err}
	}
	return nil
}
