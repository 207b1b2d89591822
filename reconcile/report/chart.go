package report

import (
	"fmt"
	"strings"
	"time"
)

// chart is the share over time, as a drawing of 960 by 170.
type chart struct {
	Lines       []gridLine
	Outages     []block
	Line, Area  string // paths
	From, Until string
}

type gridLine struct{ Y, Text, Label string }

type block struct{ X, Width string }

// Edges of the drawing's plot.
const (
	plotLeft, plotRight   = 44.0, 950.0
	plotTop, plotBottom   = 12.0, 136.0
	plotWidth, plotHeight = plotRight - plotLeft, plotBottom - plotTop
)

// chartOf draws steps, each of which holds until the next; nil: there is
// nothing to draw.
func chartOf(r *Report) *chart {
	from, until := r.Subject.From, r.Subject.Made
	if len(r.Steps) == 0 || !until.After(from) {
		return nil
	}
	c := &chart{From: moment(from), Until: moment(until)}
	for _, percent := range []int{0, 25, 50, 75, 100} {
		y := yOf(float64(percent))
		c.Lines = append(c.Lines, gridLine{number(y), number(y + 4), fmt.Sprintf("%d %%", percent)})
	}
	x := func(t time.Time) float64 {
		part := float64(t.Sub(from)) / float64(until.Sub(from))
		return plotLeft + plotWidth*min(max(part, 0), 1)
	}
	for _, o := range r.Outages {
		end := until
		if o.Until != nil {
			end = *o.Until
		}
		c.Outages = append(c.Outages, block{number(x(o.Since)), number(max(x(end)-x(o.Since), 2))})
	}
	var line strings.Builder
	fmt.Fprintf(&line, "M%s %s", number(plotLeft), number(yOf(r.Steps[0].FromShare)))
	for _, s := range r.Steps {
		fmt.Fprintf(&line, "H%sV%s", number(x(s.Time)), number(yOf(s.Share)))
	}
	fmt.Fprintf(&line, "H%s", number(plotRight))
	c.Line = line.String()
	c.Area = fmt.Sprintf("%sV%sH%sZ", c.Line, number(plotBottom), number(plotLeft))
	return c
}

func yOf(percent float64) float64 { return plotBottom - plotHeight*min(max(percent, 0), 100)/100 }

func number(f float64) string { return fmt.Sprintf("%.1f", f) }
