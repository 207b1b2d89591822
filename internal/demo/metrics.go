package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// figures is what the proxy's metrics say.
type figures struct {
	memory    int64         // bytes in use by the process (RSS)
	exchanges uint64        // that were timed
	own       time.Duration // the proxy's part of them, together
	// fallbacks are statements of the canary's sessions that the source answered,
	// by why.
	fallbacks map[string]int64
}

const (
	metricsTime  = 5 * time.Second
	metricsBytes = 4 << 20
)

// readMetrics asks the admin address of a proxy.
func readMetrics(ctx context.Context, admin string) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return figures{}, fmt.Errorf("read the proxy's metrics: %w", err)
	}
	var client http.Client
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return figures{}, fmt.Errorf("read the proxy's metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return figures{}, fmt.Errorf("read the proxy's metrics: %s", response.Status)
	}
	return parseMetrics(io.LimitReader(response.Body, metricsBytes))
}

// parseMetrics reads Prometheus' text format and adds up what differs by
// labels only. A metric that is not there is 0.
func parseMetrics(text io.Reader) (figures, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return figures{}, fmt.Errorf("read the proxy's metrics: %w", err)
	}
	gauge := func(m *dto.Metric) float64 { return m.GetGauge().GetValue() }
	seconds := func(m *dto.Metric) float64 { return m.GetHistogram().GetSampleSum() }
	count := func(m *dto.Metric) float64 { return float64(m.GetHistogram().GetSampleCount()) }
	fallbacks := map[string]int64{}
	for _, m := range families["crossfade_fallbacks_total"].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "reason" {
				fallbacks[label.GetValue()] += int64(m.GetCounter().GetValue())
			}
		}
	}
	overhead := families["crossfade_overhead_seconds"]
	return figures{
		memory:    int64(sum(families["process_resident_memory_bytes"], gauge)),
		exchanges: uint64(sum(overhead, count)),
		own:       time.Duration(sum(overhead, seconds) * float64(time.Second)),
		fallbacks: fallbacks,
	}, nil
}

func sum(family *dto.MetricFamily, value func(*dto.Metric) float64) (total float64) {
	for _, m := range family.GetMetric() {
		total += value(m)
	}
	return total
}
