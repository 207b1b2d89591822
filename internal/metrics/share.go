package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/router"
)

// countReasons makes one counter per reason, so that counting allocates nothing.
func (m *Metrics) countReasons() {
	fallbacks := counter("fallbacks_total", "Statements of the canary that the source answered, by why.", "reason")
	pins := counter("pins_total", "Sessions of the canary found unable to move, by why.", "reason")
	moves := counter("session_moves_total", "Moves of sessions, by the side that they came to.", "side")
	for r := range router.Reasons {
		if r.Pins() {
			m.pins[r] = pins.WithLabelValues(r.String())
		}
		if r != router.None {
			m.fallbacks[r] = fallbacks.WithLabelValues(r.String())
		}
	}
	for side := range m.moves {
		m.moves[side] = moves.WithLabelValues(router.Side(side).String())
	}
	m.registry.MustRegister(fallbacks, pins, moves)
}

// observeShare adds what concerns sessions with two sides.
func (m *Metrics) observeShare(o *proxy.Observer) {
	o.FellBack = func(why router.Reason) {
		if c := m.fallbacks[why]; c != nil {
			c.Inc()
		}
	}
	o.Pinned = func(why router.Reason) {
		if c := m.pins[why]; c != nil {
			c.Inc()
		}
	}
	o.Moved = func(_ uint64, side router.Side) { m.moves[side].Inc() }
}

// Act counts one act of the chain.
func (m *Metrics) Act(act, result string) { m.acts.WithLabelValues(act, result).Inc() }

// Policy shows what sessions are routed by.
func (m *Metrics) Policy(snapshot func() *router.Snapshot) { m.registry.MustRegister(policy{snapshot}) }

type policy struct{ snapshot func() *router.Snapshot }

var (
	shareDesc   = prometheus.NewDesc(namespace+"_share_ratio", "The share of sessions that the target answers, 0 to 1.", nil, nil)
	phaseDesc   = prometheus.NewDesc(namespace+"_phase", "1 for the phase in force, 0 for the others.", []string{"phase"}, nil)
	versionDesc = prometheus.NewDesc(namespace+"_policy_version", "The version of phase and share in force.", nil, nil)
	breakerDesc = prometheus.NewDesc(namespace+"_breaker", "1 while the breaker holds the side off.", []string{"side"}, nil)
)

// Describe implements prometheus.Collector.
func (policy) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{shareDesc, phaseDesc, versionDesc, breakerDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p policy) Collect(ch chan<- prometheus.Metric) {
	now := p.snapshot()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(shareDesc, now.Share.Percent()/100)
	gauge(versionDesc, float64(now.Version))
	for _, phase := range router.Phases() {
		gauge(phaseDesc, one(phase == now.Phase), phase.String())
	}
	gauge(breakerDesc, one(now.Target == router.TargetBroken), router.Target.String())
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
