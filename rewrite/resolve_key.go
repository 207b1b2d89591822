package rewrite

import (
	"slices"
	"strings"
)

// findKey settles what names a row: the given columns, or the source's primary
// key, in the order of the source's index; and where each target has them. A
// row must be found by it on both sides, so a unique index backs it on both.
func (p *pairing) findKey() bool {
	var key *Key
	if given := p.entry.Targets[0].Key; len(given) > 0 {
		key = p.givenKey(given)
	} else {
		key = p.primaryKey()
	}
	if key == nil {
		return false
	}
	p.key = key.Columns
	for _, column := range p.key {
		if !p.source.Column(column).NotNull {
			p.problem(Problem{
				Severity: Error, Check: "key", Column: column, At: p.entry.Targets[0].At, Message: "is of the key and may be NULL: such a row has no name",
				Remedy: "ALTER TABLE … SET NOT NULL at the source, or give another key",
			})
		}
		if p.cell(column) == nil {
			p.broken = true
		}
		p.used[column] = true
	}
	for _, t := range p.targets {
		t.findKey()
	}
	return !p.broken
}

// givenKey finds the unique key of the source that is made of the columns that
// the file names.
func (p *pairing) givenKey(given []KeyMap) *Key {
	var columns []string
	for _, k := range given {
		columns = append(columns, k.Source)
	}
	x := Problem{Severity: Error, Check: "key", At: p.entry.Targets[0].At}
	for _, c := range columns {
		if p.source.Column(c) == nil {
			x.Column, x.Message, x.Remedy = c, "the source's table has no such column", "correct the name"+nearest(p.source, c)
			p.problem(x)
			return nil
		}
	}
	if key := keyOf(p.source, columns); key != nil {
		return key
	}
	x.Message = "no unique index of the source has just the columns " + list(columns)
	x.Remedy = "create one that is not deferrable and has no predicate, or give another key"
	p.problem(x)
	return nil
}

func (p *pairing) primaryKey() *Key {
	if len(p.source.Keys) > 0 && p.source.Keys[0].Primary {
		return &p.source.Keys[0]
	}
	x := Problem{
		Severity: Error, Check: "key", Message: "has no primary key: its rows have no name by which the other side could find them",
		Remedy: "add one, or give a key of unique columns that are NOT NULL",
	}
	if p.source.Deferrable {
		x.Message = "its primary key is deferrable: for a while two rows may have one key"
		x.Remedy = "make it not deferrable, or give a key of other unique columns that are NOT NULL"
	}
	p.problem(x)
	return nil
}

// findKey pairs the key with columns of this target.
func (t *targeting) findKey() {
	if len(t.entry.Key) > 0 {
		t.givenTargetKey()
	} else {
		for _, column := range t.pairing.key {
			if name := t.pairedWith(column); name != "" {
				t.key[name] = column
			}
		}
	}
	if t.broken {
		return
	}
	var columns []string
	for _, column := range t.pairing.key {
		name := t.keyColumn(column)
		if name == "" {
			t.problem(Problem{
				Severity: Error, Check: "key", Column: column, At: t.entry.At, Message: "is of the key, and " + t.table.Name.String() + " has no column that takes it unchanged",
				Remedy: "pair it with a column of the target without up and values, or give another key",
			})
			return
		}
		columns = append(columns, name)
	}
	t.backed(columns)
}

func (t *targeting) givenTargetKey() {
	for _, k := range t.entry.Key {
		if !slices.Contains(t.pairing.key, k.Source) {
			t.problem(Problem{
				Severity: Error, Check: "key", Column: k.Source, At: t.entry.At, Message: "is not of the key of the first target, which is " + list(t.pairing.key),
				Remedy: "use the same columns of the source for the keys of all targets",
			})
		}
		t.key[k.Target] = k.Source
	}
}

// backed checks that a unique index of the target has just these columns.
func (t *targeting) backed(columns []string) {
	x := Problem{Severity: Error, Check: "key", At: t.entry.At}
	for _, c := range columns {
		if t.table.Column(c) == nil {
			x.Column, x.Message, x.Remedy = c, "is of the key, and "+t.table.Name.String()+" has no such column", "correct the name"+nearest(t.table, c)
			t.problem(x)
			return
		}
	}
	if keyOf(t.table, columns) != nil {
		return
	}
	x.Message = "no unique index of " + t.table.Name.String() + " has just the columns " + list(columns)
	x.Remedy = "create one at the target that is not deferrable and has no predicate, or give another key"
	t.problem(x)
}

// pairedWith is the column of this target that takes one of the source
// unchanged, of several one that is of a unique key; empty if there is none.
func (t *targeting) pairedWith(column string) string {
	first := ""
	for i := range t.table.Columns {
		name := t.table.Columns[i].Name
		if !t.takes(name, column) {
			continue
		}
		if slices.ContainsFunc(t.table.Keys, func(k Key) bool { return slices.Contains(k.Columns, name) }) {
			return name
		}
		if first == "" {
			first = name
		}
	}
	return first
}

// takes says that a column of the target is one of the source, unchanged.
func (t *targeting) takes(name, column string) bool {
	if c := t.named[name]; c != nil {
		return c.Source == column && c.Up == "" && len(c.Values) == 0
	}
	return name == column && !t.declared[column]
}

// keyColumn is where this target has a column of the key.
func (t *targeting) keyColumn(source string) string {
	for name, column := range t.key {
		if column == source {
			return name
		}
	}
	return ""
}

// keyOf finds the unique key that has just these columns, in any order.
func keyOf(t *Table, columns []string) *Key {
	want := slices.Sorted(slices.Values(columns))
	for i := range t.Keys {
		if slices.Equal(want, slices.Sorted(slices.Values(t.Keys[i].Columns))) {
			return &t.Keys[i]
		}
	}
	return nil
}

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteIfNeeded(n)
	}
	return strings.Join(quoted, ", ")
}
