package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/goccy/go-yaml"

	"github.com/crossfade-db/crossfade/configs"
)

// finding is one result of check; its JSON keys are a promise.
type finding struct {
	Severity string `json:"severity"` // error | warning | info
	Check    string `json:"check"`
	Table    string `json:"table"`
	Column   string `json:"column"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
}

// findings is the result of check; OK means that no finding is an error.
type findings struct {
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

func (f *findings) add(one finding) {
	f.Findings = append(f.Findings, one)
	f.OK = f.OK && one.Severity != "error"
}

func faultFindings(faults configs.Faults) findings {
	var result findings
	for _, f := range faults {
		result.add(finding{Severity: "error", Check: "configuration", Message: f.String(), Remedy: "correct the file"})
	}
	return result
}

var printers = map[string]func(io.Writer, findings) error{
	"table": printTable,
	"json": func(w io.Writer, f findings) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(f)
	},
	"yaml": func(w io.Writer, f findings) error { return yaml.NewEncoder(w, yaml.UseJSONMarshaler()).Encode(f) },
}

func printTable(w io.Writer, f findings) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, one := range f.Findings {
		if _, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", one.Severity, one.Check, oneLine(one.text()), one.Remedy); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	verdict := "ok"
	if !f.OK {
		verdict = "not ok"
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

// text is the message with the place that it is about, unless it names it.
func (f finding) text() string {
	switch {
	case f.Table == "" || strings.Contains(f.Message, f.Table):
		return f.Message
	case f.Column == "":
		return f.Table + ": " + f.Message
	default:
		return f.Table + "." + f.Column + ": " + f.Message
	}
}

// oneLine keeps a finding on its line whatever the names in it are: a database
// may have tables whose names end lines or steer a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// namesShown is how many names one finding lists.
const namesShown = 20

// listed are the first names of a list, and how many more there are.
func listed(names []string) string {
	if len(names) <= namesShown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:namesShown], ", "), len(names)-namesShown)
}

// perUser gathers what was found once for each user, so that it is told once.
type perUser struct {
	order    []finding
	users    map[finding][]string
	compared int // users
}

func (p *perUser) add(user string, found []finding) {
	if p.users == nil {
		p.users = map[finding][]string{}
	}
	p.compared++
	for _, one := range found {
		if _, known := p.users[one]; !known {
			p.order = append(p.order, one)
		}
		if !slices.Contains(p.users[one], user) {
			p.users[one] = append(p.users[one], user)
		}
	}
}

// tell adds the findings, each with its users unless it is true of all.
func (p *perUser) tell(result *findings) {
	for _, one := range p.order {
		if users := p.users[one]; len(users) < p.compared {
			one.Message += " (users: " + listed(users) + ")"
		}
		result.add(one)
	}
}
