package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// Time between two looks at the worker; between two lines about the same, at
// first and later on.
const (
	lookEvery  = 250 * time.Millisecond
	lineEvery  = time.Second
	laterEvery = 10 * time.Second
	later      = time.Minute
)

// errLeft says that a command ended before what it waited for.
var errLeft = errors.New("interrupted; the worker goes on without this command")

// reconciled sends the worker to all that is dirty and returns when nothing is.
func (c *verbCall) reconciled(ctx context.Context, client *admin.Client, p printer) error {
	if _, err := client.Do(ctx, c.Verb, c.call); err != nil {
		return err
	}
	last, err := c.await(ctx, client, func(now *admin.Reconcile) bool {
		return now.Dirty == 0
	}, func(now *admin.Reconcile) []string { return []string{reconcileLine(now)} }, p)
	if err != nil {
		return err
	}
	return p.print(last)
}

// walked has tables walked, says how far that is, and prints how it ended.
func (c *verbCall) walked(ctx context.Context, client *admin.Client, p printer) error {
	text, err := client.Do(ctx, c.Verb, c.call)
	if err != nil {
		return err
	}
	var asked admin.Backfill
	if err := json.Unmarshal(text, &asked); err != nil {
		return fmt.Errorf("read the answer to %s: %w", c.Name, err)
	}
	_, err = c.await(ctx, client, func(now *admin.Reconcile) bool {
		return follow(asked.Tables, now.Tables)
	}, func(*admin.Reconcile) []string { return walkLines(asked.Tables) }, p)
	if err != nil {
		return err
	}
	if text, err = json.Marshal(asked); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return p.print(text)
}

// follow takes over how far walks are and says whether all have ended. A table
// that the worker does not speak of has nothing to be walked.
func follow(walks, now []admin.Progress) (done bool) {
	done = true
	for i := range walks {
		w := &walks[i]
		at := -1
		for k := range now {
			if now[k].Table == w.Table {
				at = k
			}
		}
		if at < 0 {
			w.State, w.Reason, w.Rate, w.ETA = walkDone, "", 0, nil
			continue
		}
		*w = now[at]
		done = done && w.State == walkDone
	}
	return done
}

// await looks at the worker until something is so, and says lines about it on
// the way. It returns the last answer.
func (c *verbCall) await(
	ctx context.Context, client *admin.Client, done func(*admin.Reconcile) bool, lines func(*admin.Reconcile) []string, p printer,
) ([]byte, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said := sayer{began: time.Now(), said: map[int]string{}}
	for {
		text, err := client.Do(ctx, verbNamed("reconcile status"), admin.Call{})
		var now admin.Reconcile
		switch {
		case ctx.Err() != nil:
			return nil, &exit{exitFound, errLeft}
		case err != nil:
			return nil, err
		}
		if err := json.Unmarshal(text, &now); err != nil {
			return nil, fmt.Errorf("read the answer to reconcile status: %w", err)
		}
		isDone := done(&now)
		said.say(p, lines(&now), isDone)
		switch {
		case isDone:
			return text, nil
		case now.State == workerPaused:
			return nil, &exit{exitFound, fmt.Errorf(`the worker is paused (%s): crossfade reconcile resume --reason "..." lets it go on`, printable(now.Reason))}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, &exit{exitFound, errLeft}
		}
	}
}

// sayer says lines that have changed, and not too often.
type sayer struct {
	began, last time.Time
	said        map[int]string
}

func (s *sayer) say(p printer, lines []string, now bool) {
	every := lineEvery
	if time.Since(s.began) > later {
		every = laterEvery
	}
	if !now && time.Since(s.last) < every {
		return
	}
	s.last = time.Now()
	for i, line := range lines {
		if s.said[i] != line {
			s.said[i] = line
			fmt.Fprintln(p.talk, line)
		}
	}
}

func reconcileLine(r *admin.Reconcile) string {
	return fmt.Sprintf("Reconcile: %s and %s dirty; oldest %s; repaired %s; flapping %d; state %s",
		numbered(units(uint64(max(r.Keys, 0))), "key"), numbered(units(uint64(max(r.Ranges, 0))), "range"), short(r.OldestSeconds), units(r.Repaired), r.Flapping, because(r.State, r.Reason))
}

func walkLines(walks []admin.Progress) []string {
	lines := make([]string, 0, len(walks))
	for i := range walks {
		lines = append(lines, walkLine(&walks[i]))
	}
	return lines
}

// walkLine is how far a walk is:
//
//	Copy public.orders: 4.2M/7.5M 56.0%; wrote 4.1M; 41k rows/s; state running; ETA 1m20s-2m10s
func walkLine(w *admin.Progress) string {
	parts := []string{"Copy " + printable(w.Table) + ": " + units(w.Copied) + " rows"}
	if w.Total > 0 {
		part := min(100*float64(w.Copied)/float64(w.Total), 100)
		parts[0] = fmt.Sprintf("Copy %s: %s/%s %.1f%%", printable(w.Table), units(w.Copied), units(w.Total), part)
	}
	parts = append(parts, "wrote "+units(w.Wrote))
	if w.State != walkDone {
		parts = append(parts, units(w.Rate)+" rows/s")
	}
	parts = append(parts, "state "+because(w.State, w.Reason))
	if w.ETA != nil && w.State != walkDone && w.Copied >= w.Total/100 { // before that nobody can know
		parts = append(parts, "ETA "+whole(w.ETA.Low)+"-"+whole(w.ETA.High))
	}
	return strings.Join(parts, "; ")
}

func because(state, reason string) string {
	if reason == "" {
		return printable(state)
	}
	return printable(state) + " (" + printable(reason) + ")"
}

func whole(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// units is a number in thousands: 999, 4.2k, 41k, 7.5M.
func units(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	value, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, u
	}
	if value < 10 {
		return strconv.FormatFloat(value, 'f', 1, 64) + unit
	}
	return strconv.FormatFloat(value, 'f', 0, 64) + unit
}
