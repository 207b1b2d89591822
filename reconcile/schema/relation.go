package schema

import (
	"cmp"
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// ours says which relations belong to neither the system nor the proxy.
const ours = `c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'crossfade')`

// tableQuery reads the relations. Their sizes are what the server last noted:
// measuring them takes a lock on each.
const tableQuery = `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
  EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN' AND w.ev_enabled <> 'D'),
  NOT c.relispartition AND (EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
    OR c.relkind <> 'p' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)),
  greatest(c.reltuples, 0)::int8, c.relpages::int8 * current_setting('block_size')::int8
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE ` + ours

func (l *loading) table(f *fields) {
	t := &rewrite.Table{OID: f.oid(), Name: f.name(), Kind: relationKind(f.letter())}
	t.RowSecurity, t.Forced, t.Rules, t.Inherits = f.flag(), f.flag(), f.flag(), f.flag()
	if rows, bytes := f.number(), f.number(); t.Kind != rewrite.PartitionedTable { // whose partitions are counted
		t.Rows, t.Bytes = float64(rows), int64(bytes)
	}
	l.tables[t.OID], l.schema.Tables[t.Name] = t, t
}

func relationKind(relkind byte) rewrite.RelationKind {
	switch relkind {
	case 'p':
		return rewrite.PartitionedTable
	case 'v':
		return rewrite.View
	case 'm':
		return rewrite.MaterializedView
	case 'f':
		return rewrite.ForeignTable
	default:
		return rewrite.OrdinaryTable
	}
}

const parentQuery = `SELECT i.inhrelid, i.inhparent, c.relispartition
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p', 'f')`

func (l *loading) parent(f *fields) {
	child, parent := f.oid(), f.oid()
	if f.flag() {
		l.parents[child] = parent
	}
}

// partition gives a root what its partition adds to it: rows written to the
// root meet the triggers and foreign keys of the partition that they land in.
func partition(root, t *rewrite.Table) {
	t.Parent = root.Name
	if t.Kind != rewrite.PartitionedTable {
		root.Rows += t.Rows
		root.Bytes += t.Bytes
	}
	root.Triggers = append(root.Triggers, t.Triggers...)
	root.ForeignKeys = append(root.ForeignKeys, t.ForeignKeys...)
	root.WriteActs = root.WriteActs || t.WriteActs
	root.Uses = append(root.Uses, t.Uses...)
}

// columnQuery reads the columns; the collation 100 is the database's default.
const columnQuery = `SELECT a.attrelid, a.attname, a.attnum, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
  a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '', nullif(a.attidentity, ''), cn.nspname, co.collname
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation co ON co.oid = a.attcollation AND co.oid <> 100
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND ` + ours + `
ORDER BY a.attrelid, a.attnum`

func (l *loading) column(f *fields) {
	t := l.tables[f.oid()]
	c := rewrite.Column{Name: f.text(), Number: int16(f.number()), Type: f.oid(), Typmod: int32(f.number()), SQLType: f.text()}
	c.NotNull, c.Default, c.Generated, c.Identity, c.Collation = f.flag(), f.text(), f.flag(), f.letter(), f.name()
	if c.Generated {
		c.Default = ""
	}
	if t != nil {
		t.Columns = append(t.Columns, c)
	}
}

// keyQuery reads the unique indexes that hold for every row at every moment. A
// key WITHOUT OVERLAPS (18) is an exclusion constraint. What an index merely
// INCLUDEs is not of the key.
const keyQuery = `SELECT i.indrelid, x.relname, i.indisprimary, i.indimmediate,
  (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts)
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND NOT i.indisexclusion AND i.indisvalid AND i.indisready AND i.indislive
  AND i.indpred IS NULL AND i.indexprs IS NULL AND (i.indimmediate OR i.indisprimary) AND ` + ours

func (l *loading) key(f *fields) {
	t := l.tables[f.oid()]
	k := rewrite.Key{Name: f.text(), Primary: f.flag()}
	immediate := f.flag()
	f.json(&k.Columns)
	switch {
	case t == nil:
	case immediate:
		t.Keys = append(t.Keys, k)
	default:
		t.Deferrable = true
	}
}

// arrange puts what the catalog gives in no order into one.
func arrange(t *rewrite.Table) {
	slices.SortFunc(t.Keys, func(a, b rewrite.Key) int {
		if a.Primary != b.Primary {
			return map[bool]int{true: -1, false: 1}[a.Primary]
		}
		return cmp.Compare(a.Name, b.Name)
	})
	foreign := func(a, b rewrite.ForeignKey) int {
		return cmp.Or(cmp.Compare(a.From.String(), b.From.String()), cmp.Compare(a.Name, b.Name))
	}
	slices.SortFunc(t.ForeignKeys, foreign)
	slices.SortFunc(t.Referenced, foreign)
	slices.SortFunc(t.Checks, func(a, b rewrite.Check) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(t.Triggers, func(a, b rewrite.Trigger) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(t.Uses, func(a, b rewrite.Name) int { return cmp.Compare(a.String(), b.String()) })
	t.Uses = slices.Compact(t.Uses)
}
