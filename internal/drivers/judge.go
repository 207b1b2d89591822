package drivers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Ports say which server is which.
type Ports struct{ Source, Target int }

// Section is a part of what a script prints, from its line "== name".
type Section struct {
	Name string
	Text string // which server a row came from is left out
	by   []string
}

// plain says that the target can answer the section: no type, table or other
// number of a server is in it, or one that is translated.
func (s Section) plain() bool { return strings.HasPrefix(s.Name, "plain") }

// Sections splits what a script printed in one round.
func (r Round) Sections() []Section {
	var out []Section
	for i, part := range strings.Split("\n"+r.Printed, "\n== ") {
		name, text, _ := strings.Cut(part, "\n")
		if i == 0 {
			name, text = "(start)", strings.TrimPrefix(part, "\n")
		}
		if i == 0 && strings.TrimSpace(text) == "" {
			continue
		}
		out = append(out, Section{Name: name, Text: anonymous(text), by: Answers(text)})
	}
	return out
}

// Wrong says in sentences which sections the wrong server answered.
func Wrong(rounds []Round, shares Shares, ports Ports) []string {
	var out []string
	for i, round := range rounds {
		answered := 0
		for _, s := range round.Sections() {
			want := ports.Source
			if shares[i] && s.plain() {
				want = ports.Target
				answered++
			}
			if len(s.by) > 0 && !slices.Equal(s.by, []string{strconv.Itoa(want)}) {
				out = append(out, fmt.Sprintf("round %d: %q was answered by %s, not by the %s alone", i+1, s.Name, who(s.by, ports), who([]string{strconv.Itoa(want)}, ports)))
			}
			if s.plain() && len(s.by) == 0 {
				out = append(out, fmt.Sprintf("round %d: %q does not say who answered it", i+1, s.Name))
			}
		}
		if shares[i] && answered == 0 {
			out = append(out, fmt.Sprintf("round %d: there is nothing that the target should have answered", i+1))
		}
	}
	return out
}

func who(by []string, ports Ports) string {
	var names []string
	for _, port := range by {
		switch port {
		case strconv.Itoa(ports.Source):
			names = append(names, "source")
		case strconv.Itoa(ports.Target):
			names = append(names, "target")
		default:
			names = append(names, "port "+port)
		}
	}
	return strings.Join(names, " and ")
}
