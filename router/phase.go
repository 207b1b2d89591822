package router

import "fmt"

// Phase is how far a migration has come. The zero value is Observe: the source
// answers everything and nothing is mirrored.
type Phase uint8

const (
	// Observe: the source only.
	Observe Phase = iota
	// Mirror: writes reach both sides; the source answers everything.
	Mirror
	// Canary: the target answers a share of sessions.
	Canary
)

// String is the word of commands, configuration and metrics.
func (p Phase) String() string {
	switch p {
	case Observe:
		return "observe"
	case Mirror:
		return "mirror"
	case Canary:
		return "canary"
	default:
		return "unknown"
	}
}

// Phases are all phases, in order.
func Phases() []Phase { return []Phase{Observe, Mirror, Canary} }

// ParsePhase is the inverse of String.
func ParsePhase(word string) (Phase, error) {
	for _, p := range Phases() {
		if p.String() == word {
			return p, nil
		}
	}
	return Observe, fmt.Errorf("phase %q is not known: it is observe, mirror or canary", word)
}

// Writes says what becomes of writes of sessions that the target answers, in a
// migration that mirrors nothing.
type Writes uint8

const (
	// WritesUnset: nobody has said; phase canary is refused.
	WritesUnset Writes = iota
	// WritesRefuse: legs at the target are read-only; a write fails with 25006.
	WritesRefuse
	// WritesTarget: a session lives whole on the side that it began on.
	WritesTarget
)

// String is the word of the configuration.
func (w Writes) String() string {
	switch w {
	case WritesUnset:
		return ""
	case WritesRefuse:
		return "refuse"
	case WritesTarget:
		return "target"
	default:
		return "unknown"
	}
}
