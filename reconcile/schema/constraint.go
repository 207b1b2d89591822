package schema

import "github.com/crossfade-db/crossfade/rewrite"

// enforced leaves out what is declared and never checked (NOT ENFORCED, 18).
const enforced = `coalesce((to_jsonb(k) ->> 'conenforced')::bool, true)`

// foreignQuery reads foreign keys as they were declared; the copies that the
// server makes of them for partitions have a parent.
const foreignQuery = `SELECT k.conrelid, k.conname, n.nspname, c.relname,
  (SELECT json_agg(a.attname ORDER BY o.n) FROM unnest(k.conkey) WITH ORDINALITY AS o(attnum, n)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.attnum),
  (SELECT json_agg(a.attname ORDER BY o.n) FROM unnest(k.confkey) WITH ORDINALITY AS o(attnum, n)
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = o.attnum),
  k.confdeltype, k.confupdtype, k.condeferrable
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.confrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND ` + enforced

func (l *loading) foreign(f *fields) {
	t := l.tables[f.oid()]
	k := rewrite.ForeignKey{Name: f.text(), To: f.name()}
	f.json(&k.Columns)
	f.json(&k.Refers)
	k.OnDelete, k.OnUpdate, k.Deferrable = f.letter(), f.letter(), f.flag()
	if t != nil {
		k.From = t.Name
		t.ForeignKeys = append(t.ForeignKeys, k)
	}
}

const checkQuery = `SELECT k.conrelid, k.conname, pg_get_expr(k.conbin, k.conrelid)
FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid <> 0 AND ` + enforced

func (l *loading) check(f *fields) {
	t := l.tables[f.oid()]
	c := rewrite.Check{Name: f.text(), Expression: f.text()}
	if t != nil {
		t.Checks = append(t.Checks, c)
	}
}

// triggerQuery reads users' triggers as they were made: the copies for
// partitions are internal up to 14, and have a parent from 13 on.
const triggerQuery = `SELECT t.tgrelid, t.tgname, t.tgtype, t.tgdeferrable, t.tgenabled, n.nspname, p.proname, t.tgqual IS NOT NULL,
  g.lanname, p.prosrc
FROM pg_trigger t
JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_language g ON g.oid = p.prolang
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
  AND coalesce(to_jsonb(t) ->> 'tgparentid', '0') = '0'
ORDER BY t.tgname`

// Bits of pg_trigger.tgtype (catalog/pg_trigger.h).
const (
	triggerRow = 1 << iota
	triggerBefore
	triggerInsert
	triggerDelete
	triggerUpdate
	triggerTruncate
)

func (l *loading) trigger(f *fields) {
	table := l.tables[f.oid()]
	t := rewrite.Trigger{Name: f.text()}
	bits := f.number()
	t.Row, t.Before = bits&triggerRow != 0, bits&triggerBefore != 0
	t.Insert, t.Update = bits&triggerInsert != 0, bits&triggerUpdate != 0
	t.Delete, t.Truncate = bits&triggerDelete != 0, bits&triggerTruncate != 0
	t.Deferred = f.flag()
	enabled := f.letter()
	t.Always, t.Replica = enabled == 'A', enabled == 'R'
	t.Function, t.When = f.name(), f.flag()
	if language, source := f.text(), f.text(); t.Before && t.Row {
		t.Sets = sets(t.Function.Name, language, source)
	}
	if table != nil {
		table.Triggers = append(table.Triggers, t)
	}
}
