// Package metrics turns what the proxy tells its observers into Prometheus
// metrics. Their names are a promise to dashboards and alerts: one prefix,
// base units, no label without a bound.
//
//	m := metrics.New(metrics.Build{Version: "0.1.0"})
//	server, err := proxy.Listen(proxy.Options{Observer: m.Observer(), …})
//	m.Watch(server.Stats)
//	http.Handle("/metrics", m.Handler())
package metrics

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
)

// Build is what this binary is.
type Build struct{ Version, Revision, Go string }

// Metrics is one registry and what feeds it.
type Metrics struct {
	registry   *prometheus.Registry
	statements [shards]shard
	seconds    *prometheus.HistogramVec
	overhead   *prometheus.HistogramVec
	logins     *prometheus.CounterVec
	cancels    *prometheus.CounterVec
	ends       *prometheus.CounterVec
	dials      *prometheus.CounterVec
	fallbacks  [router.Reasons]prometheus.Counter
	pins       [router.Reasons]prometheus.Counter
	moves      [router.Sides]prometheus.Counter
	acts       *prometheus.CounterVec
	config     *prometheus.GaugeVec
	reloaded   prometheus.Gauge
	mirror     *mirrorMetrics
}

// shards spread the counters of statements, so that sessions on several
// processors do not share a cache line.
const shards = 32

type shard struct {
	counts [router.Sides][2]atomic.Uint64 // answered, failed
	_      [32]byte
}

// kindUnparsed is the kind of every statement while none is parsed.
const kindUnparsed = "unparsed"

// New makes the metrics of one process.
func New(build Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.seconds = histogram("statement_seconds", "Time from a client's statement to its last answer; one exchange in 64 of each session is timed.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .1, .5, 1, 5, 10}, "side", "kind")
	m.overhead = histogram("overhead_seconds", "The proxy's own part of an exchange, of the same sample.",
		[]float64{.000005, .00001, .000025, .00005, .0001, .00025, .001, .01}, "protocol", "lane")
	m.logins = counter("logins_total", "Logins by how they ended.", "outcome")
	m.cancels = counter("cancels_total", "Cancel requests by what became of them.", "outcome")
	m.ends = counter("session_ends_total", "Sessions by why they ended.", "reason")
	m.dials = counter("backend_logins_total", "Logins at a side.", "side", "outcome")
	m.acts = counter("acts_total", "Acts in the chain, by what was done and how it ended.", "act", "result")
	m.countReasons()
	m.mirror = newMirrorMetrics()
	m.registry.MustRegister(m.mirror.all()...)
	m.config = gauge("config_info", "The configuration in force: always 1.", "hash", "generation")
	m.reloaded = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "config_reload_success", Help: "1 if the last load of the configuration worked, else 0.",
	})
	info := gauge("build_info", "What this binary is: always 1.", "version", "revision", "go")
	info.WithLabelValues(build.Version, build.Revision, build.Go).Set(1)
	m.registry.MustRegister(m.seconds, m.overhead, m.logins, m.cancels, m.ends, m.dials, m.acts, m.config, m.reloaded, info,
		statements{m}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const namespace = "crossfade"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// Observer feeds the metrics. Nothing of it allocates per statement.
func (m *Metrics) Observer() proxy.Observer {
	var seconds [router.Sides]prometheus.Observer
	for side := range router.Side(router.Sides) {
		seconds[side] = m.seconds.WithLabelValues(side.String(), kindUnparsed)
	}
	fast := m.overhead.WithLabelValues("postgres", "fast")
	o := proxy.Observer{
		Answered: func(id uint64, side router.Side, c engine.Counts) {
			s := &m.statements[id%shards].counts[side]
			s[0].Add(uint64(c.OK))
			if c.Failed > 0 {
				s[1].Add(uint64(c.Failed))
			}
		},
		Sampled: func(side router.Side, total, overhead time.Duration) {
			seconds[side].Observe(total.Seconds())
			fast.Observe(overhead.Seconds())
		},
		Login:      func(o proxy.LoginOutcome) { m.logins.WithLabelValues(string(o)).Inc() },
		Cancel:     func(o proxy.CancelOutcome) { m.cancels.WithLabelValues(string(o)).Inc() },
		SessionEnd: func(why proxy.EndReason) { m.ends.WithLabelValues(string(why)).Inc() },
		Dialled: func(side router.Side, err error) {
			outcome := "ok"
			if err != nil {
				outcome = "failed"
			}
			m.dials.WithLabelValues(side.String(), outcome).Inc()
		},
	}
	m.observeShare(&o)
	return o
}

// Configured tells of a configuration that is in force from now on.
func (m *Metrics) Configured(hash, generation string) {
	m.config.Reset()
	m.config.WithLabelValues(hash, generation).Set(1)
	m.reloaded.Set(1)
}

// ReloadFailed tells of a configuration that was refused.
func (m *Metrics) ReloadFailed() { m.reloaded.Set(0) }

// Watch adds what is counted only when somebody looks.
func (m *Metrics) Watch(stats func() proxy.Stats) { m.registry.MustRegister(sessions{stats}) }

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
