package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/internal/demo"
)

// The variables that change what demo does.
const (
	demoExit    = "DEMO_EXIT"
	demoSeconds = "DEMO_SECONDS"
	demoReport  = "DEMO_REPORT"
)

func demoCommand() *cobra.Command {
	var leave bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Starts real databases, a load and the proxy, and shows what happens", Args: cobra.NoArgs,
		Long: `Starts an old PostgreSQL with a small shop and a new one with its empty tables, one
of them in another shape, and the proxy in front of them. Under load it mirrors
every write, fills the new one, lets it answer a share of the reading sessions,
and plants faults: the new one is killed for ten seconds, it refuses rows by a
constraint of its own, a row of it is changed behind the proxy. It aborts, and
prints what the clients, the servers and the proxy have to say, and the report,
with checks that must hold. Then it leaves all running, with the lines to type,
until Ctrl-C.

PostgreSQL's server programs are taken from CROSSFADE_PG_BIN, the PATH, Debian's
packages or the cache. DEMO_SECONDS is how long each share is held (3, or 1
with --exit), DEMO_EXIT=1 is --exit, and DEMO_REPORT is the file of the report.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := demoOptions(leave)
			if err != nil {
				return &exit{exitUsage, err}
			}
			opt.Out, opt.Talk = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return runDemo(cmd.Context(), opt)
		},
	}
	cmd.Flags().BoolVar(&leave, "exit", false, "end after the checks")
	return cmd
}

// demoOptions reads the environment.
func demoOptions(leave bool) (demo.Options, error) {
	opt := demo.Options{Serve: serve, Command: run, Exit: leave, Report: os.Getenv(demoReport)}
	if text := os.Getenv(demoExit); text != "" {
		set, err := strconv.ParseBool(text)
		if err != nil {
			return opt, fmt.Errorf("%s=%q: write 1 or 0", demoExit, text)
		}
		opt.Exit = opt.Exit || set
	}
	if text := os.Getenv(demoSeconds); text != "" {
		const most = 60 * 60
		seconds, err := strconv.ParseUint(text, 10, 32)
		if err != nil || seconds < 1 || seconds > most {
			return opt, fmt.Errorf("%s=%q: write a number of seconds from 1 to %d", demoSeconds, text, most)
		}
		opt.Length = time.Duration(seconds) * time.Second
	}
	return opt, nil
}

// runDemo ends with the signals that end the proxy, and with the terminal. A
// reader who goes away is an error and not a signal, so that all is removed.
func runDemo(ctx context.Context, opt demo.Options) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	err := demo.Run(ctx, opt)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, demo.ErrFailed):
		return &exit{exitFound, err}
	case ctx.Err() != nil:
		return &exit{exitFound, fmt.Errorf("interrupted: %w", err)}
	default:
		return &exit{exitUnreachable, err}
	}
}
