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
	"syscall"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/metrics"
	"github.com/crossfade-db/crossfade/proxy"
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
	level   slog.LevelVar
	log     *slog.Logger
	metrics *metrics.Metrics
	admin   *admin.Server
	proxy   *proxy.Server
}

// serve runs until it is told to stop by a signal or by ctx.
func serve(ctx context.Context, file string, out, talk io.Writer) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	defer signal.Stop(signals)
	config, err := configs.Load(file)
	if err != nil {
		return &exit{exitUsage, err}
	}
	d := &daemon{file: file, first: config, current: config, metrics: metrics.New(build())}
	d.log = d.logger(talk)
	if err := d.listen(); err != nil {
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
	d.proxy, err = proxy.Listen(proxy.Options{
		Listeners: listenersOf(d.first), Live: live, Observer: d.metrics.Observer(), Log: d.log,
	})
	if err != nil {
		return err
	}
	d.metrics.Watch(d.proxy.Stats)
	d.configured()
	return d.listenAdmin()
}

func (d *daemon) listenAdmin() error {
	a := d.first.Admin
	var err error
	if a.TLS.Cert == "" {
		d.admin, err = admin.Listen(string(a.Address), nil, d.metrics.Handler())
		return err
	}
	config, err := serverTLS(string(a.TLS.Cert), string(a.TLS.Key))
	if err != nil {
		return err
	}
	d.admin, err = admin.Listen(string(a.Address), config, d.metrics.Handler())
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
		d.reload()
	case stopping:
		d.log.Warn("second signal: ending all sessions now")
		d.proxy.Kill()
	default:
		d.log.Info("draining", "signal", s.String(), "limit", d.current.Limits.Drain.String())
		d.admin.Ready(false)
		stop()
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
