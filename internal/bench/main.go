package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	relayCells  = "prepared:1,prepared:8,prepared:32,simple:1,simple:8,extended:8,tpcb:8,rows,connect,idle,moves,decide,syscalls:1,syscalls:8"
	mirrorCells = "update:1,update:8,update:16,update:32,transaction:1,unmapped-read:1,unmapped-read:8,unmapped-write:1,unmapped-write:8," +
		"mapped-read:1,mapped-read:8,update:1@0.5ms,transaction:1@0.5ms,update:1@2ms,transaction:1@2ms,backfill"
	defaultCells = relayCells + "," + mirrorCells
)

// settings are what the command line says.
type settings struct {
	Cells  string        `json:"cells"`
	Rounds int           `json:"rounds"`
	Dur    time.Duration `json:"duration_ns"` // of a pgbench run, after its warm-up
	Warm   time.Duration `json:"warm_up_ns"`  // at the beginning of a pgbench run, dropped
	record bool
	json   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: ERROR", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.Cells, "cells", defaultCells, "what to measure, KIND:CLIENTS@TRIP, KIND:CLIENTS or KIND")
	flags.IntVar(&s.Rounds, "rounds", 9, "undisturbed rounds of each cell, of at most twice as many; rows has at least 7")
	flags.DurationVar(&s.Dur, "dur", 700*time.Millisecond, "length of a pgbench run after its warm-up; with that, rounded up to whole seconds")
	flags.DurationVar(&s.Warm, "warm", 300*time.Millisecond, "warm-up of a pgbench run")
	flags.BoolVar(&s.record, "record", false, "write docs/benchmarks.md")
	flags.StringVar(&s.json, "json", "", "also write the result to this `file` as JSON")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("read the command line: unexpected %q", flags.Arg(0))
	}
	if s.Rounds < leastRounds || s.Dur <= 0 || s.Warm < 0 {
		return s, fmt.Errorf("read the command line: want -rounds of at least %d, -dur above and -warm not below zero", leastRounds)
	}
	return s, nil
}

// run measures, prints, keeps what it was told to keep, and fails when a goal
// is missed.
func run(ctx context.Context, args []string) error {
	s, err := parseFlags(args)
	if err != nil {
		return err
	}
	cells, err := parseCells(s.Cells)
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	r := report{Settings: s}
	if r.Machine, err = describeMachine(ctx, root); err != nil {
		return err
	}
	if err := measure(ctx, root, cells, s, &r); err != nil {
		return err
	}
	if r.Machine.LoadAfter, err = loadAverage(); err != nil {
		return err
	}
	r.Verdicts = judgeAll(&r)
	return deliver(os.Stdout, root, &r)
}

// measure fills r with the results of all cells, in order.
func measure(ctx context.Context, root string, cells []cell, s settings, r *report) (err error) {
	stage, err := openStage(ctx, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	r.Machine.Versions = stage.versions
	for _, c := range cells {
		fmt.Fprintf(os.Stderr, "bench: %s %s\n", time.Now().Format(time.TimeOnly), c)
		if err := stage.measure(ctx, c, s, r); err != nil {
			return fmt.Errorf("measure %s: %w", c, err)
		}
	}
	return nil
}
