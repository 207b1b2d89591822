package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/crossfade-db/crossfade/router"
)

// compareReported compares what the servers report of themselves at a login
// (ParameterStatus). Most of it is settings, which are sent along; here is what
// cannot be made equal.
func compareReported(seen [router.Sides]*visit) []finding {
	var found []finding
	source, target := seen[router.Source].reported, seen[router.Target].reported
	for _, name := range slices.Sorted(maps.Keys(source)) {
		there, both := target[name]
		switch {
		case !both:
			found = append(found, reportedByOne(name, router.Source))
		case there != source[name]:
			found = append(found, reportedOtherwise(name, source[name], there)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(target)) {
		if _, both := source[name]; !both {
			found = append(found, reportedByOne(name, router.Target))
		}
	}
	return found
}

func reportedByOne(name string, side router.Side) finding {
	return finding{
		Severity: "info", Check: "reported settings",
		Message: fmt.Sprintf("%s is reported by the %s only: clients see the reports that the side of their login has", name, side),
	}
}

func reportedOtherwise(name, source, target string) []finding {
	f := finding{
		Check:   "reported settings",
		Message: fmt.Sprintf("%s is %s at the source and %s at the target", name, shown(source), shown(target)),
	}
	switch name {
	case "server_encoding", "integer_datetimes":
		f.Severity, f.Remedy = "error", "make the target's database with the source's "+name
	case "server_version":
		f.Severity, f.Message = "info", f.Message+"; sessions that move are told the one of their login"
	case "is_superuser", "session_authorization":
		f.Severity, f.Remedy = "warning", "give the target's login the same name and rights"
	case "in_hot_standby":
		f.Severity, f.Remedy = "warning", "a standby takes no writes: promote it, or use its primary"
	default: // a setting, or the client's own
		return nil
	}
	return []finding{f}
}

// valueShown is how much of a value of the server's own settings is shown.
const valueShown = 40

func shown(value string) string {
	if runes := []rune(value); len(runes) > valueShown {
		value = string(runes[:valueShown]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
