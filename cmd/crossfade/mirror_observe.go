package main

import (
	"time"

	"github.com/crossfade-db/crossfade/proxy"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/shadow"
)

// observer tells the metrics and the coverage what becomes of writes.
func (m *dualWrites) observer() proxy.MirrorObserver {
	return proxy.MirrorObserver{
		Mirrored: func(table string, outcome shadow.Outcome, cause shadow.Cause) {
			m.metrics.Mirrored(table, outcomeWord(outcome), string(cause))
		},
		Uncaptured: func(why writes.Why) { m.metrics.Uncaptured(string(why)) },
		Tally: func(digest, kind string, tables []string) writes.Tally {
			return m.coverage.Counter(digest, kind, tables)
		},
		Step:    func(step string, took time.Duration) { m.metrics.MirrorStep(step, took) },
		Defined: m.again,
		Missed:  m.metrics.MissedDelete,
		Effect:  m.suspicions.Effect,
		Refused: func(sqlstate string) { m.metrics.TargetRefused(sqlstate) },
		Fenced: func() {
			m.log.Error("the fence of the target refuses this proxy: another authority or epoch is in force there; nothing is written to it")
		},
	}
}

func outcomeWord(o shadow.Outcome) string {
	switch o {
	case shadow.Both:
		return "both"
	case shadow.Neither:
		return "none"
	case shadow.Authority:
		return "authority_only"
	case shadow.Uncertain:
		return "unknown"
	}
	return "unknown"
}
