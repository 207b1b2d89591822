package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// ledger is what a proxy's metrics say of mirrored writes. The zero value is
// that of a route that mirrors nothing.
type ledger struct {
	ends    map[string]float64 // transactions that wrote a mapped table, by outcome and cause
	dirty   float64            // keys and ranges
	open    float64            // intents in the journal
	syncs   float64
	syncing float64 // seconds, of all fsyncs
	buckets []bucket
}

// bucket counts what took at most so many seconds.
type bucket struct{ most, count float64 }

// mirrorShare is what became of the writes of one run.
type mirrorShare struct {
	Inline float64 `json:"inline"`       // part of them that reached both sides at once
	Before float64 `json:"dirty_before"` // keys and ranges that may differ, and open intents
	After  float64 `json:"dirty_after"`
	Syncs  float64 `json:"fsyncs_per_write"`
	Fsync  float64 `json:"fsync_p50_us"` // interpolated
	Mean   float64 `json:"fsync_mean_us"`
}

// bothSides is the outcome of a transaction that reached both sides at once.
const bothSides = "both"

// leastInline is the part of writes that must have reached both sides at once
// for a run to be one of mirrored writes.
const leastInline = 0.99

// settleLimit bounds how long the last answers of the target may take after a
// run. What is a backlog is there longer.
const settleLimit = time.Second

func (via route) ledger(ctx context.Context) (ledger, error) {
	if !via.mirrors {
		return ledger{}, nil
	}
	return via.door.ledger(ctx)
}

// settled compares with what was there before a run of n writes.
func (via route) settled(ctx context.Context, before ledger, n float64) (*mirrorShare, error) {
	if !via.mirrors {
		return nil, nil
	}
	deadline := time.Now().Add(settleLimit)
	after, err := via.door.ledger(ctx)
	again := time.NewTicker(settleLimit / 50)
	defer again.Stop()
	for err == nil && after.backlog() > before.backlog() && time.Now().Before(deadline) {
		<-again.C
		after, err = via.door.ledger(ctx)
	}
	if err != nil {
		return nil, err
	}
	return before.until(after, n)
}

func (l ledger) backlog() float64 { return l.dirty + l.open }

// until is an error when something else than mirrored writes was measured. A
// run without writes has none, and no share.
func (l ledger) until(after ledger, n float64) (*mirrorShare, error) {
	ends := map[string]float64{}
	all := 0.0
	for end, count := range after.ends {
		if more := count - l.ends[end]; more > 0 {
			ends[end] = more
			all += more
		}
	}
	if all == 0 {
		return nil, nil
	}
	s := &mirrorShare{Inline: ends[bothSides] / n, Before: l.backlog(), After: after.backlog()}
	if s.Inline < leastInline || all > n {
		return nil, fmt.Errorf("%.0f writes were made, and counted are %v", n, ends)
	}
	if syncs := after.syncs - l.syncs; syncs > 0 {
		s.Syncs = syncs / n
		s.Mean = (after.syncing - l.syncing) / syncs * float64(time.Second/time.Microsecond)
		s.Fsync = middleOf(l.buckets, after.buckets) * float64(time.Second/time.Microsecond)
	}
	return s, nil
}

// middleOf is the median of what came between two counts of the same buckets,
// as if all of a bucket were spread evenly over it.
func middleOf(before, after []bucket) float64 {
	counts := make([]float64, len(after))
	for i, b := range after {
		counts[i] = b.count
		if i < len(before) {
			counts[i] -= before[i].count
		}
	}
	if len(counts) == 0 {
		return 0
	}
	half := counts[len(counts)-1] / 2
	low, below := 0.0, 0.0
	for i, b := range after {
		if counts[i] >= half && counts[i] > below {
			return low + (b.most-low)*(half-below)/(counts[i]-below)
		}
		low, below = b.most, counts[i]
	}
	return low
}

// middleMirror is the typical share, with the largest growth of the backlog;
// nil where a run was not one of mirrored writes.
func middleMirror(all []*mirrorShare) *mirrorShare {
	var m mirrorShare
	var inline, syncs, fsync, mean []float64
	for i, s := range all {
		if s == nil {
			return nil
		}
		if i == 0 || s.After-s.Before > m.After-m.Before {
			m.Before, m.After = s.Before, s.After
		}
		inline, syncs = append(inline, s.Inline), append(syncs, s.Syncs)
		fsync, mean = append(fsync, s.Fsync), append(mean, s.Mean)
	}
	if len(all) == 0 {
		return nil
	}
	m.Inline, m.Syncs, m.Fsync, m.Mean = minimum(inline), median(syncs), median(fsync), median(mean)
	return &m
}

func minimum(values []float64) float64 {
	least := values[0]
	for _, v := range values {
		least = min(least, v)
	}
	return least
}

// askLimit bounds one question to the admin door.
const askLimit = 10 * time.Second

// ledger reads the metrics, which take no token.
func (d door) ledger(ctx context.Context) (l ledger, err error) {
	err = d.ask(ctx, "/metrics", "", func(body io.Reader) error {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(body)
		if err != nil {
			return err
		}
		l, err = ledgerOf(families)
		return err
	})
	return l, err
}

// ask reads one page of the admin door.
func (d door) ask(ctx context.Context, path, token string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+path, nil)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for %s: %s", path, response.Status)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

var errNoLedger = errors.New("the proxy has no metrics of mirrored writes")

func ledgerOf(families map[string]*dto.MetricFamily) (ledger, error) {
	l := ledger{ends: map[string]float64{}}
	if families["crossfade_journal_open_intents"] == nil || families["crossfade_dirty_keys"] == nil {
		return l, errNoLedger
	}
	for _, m := range families["crossfade_mirror_writes_total"].GetMetric() {
		end := labelOf(m, "outcome")
		if cause := labelOf(m, "cause"); cause != "" {
			end += " " + cause
		}
		l.ends[end] += m.GetCounter().GetValue()
	}
	for _, name := range []string{"crossfade_dirty_keys", "crossfade_dirty_ranges"} {
		for _, m := range families[name].GetMetric() {
			l.dirty += m.GetGauge().GetValue()
		}
	}
	for _, m := range families["crossfade_journal_open_intents"].GetMetric() {
		l.open += m.GetGauge().GetValue()
	}
	for _, m := range families["crossfade_journal_fsync_seconds"].GetMetric() {
		h := m.GetHistogram()
		l.syncs, l.syncing = float64(h.GetSampleCount()), h.GetSampleSum()
		for _, b := range h.GetBucket() {
			l.buckets = append(l.buckets, bucket{b.GetUpperBound(), float64(b.GetCumulativeCount())})
		}
	}
	return l, nil
}

func labelOf(m *dto.Metric, name string) string {
	for _, label := range m.GetLabel() {
		if label.GetName() == name {
			return label.GetValue()
		}
	}
	return ""
}
