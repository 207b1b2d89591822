package router

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Share is the size of the canary in hundredths of a percent, 0 to Whole.
type Share uint16

// Whole is all sessions, and the number of buckets.
const Whole Share = 10000

// ParseShare reads a percentage between 0 and 100 with at most two decimals.
func ParseShare(percent string) (Share, error) {
	f, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(percent), "%"), 64)
	hundredths := math.Round(f * 100)
	switch {
	case err != nil, math.IsNaN(f):
		return 0, fmt.Errorf("%q is not a percentage", percent)
	case f < 0 || f > 100:
		return 0, fmt.Errorf("a share of %s%% is not between 0 and 100", percent)
	case math.Abs(f*100-hundredths) > 1e-9:
		return 0, fmt.Errorf("a share of %s%% has more than two decimals", percent)
	default:
		return Share(hundredths), nil
	}
}

// Percent is the share as users see it: 5, 0.25.
func (s Share) Percent() float64 { return float64(s) / 100 }

// String is the percentage without its sign.
func (s Share) String() string { return strconv.FormatFloat(s.Percent(), 'f', -1, 64) }

// Policy is all that decides where sessions are answered. It is immutable once
// it is in a Snapshot. The zero value sends everything to the source.
type Policy struct {
	Version  uint64 // of the runtime part; each change raises it
	Phase    Phase
	Share    Share
	Writes   Writes
	Salt     string
	Keys     []Key     // the first that a session has places it
	ForceIn  []Pattern // before the share
	ForceOut []Pattern // before ForceIn
	// Mapped says that the migration has tables: from phase Mirror on their writes
	// reach both sides.
	Mapped bool
	Off    bool // mirroring is switched off by hand: what is written becomes dirty
}

// Mirrors says that writes of mapped tables are brought to the target, or their
// keys remembered.
func (p *Policy) Mirrors() bool { return p != nil && p.Mapped && p.Phase >= Mirror }

// Snapshot is what the hot path reads: one pointer, swapped whole.
type Snapshot struct {
	Policy
	// Target says why the target answers nobody; TargetOpen when it may.
	Target TargetState
}

// TargetState is what is known of the target.
type TargetState uint8

const (
	// TargetNone: there is no target; the zero value.
	TargetNone TargetState = iota
	// TargetOpen: it may answer.
	TargetOpen
	// TargetBroken: the breaker holds it off.
	TargetBroken
)

// String is the word of status and metrics.
func (t TargetState) String() string {
	switch t {
	case TargetNone:
		return "none"
	case TargetOpen:
		return "open"
	case TargetBroken:
		return "broken"
	default:
		return "unknown"
	}
}
