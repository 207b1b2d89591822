package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// mirrorMetrics are what mirrored writes count.
type mirrorMetrics struct {
	writes     *prometheus.CounterVec
	uncaptured *prometheus.CounterVec
	refused    *prometheus.CounterVec
	missed     *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	repairs    *prometheus.CounterVec
	fsync      prometheus.Histogram
}

func newMirrorMetrics() *mirrorMetrics {
	times := []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
	return &mirrorMetrics{
		writes:     counter("mirror_writes_total", "Transactions that wrote a mapped table, by how they ended on the two sides.", "table", "outcome", "cause"),
		uncaptured: counter("mirror_uncaptured_total", "Statements whose rows could not be seen, by why.", "reason"),
		refused:    counter("mirror_refused_total", "Errors of the target within mirrored transactions.", "sqlstate"),
		missed:     counter("mirror_missed_deletes_total", "Deletes that met no row at the target, by whether their key was taken there.", "followed"),
		seconds:    histogram("mirror_seconds", "Time of one step of a mirrored transaction.", times, "step"),
		repairs:    counter("repairs_total", "Keys that the worker has looked at, by what it found.", "table", "outcome"),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "journal_fsync_seconds", Help: "Time of one fsync of the journal.", Buckets: times,
		}),
	}
}

func (m *mirrorMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.writes, m.uncaptured, m.refused, m.missed, m.seconds, m.repairs, m.fsync}
}

// Mirrored counts a transaction that has ended, for one of its tables.
func (m *Metrics) Mirrored(table, outcome, cause string) {
	m.mirror.writes.WithLabelValues(table, outcome, cause).Inc()
}

// Uncaptured counts a statement whose rows could not be seen.
func (m *Metrics) Uncaptured(reason string) { m.mirror.uncaptured.WithLabelValues(reason).Inc() }

// TargetRefused counts an error of the target within a mirrored transaction.
func (m *Metrics) TargetRefused(sqlstate string) { m.mirror.refused.WithLabelValues(sqlstate).Inc() }

// MissedDelete counts a delete that met no row at the target.
func (m *Metrics) MissedDelete(followed bool) {
	word := "no"
	if followed {
		word = "yes"
	}
	m.mirror.missed.WithLabelValues(word).Inc()
}

// MirrorStep times one step of a mirrored transaction.
func (m *Metrics) MirrorStep(step string, took time.Duration) {
	m.mirror.seconds.WithLabelValues(step).Observe(took.Seconds())
}

// Synced times one fsync of the journal.
func (m *Metrics) Synced(took time.Duration) { m.mirror.fsync.Observe(took.Seconds()) }

// Repaired counts a key that the worker has looked at.
func (m *Metrics) Repaired(table, outcome string) {
	m.mirror.repairs.WithLabelValues(table, outcome).Inc()
}

// Backlog is what is dirty of one table.
type Backlog struct {
	Table        string
	Keys, Ranges int
	Oldest       time.Time // zero: nothing is
}

// Backlog shows what is dirty, and what the journal holds open.
func (m *Metrics) Backlog(dirty func() []Backlog, open func() (intents int, bytes uint64)) {
	m.registry.MustRegister(backlog{dirty, open})
}

type backlog struct {
	dirty func() []Backlog
	open  func() (int, uint64)
}

var (
	dirtyKeysDesc   = prometheus.NewDesc(namespace+"_dirty_keys", "Keys whose two sides may differ.", []string{"table"}, nil)
	dirtyRangesDesc = prometheus.NewDesc(namespace+"_dirty_ranges", "Ranges whose two sides may differ.", []string{"table"}, nil)
	dirtyOldestDesc = prometheus.NewDesc(namespace+"_dirty_oldest_seconds", "Age of the oldest key or range that may differ; 0: there is none.", nil, nil)
	openDesc        = prometheus.NewDesc(namespace+"_journal_open_intents", "Transactions whose outcome is not known to the journal yet.", nil, nil)
	bytesDesc       = prometheus.NewDesc(namespace+"_journal_bytes_total", "Bytes written to the journal.", nil, nil)
)

// Describe implements prometheus.Collector.
func (backlog) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{dirtyKeysDesc, dirtyRangesDesc, dirtyOldestDesc, openDesc, bytesDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (b backlog) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	oldest := time.Time{}
	for _, t := range b.dirty() {
		gauge(dirtyKeysDesc, float64(t.Keys), t.Table)
		gauge(dirtyRangesDesc, float64(t.Ranges), t.Table)
		if !t.Oldest.IsZero() && (oldest.IsZero() || t.Oldest.Before(oldest)) {
			oldest = t.Oldest
		}
	}
	age := 0.0
	if !oldest.IsZero() {
		age = time.Since(oldest).Seconds()
	}
	gauge(dirtyOldestDesc, age)
	intents, bytes := b.open()
	gauge(openDesc, float64(intents))
	ch <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(bytes))
}
