package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
)

// statements merges the shards when somebody looks.
type statements struct{ m *Metrics }

var statementsDesc = prometheus.NewDesc(namespace+"_statements_total", "Statements answered.", []string{"side", "kind", "outcome"}, nil)

// Describe implements prometheus.Collector.
func (statements) Describe(ch chan<- *prometheus.Desc) { ch <- statementsDesc }

// Collect implements prometheus.Collector.
func (s statements) Collect(ch chan<- prometheus.Metric) {
	for side := range router.Side(router.Sides) {
		for i, outcome := range []string{"ok", "error"} {
			var sum uint64
			for n := range s.m.statements {
				sum += s.m.statements[n].counts[side][i].Load()
			}
			ch <- prometheus.MustNewConstMetric(statementsDesc, prometheus.CounterValue, float64(sum), side.String(), kindUnparsed, outcome)
		}
	}
}

// sessions counts what is connected when somebody looks.
type sessions struct{ stats func() proxy.Stats }

var (
	sessionsDesc = prometheus.NewDesc(namespace+"_sessions", "Sessions of clients.", []string{"side", "state"}, nil)
	pendingDesc  = prometheus.NewDesc(namespace+"_sessions_pending", "Sessions that have still to leave the target.", nil, nil)
	pinnedDesc   = prometheus.NewDesc(namespace+"_sessions_pinned", "Sessions of the canary that cannot move, by why.", []string{"reason"}, nil)
	backendsDesc = prometheus.NewDesc(namespace+"_backends", "Connections to the sides.", []string{"side"}, nil)
	buffersDesc  = prometheus.NewDesc(namespace+"_buffer_bytes", "Bytes in large buffers, of limits.memory.", nil, nil)
)

// Describe implements prometheus.Collector.
func (sessions) Describe(ch chan<- *prometheus.Desc) {
	ch <- sessionsDesc
	ch <- pendingDesc
	ch <- pinnedDesc
	ch <- backendsDesc
	ch <- buffersDesc
}

// Collect implements prometheus.Collector.
func (s sessions) Collect(ch chan<- prometheus.Metric) {
	stats := s.stats()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for side, n := range stats.Sessions {
		gauge(sessionsDesc, float64(stats.Busy[side]), router.Side(side).String(), "active")
		gauge(sessionsDesc, float64(n-stats.Busy[side]), router.Side(side).String(), "idle")
	}
	gauge(pendingDesc, float64(stats.Pending))
	for why, n := range stats.Pins {
		gauge(pinnedDesc, float64(n), why.String())
	}
	for side, n := range stats.Backends {
		gauge(backendsDesc, float64(n), router.Side(side).String())
	}
	gauge(buffersDesc, float64(stats.BufferBytes))
}
