package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings are what the command line says.
type settings struct {
	rounds int
	only   int // of the rounds, this one alone; 0: all
	seed   uint64
	load   time.Duration // least of a round
	keep   bool
	on     bool   // also after a round that has failed
	share  int    // of the sessions that the target answers, in percent
	binary string // crossfade; empty: it is built
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: ERROR", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (settings, error) {
	s := settings{seed: uint64(rand.Uint32())}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.IntVar(&s.rounds, "rounds", 100, "how many rounds")
	flags.IntVar(&s.only, "only", 0, "of these, only this `round`")
	flags.Uint64Var(&s.seed, "seed", s.seed, "what decides on strikes and load; random by default")
	flags.DurationVar(&s.load, "load", 4*time.Second, "least time of load in a round")
	flags.BoolVar(&s.keep, "keep", false, "keep the logs also when nothing has failed")
	flags.BoolVar(&s.on, "on", false, "go on after a round that has failed")
	flags.IntVar(&s.share, "share", 50, "how many sessions the target answers, in `percent`")
	flags.StringVar(&s.binary, "binary", "", "use this crossfade `file`, made with -tags failpoints, instead of building one")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("read the command line: unexpected %q", flags.Arg(0))
	}
	if s.rounds < 1 || s.only < 0 || s.only > s.rounds || s.load < time.Second {
		return s, errors.New("read the command line: want -rounds of at least 1, -only one of them, -load of at least 1s")
	}
	return s, nil
}

// Time that a run may take: to begin with, and for each round.
const (
	beginMost = 5 * time.Minute
	roundMost = 5 * time.Minute
)

func run(ctx context.Context, args []string) (err error) {
	s, err := parseFlags(args)
	if err != nil {
		return err
	}
	fmt.Printf("seed %d\n", s.seed)
	ctx, cancel := context.WithTimeout(ctx, beginMost+time.Duration(s.rounds)*roundMost)
	defer cancel()
	stage, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close(s.keep || err != nil)) }()
	if err = play(ctx, stage, s); err != nil {
		return fmt.Errorf("seed %d: %w", s.seed, err)
	}
	return nil
}

// play begins the migration and runs the rounds.
func play(ctx context.Context, st *stage, s settings) error {
	all := newTotals(s)
	if err := all.prepare(ctx, st); err != nil {
		return err
	}
	var failed error
	for _, plan := range plans(s.seed, s.rounds) {
		if s.only != 0 && s.only != plan.number {
			continue
		}
		r, err := playRound(ctx, st, plan, s)
		all.add(r)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("round %d: %w", plan.number, err))
			if !s.on || ctx.Err() != nil {
				break
			}
		}
	}
	all.print()
	if failed != nil {
		return failed
	}
	return all.judge()
}

// againMost is how often a round is played again that others have starved.
const againMost = 2

func playRound(ctx context.Context, st *stage, plan roundPlan, s settings) (*round, error) {
	for again := 0; ; again++ {
		r := &round{plan: plan, stage: st, load: s.load, rounds: s.rounds}
		err := r.play(ctx)
		fmt.Println(r.line())
		if !r.starved || again == againMost || ctx.Err() != nil {
			return r, err
		}
		fmt.Println("    the machine had no time; once more:", err)
	}
}
