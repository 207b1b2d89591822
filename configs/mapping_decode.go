package configs

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/crossfade-db/crossfade/rewrite"
)

// The keys of the mapping language: those of this version, and those promised
// for a later one.
var (
	tableKeys  = keys{now: []string{"source", "target", "targets", "key", "when", "columns", "strict", "canary", "skip"}, later: []string{"where", "delete", "unrepresentable", "sequences", "mode"}}
	targetKeys = keys{now: []string{"target", "key", "when"}, later: []string{"where", "delete"}}
	columnKeys = keys{now: []string{"source", "target", "up", "down", "values", "else", "lossy", "stable"}, later: []string{"ref", "unrepresentable"}}
)

type keys struct{ now, later []string }

// entry is a mapping of the mapping language, with its path.
type entry struct {
	*decoder
	path  string
	nodes map[string]ast.Node
}

// entryOf takes a mapping apart, and says which of its keys are not known or
// not yet.
func (d *decoder) entryOf(n ast.Node, k keys, path string) (entry, bool) {
	nodes, ok := d.entries(n, path)
	e := entry{d, path, nodes}
	for key := range nodes {
		switch {
		case slices.Contains(k.now, key):
		case slices.Contains(k.later, key):
			d.add(e.at(key), "not yet: this version does not have %s", key)
		default:
			d.add(join(path, key), "unknown key%s", suggest(key, k.now))
		}
	}
	return e, ok
}

func (e entry) at(key string) string { return join(e.path, key) }

func (e entry) has(key string) bool { return e.nodes[key] != nil }

func (e entry) place() rewrite.At {
	p := e.decoder.at[e.path]
	return rewrite.At{Line: p.line, Column: p.column}
}

// string is the text of a key, empty where it is absent; an empty text is a
// fault.
func (e entry) string(key string) string {
	if !e.has(key) {
		return ""
	}
	text, ok := e.decoder.text(e.nodes[key], e.at(key))
	if ok && strings.TrimSpace(text) == "" {
		e.add(e.at(key), "is empty: give a value or remove the key")
	}
	return text
}

// flag is the value of a key that may be absent.
func (e entry) flag(key string) *bool {
	if !e.has(key) {
		return nil
	}
	b, ok := e.nodes[key].(*ast.BoolNode)
	if !ok {
		e.add(e.at(key), "expected true or false, got %s", kindOf(e.nodes[key]))
		return nil
	}
	return &b.Value
}

// table is the name of a table.
func (e entry) table(key string) rewrite.Name {
	text := e.string(key)
	if text == "" {
		return rewrite.Name{}
	}
	name, err := rewrite.ParseName(text)
	if err != nil {
		e.add(e.at(key), "%s %v", quote(text), err)
	}
	return name
}

// column is the name of a column.
func (e entry) column(key string) string {
	text := e.string(key)
	if text == "" {
		return ""
	}
	return e.columnName(text, e.at(key))
}

func (d *decoder) columnName(text, path string) string {
	name, err := rewrite.ParseColumn(text)
	if err != nil {
		d.add(path, "%s %v", quote(text), err)
	}
	return name
}

// expression is a piece of SQL.
func (e entry) expression(key string) string {
	sql := e.string(key)
	if strings.TrimSpace(sql) == "" {
		return ""
	}
	if err := rewrite.CheckExpression(sql); err != nil {
		e.add(e.at(key), "%v", err)
	}
	return sql
}

// tables decodes migration.tables. An empty list is as none.
func (d *decoder) tables(n ast.Node, path string) Tables {
	items, ok := d.items(n, path)
	if !ok || len(items) == 0 {
		return Tables{}
	}
	m := &rewrite.Mapping{}
	for i, item := range items {
		at := path + "[" + strconv.Itoa(i) + "]"
		d.mark(at, item, item)
		if text, ok := plain(item); ok {
			if text != "*" {
				d.add(at, `expected a mapping such as {source: public.orders}, or "*" for every table that both sides have`)
			}
			continue
		}
		if t, ok := d.tableMap(item, at); ok {
			m.Tables = append(m.Tables, t)
		}
	}
	d.unlike(m, path)
	return Tables{m}
}

func (d *decoder) tableMap(n ast.Node, path string) (rewrite.TableMap, bool) {
	e, ok := d.entryOf(n, tableKeys, path)
	if !ok {
		return rewrite.TableMap{}, false
	}
	if !e.has("source") {
		d.add(e.at("source"), "is missing (the table of the source, such as public.orders)")
	}
	t := rewrite.TableMap{Source: e.table("source"), At: e.place(), Strict: e.flag("strict"), Canary: e.flag("canary")}
	if skip := e.flag("skip"); skip != nil && *skip {
		t.Skip = true
		e.alone()
		return t, true
	}
	t.Targets = e.targets(t.Source)
	t.Columns = e.columns()
	d.columnsOnce(&t, path)
	return t, true
}

// alone says that nothing but the source stands beside skip.
func (e entry) alone() {
	for _, key := range tableKeys.now {
		if key != "source" && key != "skip" && e.has(key) {
			e.add(e.at(key), "has no use with skip: remove one of them")
		}
	}
}

// targets are those of a table: several, one, or by default that of its name.
func (e entry) targets(source rewrite.Name) []rewrite.TargetMap {
	if !e.has("targets") {
		target := source
		if e.has("target") {
			target = e.table("target")
		}
		return []rewrite.TargetMap{{Target: target, Key: e.keyMap(), When: e.expression("when"), At: e.place()}}
	}
	for _, key := range []string{"target", "key", "when"} {
		if e.has(key) {
			e.add(e.at(key), "stands beside targets: write it in the items of targets")
		}
	}
	items, ok := e.items(e.nodes["targets"], e.at("targets"))
	if ok && len(items) == 0 {
		e.add(e.at("targets"), "expected at least 1")
	}
	var all []rewrite.TargetMap
	for i, item := range items {
		at := e.at("targets") + "[" + strconv.Itoa(i) + "]"
		e.mark(at, item, item)
		t, ok := e.entryOf(item, targetKeys, at)
		if !ok {
			continue
		}
		if !t.has("target") {
			e.add(t.at("target"), "is missing (the table of the target, such as public.orders_v2)")
		}
		all = append(all, rewrite.TargetMap{Target: t.table("target"), Key: t.keyMap(), When: t.expression("when"), At: t.place()})
	}
	return all
}

// keyMap is a target's key: column of the target, column of the source.
func (e entry) keyMap() []rewrite.KeyMap {
	if !e.has("key") {
		return nil
	}
	m, ok := e.nodes["key"].(*ast.MappingNode)
	if !ok || len(m.Values) == 0 {
		e.add(e.at("key"), "expected a mapping of columns, {column of the target: column of the source}, got %s", kindOf(e.nodes["key"]))
		return nil
	}
	nodes, _ := e.entries(m, e.at("key"))
	k := entry{e.decoder, e.at("key"), nodes}
	var pairs []rewrite.KeyMap
	for _, name := range inOrder(m) {
		if k.has(name) {
			pairs = append(pairs, rewrite.KeyMap{Target: e.columnName(name, k.at(name)), Source: k.column(name)})
		}
	}
	sources := map[string]bool{}
	for _, p := range pairs {
		if sources[p.Source] {
			e.add(e.at("key"), "has the source's column %s twice", quote(p.Source))
		}
		sources[p.Source] = true
	}
	return pairs
}

// inOrder are the keys of a mapping as they stand, each once.
func inOrder(m *ast.MappingNode) []string {
	var names []string
	for _, pair := range m.Values {
		if name, ok := plain(pair.Key); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// unlike checks that no table is named twice, on either side.
func (d *decoder) unlike(m *rewrite.Mapping, path string) {
	sources, targets := map[rewrite.Name]rewrite.At{}, map[rewrite.Name]rewrite.At{}
	for i := range m.Tables {
		t := &m.Tables[i]
		if first, twice := sources[t.Source]; twice && t.Source.Name != "" {
			d.addAt(t.At, path, "%s is mapped twice, first in line %d", t.Source, first.Line)
			continue
		}
		sources[t.Source] = t.At
		for j := range t.Targets {
			target := &t.Targets[j]
			if first, twice := targets[target.Target]; twice && target.Target.Name != "" {
				d.addAt(target.At, path, "the target's table %s is taken in line %d: several tables in one are not yet in this version", target.Target, first.Line)
				continue
			}
			targets[target.Target] = target.At
		}
	}
}
