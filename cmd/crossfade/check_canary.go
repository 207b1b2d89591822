package main

import "fmt"

// What canary.writes may be.
const (
	writesUnset  = ""
	writesRefuse = "refuse"
	writesTarget = "target"
)

// canary says what becomes of writes of sessions that the target answers.
func (c *comparison) canary(result *findings) {
	f := finding{Check: "canary.writes"}
	switch string(c.config.Canary.Writes) {
	case writesTarget:
		f.Severity, f.Message = "warning", "sessions of the canary write to the target, and their writes are not brought back to the source"
		f.Remedy = "use it for rehearsals; refuse keeps canary sessions from writing"
	case writesUnset:
		if c.config.Mapping() != nil {
			return // writes are mirrored
		}
		f.Severity, f.Message = "info", "is not set, which phase canary needs: refuse or target"
	case writesRefuse:
		return // told by login, in rights
	}
	result.add(f)
}

// rights says what a login could write at the target, where canary sessions are
// not to write.
func (c *comparison) rights(target *visit) []finding {
	if string(c.config.Canary.Writes) != writesRefuse {
		return nil
	}
	f := finding{Severity: "info", Check: "canary.writes"}
	if target.writable == 0 {
		f.Message = "the target's login may write no table anyway"
		return []finding{f}
	}
	f.Message = fmt.Sprintf("the target's login may write %s there: only the proxy's read-only sessions keep it from writing", plural(target.writable, "table"))
	return []finding{f}
}
