package schema

import (
	"slices"

	"github.com/crossfade-db/crossfade/rewrite"
)

// runners are functions of the server's own that run a text, or read what they
// are told.
const runners = `'query_to_xml', 'query_to_xml_and_xmlschema', 'cursor_to_xml', 'table_to_xml', 'table_to_xml_and_xmlschema',
  'schema_to_xml', 'schema_to_xml_and_xmlschema', 'database_to_xml', 'database_to_xml_and_xmlschema', 'ts_stat', 'ts_rewrite'`

// functionQuery reads the functions that are not the server's own, those of
// extensions too. An aggregate, which is always declared IMMUTABLE, is what the
// functions are that it is made of. row.f calls f where its first argument is a
// row; the type 1790 is refcursor.
const functionQuery = `SELECT p.oid, n.nspname, p.proname,
  p.oid < 16384 OR p.provolatile = 'v' OR p.prokind = 'a' AND EXISTS (SELECT FROM pg_aggregate a JOIN pg_proc s
    ON s.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
    WHERE a.aggfnoid = p.oid AND s.oid >= 16384 AND s.provolatile = 'v'),
  EXISTS (SELECT FROM pg_type t WHERE t.oid = p.proargtypes[0] AND t.typtype IN ('c', 'p', 'd')),
  p.oid >= 16384 AND (p.prorettype = 1790 OR 1790 = ANY (coalesce(p.proallargtypes, p.proargtypes::oid[])) OR p.prosrc ILIKE '%cursor%')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.oid >= 16384 OR n.nspname = 'pg_catalog' AND p.proname IN (` + runners + `)`

func (l *loading) function(f *fields) {
	oid, name, volatile, ofRow, cursor := f.oid(), f.name(), f.flag(), f.flag(), f.flag()
	l.reach.names[objectID{'f', oid}] = name
	l.schema.Cursors = l.schema.Cursors || cursor
	if !volatile {
		return
	}
	l.reach.acts[objectID{'f', oid}] = true
	l.volatile(name)
	if ofRow {
		l.schema.RowCalls[name.Name] = true
	}
}

// operatorQuery reads operators; those of the server have no function of a user.
const operatorQuery = `SELECT o.oid, n.nspname, o.oprname, o.oprcode::oid
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid >= 16384`

func (l *loading) operator(f *fields) {
	oid, name, code := f.oid(), f.name(), f.oid()
	l.reach.names[objectID{'o', oid}] = name
	if l.reach.acts[objectID{'f', code}] {
		l.reach.acts[objectID{'o', oid}] = true
		l.volatile(name)
	}
}

// volatile enters a name.
func (l *loading) volatile(n rewrite.Name) {
	if schemas := l.schema.Volatile[n.Name]; !slices.Contains(schemas, n.Schema) {
		l.schema.Volatile[n.Name] = append(schemas, n.Schema)
	}
}

// castQuery reads what values of types are converted, compared and hashed with.
const castQuery = `SELECT c.castsource, c.casttarget, c.castfunc, c.castcontext = 'i' FROM pg_cast c WHERE c.castfunc >= 16384
UNION ALL
SELECT o.opcintype, o.opcintype, p.amproc::oid, true FROM pg_opclass o
  JOIN pg_amproc p ON p.amprocfamily = o.opcfamily WHERE o.opcintype >= 16384 AND p.amproc::oid >= 16384
UNION ALL
SELECT o.opcintype, o.opcintype, r.oprcode::oid, true FROM pg_opclass o
  JOIN pg_amop a ON a.amopfamily = o.opcfamily JOIN pg_operator r ON r.oid = a.amopopr
  WHERE o.opcintype >= 16384 AND r.oprcode::oid >= 16384`

// cast notes both types of one that acts. A type of the server's is left out where
// the other one has to be named, or to be of a column, for the cast to be called.
func (l *loading) cast(f *fields) {
	from, to, function, implicit := f.oid(), f.oid(), f.oid(), f.flag()
	if !l.reach.acts[objectID{'f', function}] {
		return
	}
	own := func(oid uint32) bool { return oid < rewrite.FirstUserOID }
	if !own(from) || implicit || own(to) {
		l.reach.used[from] = true
	}
	if !own(to) || own(from) {
		l.reach.made[to] = true
	}
}

// domainQuery reads what the checks and defaults of domains call.
const domainQuery = `SELECT k.contypid, ` + referred + `, d.refobjid
FROM pg_constraint k JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
WHERE k.contypid <> 0 AND d.refobjid >= 16384 AND ` + known + `
UNION
SELECT t.oid, ` + referred + `, d.refobjid
FROM pg_type t JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid
WHERE t.typtype = 'd' AND d.refobjid >= 16384 AND ` + known

func (l *loading) domain(f *fields) {
	domain, what := f.oid(), objectID{f.letter(), f.oid()}
	if what.class != 't' && l.reach.acts[what] {
		l.reach.made[domain] = true
	}
}
