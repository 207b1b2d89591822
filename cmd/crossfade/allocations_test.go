package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// metric is the value of a metric without labels.
func (c *child) metric(t testing.TB, name string) float64 {
	t.Helper()
	_, body, err := c.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// ask runs a prepared statement n times on each of the connections at once.
func ask(ctx context.Context, conns []*pgx.Conn, n int) error {
	errs := make([]error, len(conns))
	var all sync.WaitGroup
	for i, conn := range conns {
		all.Go(func() {
			for range n {
				var sum int
				if err := conn.QueryRow(ctx, "SELECT $1::int + 1", i).Scan(&sum); err != nil || sum != i+1 {
					errs[i] = fmt.Errorf("sum %d: %w", sum, err)
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// scrapes are enough for a mean. A single count lags by hundreds: the runtime
// adds up what a processor has allocated at a collection of garbage, which the
// memory limit below makes frequent, or when its span is full.
const scrapes = 10

// mallocs is the mean of how many objects the process has allocated, over
// scrapes of its own metrics, which allocate as well.
func (c *child) mallocs(t testing.TB) (mean float64) {
	t.Helper()
	for range scrapes {
		mean += c.metric(t, "go_memstats_mallocs_total") / scrapes
	}
	return mean
}

// The promise is none; what is allowed is the runtime's own work beside it.
func TestRelayingAStatementAllocatesNothing(t *testing.T) {
	const (
		sessions = 4
		queries  = 100_000
		most     = 0.01 // per query
	)
	c := start(t, settings{}, "GOMEMLIMIT=1")
	var conns []*pgx.Conn
	for range sessions {
		conns = append(conns, c.connect(t, "app", appPassword, ""))
	}
	if err := ask(t.Context(), conns, queries/10/sessions); err != nil {
		t.Fatal(err)
	}
	first := c.mallocs(t)
	second := c.mallocs(t)
	if err := ask(t.Context(), conns, queries/sessions); err != nil {
		t.Fatal(err)
	}
	third := c.mallocs(t)
	each := ((third - second) - (second - first)) / queries
	t.Logf("%.4f allocations per query; a scrape has %.0f", each, (second-first)/scrapes)
	if each >= most {
		t.Errorf("want less than %v", most)
	}
}
