package report

import (
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"time"
)

//go:embed page.html.tmpl
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"moment":     moment,
	"momentOf":   func(t *time.Time) string { return moment(*t) },
	"percent":    percent,
	"share":      share,
	"some":       some,
	"count":      countOf,
	"times":      func(n int) string { return plural(n, "time", "times") },
	"seconds":    func(s float64) string { return age(time.Duration(s * float64(time.Second))) },
	"severity":   severityClass,
	"stateClass": stateClass,
	"bar":        bar,
	"lasted":     func(Outage) string { return "" }, // each page has its own, which knows when it is
}).Parse(pageText))

// policy lets the page's own style in, by its hash, and nothing else.
func policy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// statementsMost is how many statements the page lists; the JSON has all.
const statementsMost = 100

// page is what the template sees.
type page struct {
	*Report
	Policy          string
	Style           template.CSS
	Tiles           []tile
	Chart           *chart
	TopStatements   []Statement
	MoreStatements  int
	MoreDivergences int
}

// tile is one figure at the top.
type tile struct{ Figure, Label, Class string }

// HTML writes the report as one page that needs no script and loads nothing.
func (r *Report) HTML(w io.Writer) error {
	top := r.Coverage.Statements[:min(len(r.Coverage.Statements), statementsMost)]
	p := page{
		Report: r, Policy: policy(), Style: template.CSS(pageStyle), Tiles: r.tiles(), Chart: chartOf(r),
		TopStatements: top, MoreStatements: len(r.Coverage.Statements) - len(top),
		MoreDivergences: max(r.Divergences.Total-len(r.Divergences.Shown), 0),
	}
	t, err := pageTemplate.Clone()
	if err != nil {
		return fmt.Errorf("make report page: %w", err)
	}
	t.Funcs(template.FuncMap{"lasted": func(o Outage) string { return age(o.lasted(r.Subject.Made)) }})
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write report page: %w", err)
	}
	return nil
}

func (r *Report) tiles() []tile {
	ready := 0
	for _, t := range r.Tables {
		if t.Ready {
			ready++
		}
	}
	w, c := r.Coverage.Writes, r.Verify.Chain
	tiles := []tile{
		{share(w.Mirrored, w.Seen), "of writes mirrored as they ran", classIf(w.Mirrored >= w.Seen, "warn")},
		{countOf(r.Divergences.Open), "differences open, of " + countOf(r.Divergences.Total) + " found", classIf(r.Divergences.Open == 0, "bad")},
		{countOf(r.Backlog.Dirty), "keys and ranges that may differ now", classIf(r.Backlog.Dirty == 0, "warn")},
		{fmt.Sprintf("%d of %d", ready, len(r.Tables)), "tables ready for reads", classIf(ready == len(r.Tables), "warn")},
		{countOf(r.Coverage.Reads.Compared), "reads compared, " + countOf(r.Coverage.Reads.Diverged) + " different", classIf(r.Coverage.Reads.Diverged == 0, "bad")},
		{"holds", "the chain of " + count(c.Records) + " acts", "good"},
	}
	if !c.OK {
		tiles[len(tiles)-1] = tile{"broken", "the chain of acts, at record " + count(c.Broken), "bad"}
	}
	return tiles
}

func classIf(good bool, otherwise string) string {
	if good {
		return "good"
	}
	return otherwise
}

func severityClass(s Severity) string {
	switch s {
	case High:
		return "bad"
	case Medium:
		return "warn"
	case Low:
		return ""
	}
	return ""
}

func stateClass(d Divergence) string {
	switch d.State {
	case Verified:
		return "good"
	case Suspected, Repaired:
		return "warn"
	case Confirmed:
		return "bad"
	case Waived:
		return classIf(!d.Open, "bad")
	}
	return ""
}

func bar(part, whole uint64) string {
	if whole == 0 {
		return "0"
	}
	return strconv.FormatFloat(min(100, 100*float64(part)/float64(whole)), 'f', 1, 64)
}

// countOf is count for the numbers of a template.
func countOf(n any) string {
	switch n := n.(type) {
	case int:
		return count(uint64(max(n, 0)))
	case uint64:
		return count(n)
	}
	return ""
}
