package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// movedSessions are as many as the goal says.
const movedSessions = 1000

// movesResult is what it takes to move many sessions. Times are in
// milliseconds, of one read in each session.
type movesResult struct {
	Sessions int          `json:"sessions"`
	First    float64      `json:"first_ms"` // move there and dial the legs at the target as well
	Rounds   []movesRound `json:"rounds"`
}

type movesRound struct {
	Source float64 `json:"source_ms"` // nobody moves
	There  float64 `json:"there_ms"`  // everybody moves to the target, with settings
	Target float64 `json:"target_ms"` // nobody moves
	Back   float64 `json:"back_ms"`   // everybody moves to the source
	CPU    float64 `json:"cpu_us"`    // of the proxy, per session, for the move there
}

// measureMoves moves sessions whose legs are dialled there and back. Before
// each round they change settings by name, so that there is something to carry:
// a leg that has the session's state already is had for nothing.
func (s *stage) measureMoves(ctx context.Context, rounds int) (result *movesResult, err error) {
	c, err := s.openCrowd(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.connect(ctx, movedSessions); err != nil {
		return nil, err
	}
	first, err := c.move(ctx, 100)
	if err != nil {
		return nil, err
	}
	if _, err := c.move(ctx, 0); err != nil {
		return nil, err
	}
	result = &movesResult{Sessions: movedSessions, First: millis(first)}
	for i := range rounds {
		r, err := c.round(ctx, i)
		if err != nil {
			return nil, err
		}
		result.Rounds = append(result.Rounds, r)
	}
	return result, nil
}

func (c *crowd) round(ctx context.Context, i int) (r movesRound, err error) {
	if err := c.each(ctx, func(session int) error { return c.clients[session].change(i) }); err != nil {
		return r, err
	}
	phase := func(into *float64, run func(context.Context) (time.Duration, error)) {
		if err == nil {
			var took time.Duration
			took, err = run(ctx)
			*into = millis(took)
		}
	}
	moving := func(share int) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) { return c.move(ctx, share) }
	}
	phase(&r.Source, c.read)
	before, looking := readUsage(c.proxy.pid)
	phase(&r.There, moving(100))
	after, lookingAgain := readUsage(c.proxy.pid)
	phase(&r.Target, c.read)
	phase(&r.Back, moving(0))
	r.CPU = micros(after.cpu-before.cpu) / float64(len(c.clients))
	return r, errors.Join(err, looking, lookingAgain, c.carried(ctx, i))
}

// carried is an error unless every leg at the target has the name that its
// session was given in the round: a move that carries nothing is a fast one.
func (c *crowd) carried(ctx context.Context, round int) error {
	named, err := c.pair.Target.Query(ctx, loadName, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"+nameIn(round)+"'")
	if err != nil {
		return err
	}
	if named != strconv.Itoa(len(c.clients)) {
		return fmt.Errorf("move %d sessions: the settings of %s are at the target", len(c.clients), named)
	}
	return nil
}

// nameIn is the application_name of a round.
func nameIn(round int) string { return "bench " + strconv.Itoa(round) }

// change gives a session other settings than it has, three by name.
func (c *client) change(round int) error {
	for _, sql := range []string{
		"SET work_mem = " + strconv.Itoa(5000+round),
		"SET search_path = bench_" + strconv.Itoa(round) + ", public",
		"SET application_name = '" + nameIn(round) + "'",
	} {
		if _, err := c.query(sql); err != nil {
			return err
		}
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// added is how much longer a phase took than the same reads did before it, when
// nobody moved.
func (m *movesResult) added(of func(movesRound) float64) estimate {
	var values []float64
	for _, r := range m.Rounds {
		values = append(values, of(r)-r.Source)
	}
	return estimateOf(values)
}

// all is the estimate of one figure.
func (m *movesResult) all(of func(movesRound) float64) estimate {
	var values []float64
	for _, r := range m.Rounds {
		values = append(values, of(r))
	}
	return estimateOf(values)
}

const (
	phaseSource = "at the source"
	phaseThere  = "moves to the target"
)

// phases are the parts of a round, in order.
var phases = []struct {
	name string
	of   func(movesRound) float64
}{
	{phaseSource, func(r movesRound) float64 { return r.Source }},
	{phaseThere, func(r movesRound) float64 { return r.There }},
	{"at the target", func(r movesRound) float64 { return r.Target }},
	{"moves back", func(r movesRound) float64 { return r.Back }},
}
