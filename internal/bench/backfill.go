package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

const (
	backfillRows  = 1_000_000
	mostBackfills = 5 // rounds: they are long, and differ little
	backfillBase  = "fill"
	backfillLimit = 10 * time.Minute
)

// backfillResult is what it takes to fill an empty target.
type backfillResult struct {
	Rows   int             `json:"rows"`
	Rounds []backfillRound `json:"rounds"`
}

// backfillRound is one filling, with a copy before it that nobody maps.
type backfillRound struct {
	Copy  float64 `json:"copy_rows_per_second"`  // COPY from one server into the other, with the same cast
	Walk  float64 `json:"walk_rows_per_second"`  // from the first row on
	Said  float64 `json:"said_rows_per_second"`  // by the worker itself, last
	Whole float64 `json:"whole_rows_per_second"` // from the beginning of phase mirror on
	Split split   `json:"split"`                 // per row, of the whole
}

// measureBackfill fills the target again and again, each time by a fresh proxy.
func (s *stage) measureBackfill(ctx context.Context, rounds int) (*backfillResult, error) {
	d, err := s.openDuet(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.shut(); err != nil {
		return nil, err
	}
	rows := "INSERT INTO account " + fmt.Sprintf(accountRows, backfillRows)
	source := "CREATE TABLE account " + fmt.Sprintf(accountColumns, "int") + "; " + rows
	if err := d.makeBase(ctx, backfillBase, source, targetTables); err != nil {
		return nil, err
	}
	result := &backfillResult{Rows: backfillRows}
	for range rounds {
		r, err := d.backfill(ctx)
		if err != nil {
			return nil, err
		}
		result.Rounds = append(result.Rounds, r)
	}
	return result, nil
}

func (d *duet) backfill(ctx context.Context) (r backfillRound, err error) {
	if r.Copy, err = d.copyRows(ctx); err != nil {
		return r, err
	}
	if err := d.equal(ctx, backfillBase, "account"); err != nil {
		return r, err
	}
	if err := d.empty(ctx); err != nil {
		return r, err
	}
	via, err := d.stage.startCrossfade(ctx, proxyOptions{
		route: mirrored, source: d.pair.Source.Addr(), target: d.pair.Target.Addr(),
		mirror: &mirrorOptions{database: backfillBase, tables: mapping, answer: "both"},
	})
	if via.pid != 0 {
		defer func() { err = errors.Join(err, d.stage.stop(via)) }()
	}
	if err != nil {
		return r, err
	}
	via.servers = []int{d.pair.Source.PID(), d.pair.Target.PID()}
	if err := via.walk(ctx, &r); err != nil {
		return r, err
	}
	return r, d.equal(ctx, backfillBase, "account")
}

// empty takes all rows away at the target.
func (d *duet) empty(ctx context.Context) error {
	if err := d.pair.Target.Exec(ctx, backfillBase, "TRUNCATE account"); err != nil {
		return err
	}
	return d.pair.Target.Exec(ctx, backfillBase, "CHECKPOINT")
}

// copyRows is how fast the rows go from one server to the other when nobody
// looks at them on the way, in rows per second.
func (d *duet) copyRows(ctx context.Context) (float64, error) {
	if err := d.empty(ctx); err != nil {
		return 0, err
	}
	source, err := pgconn.Connect(ctx, d.pair.Source.DSN(loadUser, "", backfillBase))
	if err != nil {
		return 0, fmt.Errorf("connect to the source: %w", err)
	}
	defer source.Close(ctx)
	target, err := pgconn.Connect(ctx, d.pair.Target.DSN(loadUser, "", backfillBase))
	if err != nil {
		return 0, fmt.Errorf("connect to the target: %w", err)
	}
	defer target.Close(ctx)
	begin := time.Now()
	from, to := io.Pipe()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := source.CopyTo(ctx, to, "COPY (SELECT id, owner, balance::numeric(12,2), filler FROM account) TO STDOUT (FORMAT binary)")
		return errors.Join(err, to.CloseWithError(err))
	})
	group.Go(func() error {
		_, err := target.CopyFrom(ctx, from, "COPY account FROM STDIN (FORMAT binary)")
		return errors.Join(err, from.CloseWithError(err))
	})
	if err := group.Wait(); err != nil {
		return 0, fmt.Errorf("copy the rows: %w", err)
	}
	return backfillRows / time.Since(begin).Seconds(), nil
}

// walked is what the worker says of its work.
type walked struct {
	Dirty  int `json:"dirty"`
	Tables []struct {
		Table  string  `json:"table"`
		Copied float64 `json:"copied"`
		State  string  `json:"state"`
		Rate   float64 `json:"rows_per_second"`
	} `json:"tables"`
}

// walk waits until a proxy has filled the target, which it has just begun.
func (via route) walk(ctx context.Context, r *backfillRound) error {
	ctx, cancel := context.WithTimeout(ctx, backfillLimit)
	defer cancel()
	before, err := via.look()
	if err != nil {
		return err
	}
	begin, first, already := time.Now(), time.Time{}, 0.0
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		now, err := via.door.walked(ctx)
		if err != nil {
			return err
		}
		switch {
		case len(now.Tables) == 0 || now.Tables[0].Copied == 0:
		case first.IsZero():
			first, already = time.Now(), now.Tables[0].Copied
		}
		if now.Dirty == 0 && !first.IsZero() {
			break
		}
		if len(now.Tables) > 0 && now.Tables[0].Rate > 0 {
			r.Said = now.Tables[0].Rate
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until the target is full: %w with %+v", ctx.Err(), now)
		}
	}
	r.Walk, r.Whole = (backfillRows-already)/time.Since(first).Seconds(), backfillRows/time.Since(begin).Seconds()
	after, err := via.look()
	if err != nil {
		return err
	}
	r.Split = *before.until(after, outcome{allUnits: backfillRows})
	return nil
}

// walked asks without a command, which would take processor time of its own.
func (d door) walked(ctx context.Context) (now walked, err error) {
	token, err := os.ReadFile(filepath.Join(d.state, "admin.token"))
	if err != nil {
		return now, fmt.Errorf("read the admin token: %w", err)
	}
	err = d.ask(ctx, "/api/v1/reconcile", string(bytes.TrimSpace(token)), func(body io.Reader) error {
		return json.NewDecoder(body).Decode(&now)
	})
	return now, err
}

// all is the estimate of one figure.
func (b *backfillResult) all(of func(backfillRound) float64) estimate {
	return estimateOf(each(b.Rounds, of))
}

func (b *backfillResult) table() table {
	t := table{
		Title: fmt.Sprintf("backfill (%d rows of about 100 bytes into an empty table, %d rounds)", b.Rows, len(b.Rounds)),
		Head:  []string{"rows", "rows/s", "to the copy"},
	}
	for _, row := range []struct {
		name string
		of   func(backfillRound) float64
	}{
		{"COPY from one server into the other", func(r backfillRound) float64 { return r.Copy }},
		{"mapped, from the first row on", func(r backfillRound) float64 { return r.Walk }},
		{"mapped, as the worker says at the end", func(r backfillRound) float64 { return r.Said }},
		{"mapped, from the beginning of the phase on", func(r backfillRound) float64 { return r.Whole }},
	} {
		t.Rows = append(t.Rows, []string{
			row.name, b.all(row.of).String(), b.all(func(r backfillRound) float64 { return row.of(r) / r.Copy }).String(),
		})
	}
	for _, row := range []struct {
		name string
		of   func(split) float64
	}{
		{"CPU µs/row of the proxy", func(s split) float64 { return s.Proxy.sum() }},
		{"CPU µs/row of the source", func(s split) float64 { return s.Source.sum() }},
		{"CPU µs/row of the target", func(s split) float64 { return s.Target.sum() }},
		{"machine idle %", func(s split) float64 { return 100 * s.Idle }},
	} {
		t.Rows = append(t.Rows, []string{row.name, b.all(func(r backfillRound) float64 { return row.of(r.Split) }).String(), none})
	}
	return t
}
