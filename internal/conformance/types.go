package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/drivers"
)

// typesFloor is how many sections and rounds the four drivers have together.
const typesFloor = 340

// shareCourse is how the share moves in the three rounds of a script.
type shareCourse struct {
	name   string
	shares drivers.Shares
}

var (
	thereAndBack = shareCourse{"0, 100, 0", drivers.Shares{false, true, false}}
	backAndThere = shareCourse{"100, 0, 100", drivers.Shares{true, false, true}}
)

// types runs drivers that remember type numbers while an operator moves their
// session to the target and back (package drivers).
func (h *harness) types(ctx context.Context) (r report, err error) {
	began := time.Now()
	all := drivers.All()
	for _, d := range all {
		if err := d.Find(ctx); err != nil {
			return r, err
		}
	}
	pair, err := dbserver.StartPair(ctx, dbserver.Options{}, nil)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, pair.Stop(context.WithoutCancel(ctx))) }()
	if err := drivers.Prepare(ctx, pair); err != nil {
		return r, err
	}
	r, err = h.typesOf(ctx, pair, all, thereAndBack, backAndThere)
	r.Floor, r.Seconds = typesFloor, time.Since(began).Seconds()
	return r, err
}

// typesOf compares drivers on a pair that is prepared, at the source alone and
// through a proxy whose share moves while they are connected.
func (h *harness) typesOf(ctx context.Context, pair dbserver.Pair, all []drivers.Driver, courses ...shareCourse) (r report, err error) {
	r = report{
		Suite: "types", Title: "type and table numbers, share moved",
		Server: pair.Source.Version().Text + " to " + pair.Target.Version().Text,
		Direct: results{}, Proxied: results{},
	}
	proxy, err := startProxy(ctx, h.dir, proxyOptions{
		binary: h.binary, plain: true,
		source: side{address: pair.Source.Addr()}, target: &side{address: pair.Target.Addr()},
		canary:   canary{writes: "refuse", keys: []string{"user"}},
		accounts: []account{{drivers.User, drivers.Secret, "scram"}},
	})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, proxy.stop()) }()
	if err := proxy.canaryOf(ctx, "0"); err != nil {
		return r, err
	}
	ports := drivers.Ports{Source: pair.Source.Port(), Target: pair.Target.Port()}
	for _, d := range all {
		h.talk("types: %s, directly and through the proxy", d.Name)
		for _, course := range courses {
			direct, err := d.Run(ctx, drivers.Course{Port: ports.Source, Shares: course.shares})
			if err != nil {
				return r, err
			}
			through, err := d.Run(ctx, drivers.Course{Port: proxy.port, Shares: course.shares, Move: proxy.move})
			if err != nil {
				return r, fmt.Errorf("through the proxy, share %s: %w", course.name, err)
			}
			r.addRounds(d.Name+", share "+course.name, direct, through)
			r.Evidence.Sessions++ // a run has one connection, or ends with an error
			for _, wrong := range drivers.Wrong(through, course.shares, ports) {
				r.Wrong = append(r.Wrong, fmt.Sprintf("%s, share %s, %s", d.Name, course.name, wrong))
			}
		}
	}
	r.Differences = compare(r.Direct, r.Proxied)
	return r, nil
}

// move sends all sessions to the target, or back to the source.
func (p *proxied) move(ctx context.Context, whole bool) error {
	share := "0"
	if whole {
		share = "100"
	}
	return p.operate(ctx, "canary", "set", share)
}

// addRounds makes results of what a driver has printed, by sections, and of
// all that it was sent.
func (r *report) addRounds(driver string, direct, through []drivers.Round) {
	for _, run := range []struct {
		rounds []drivers.Round
		into   results
	}{{direct, r.Direct}, {through, r.Proxied}} {
		for i, round := range run.rounds {
			name := func(what string) test {
				return test{Package: driver, Name: fmt.Sprintf("round %d, %s", i+1, what)}
			}
			run.into[name("(messages)")] = result{passed, round.Sent}
			for _, s := range round.Sections() {
				run.into[name(s.Name)] = result{passed, s.Text}
			}
		}
	}
}
