package configs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// columns are the entries of columns: a bare name pairs columns of that name.
func (e entry) columns() []rewrite.ColumnMap {
	if !e.has("columns") {
		return nil
	}
	items, _ := e.items(e.nodes["columns"], e.at("columns"))
	var all []rewrite.ColumnMap
	for i, item := range items {
		at := e.at("columns") + "[" + strconv.Itoa(i) + "]"
		e.mark(at, item, item)
		if _, bare := plain(item); bare {
			if text, ok := e.decoder.text(item, at); ok {
				name := e.columnName(text, at)
				all = append(all, rewrite.ColumnMap{Source: name, Target: name, At: entry{e.decoder, at, nil}.place()})
			}
			continue
		}
		if c, ok := e.entryOf(item, columnKeys, at); ok {
			all = append(all, c.columnMap())
		}
	}
	return all
}

func (e entry) columnMap() rewrite.ColumnMap {
	c := rewrite.ColumnMap{
		Source: e.column("source"), Target: e.string("target"), Up: e.up(), Down: e.expression("down"),
		Lossy: e.string("lossy"), Stable: e.string("stable"), At: e.place(),
	}
	if c.Target != "" {
		if parts, err := rewrite.SplitName(c.Target); err != nil {
			e.add(e.at("target"), "%s %v", quote(c.Target), err)
		} else if len(parts) > 3 {
			e.add(e.at("target"), "%s has too many parts: write column, or table.column", quote(c.Target))
		}
	}
	c.Values, c.Else = e.values(), e.otherwise()
	e.shape(&c)
	return c
}

// up is an expression, or the word default.
func (e entry) up() string {
	if n := e.nodes["up"]; n != nil {
		if text, ok := plain(n); ok && strings.EqualFold(strings.TrimSpace(text), "default") {
			return "default"
		}
	}
	return e.expression("up")
}

// shape checks that what is given belongs together.
func (e entry) shape(c *rewrite.ColumnMap) {
	source, target := e.has("source"), e.has("target")
	switch {
	case !source && !target:
		e.add(e.path, "needs source, target, or both")
	case !target && !e.has("down") && !e.has("lossy"):
		e.add(e.path, "pairs the source's column with nothing: give target, or down or lossy if the target has nothing of it")
	case !source && !e.has("up"):
		e.add(e.path, "gives the target's column nothing: give source, or up")
	}
	if e.has("up") && !target && source {
		e.add(e.at("up"), "yields a column of the target: name it (target)")
	}
	if e.has("down") && !source && target {
		e.add(e.at("down"), "yields a column of the source: name it (source)")
	}
	if c.Up == "default" && source {
		e.add(e.at("up"), "is an initial value, of a column that no column of the source is paired with: remove source")
	}
	e.shapeOfValues(c, source && target)
}

func (e entry) shapeOfValues(c *rewrite.ColumnMap, paired bool) {
	if !e.has("values") {
		if e.has("else") {
			e.add(e.at("else"), "has no use without values")
		}
		return
	}
	if !paired {
		e.add(e.at("values"), "needs source and target beside it")
	}
	if e.has("up") {
		e.add(e.at("up"), "has no use beside values, which makes it: remove one of them")
	}
	if word := ambiguous(c.Values); word != "" && (!e.has("down") || !e.has("lossy")) {
		e.add(e.at("values"), "several words become %s, so the way back needs down, and lossy", word)
	}
}

// ambiguous is the first word that several words become.
func ambiguous(values []rewrite.ValueMap) string {
	seen := map[rewrite.ValueMap]bool{}
	for _, v := range values {
		to := rewrite.ValueMap{Target: v.Target, TargetNull: v.TargetNull}
		if seen[to] {
			return word(v.Target, v.TargetNull)
		}
		seen[to] = true
	}
	return ""
}

func word(text string, null bool) string {
	if null {
		return "null"
	}
	return quote(text)
}

// columnsOnce checks that no column of a target is given twice.
func (d *decoder) columnsOnce(t *rewrite.TableMap, path string) {
	first := map[string]int{}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Target == "" {
			continue
		}
		key := c.Target
		if parts, err := rewrite.SplitName(c.Target); err == nil {
			key = fmt.Sprintf("%q", parts)
		}
		if line, twice := first[key]; twice {
			d.addAt(c.At, join(path, "columns"), "the target's column %s gets its value twice, first in line %d", quote(c.Target), line)
			continue
		}
		first[key] = c.At.Line
	}
}
