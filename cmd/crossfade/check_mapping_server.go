package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// needed are settings of a server without which something is lost, and what.
var needed = []struct {
	name, lost string
	severity   string
	source     bool // it matters at the source alone
}{
	{"track_counts", "writes of functions and triggers cannot be noticed", "error", true},
	{"fsync", "a crash may lose what was committed", "warning", false},
	{"full_page_writes", "a crash may lose what was committed", "warning", false},
	{"synchronous_commit", "a crash may lose what was acknowledged, and give its transaction id to another", "warning", false},
}

// settingsAtQuery reads settings of the server, and those that roles and the database
// set otherwise for the named logins.
const settingsAtQuery = `SELECT '', s.name, s.setting FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) ANY (%[1]s)
UNION ALL
SELECT coalesce(r.rolname, ''), pg_catalog.split_part(u.text, '=', 1), pg_catalog.split_part(u.text, '=', 2)
FROM pg_catalog.pg_db_role_setting d
CROSS JOIN LATERAL pg_catalog.unnest(d.setconfig) AS u(text)
LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) d.setrole
WHERE pg_catalog.split_part(u.text, '=', 1) OPERATOR(pg_catalog.=) ANY (%[1]s)
  AND (r.rolname IS NULL OR r.rolname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%[2]s))
  AND d.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid,
    (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())])`

// serverSettings asks for what a server must keep for the mirror to be sound.
func (m *mappingProof) serverSettings(ctx context.Context) error {
	var names []string
	for _, n := range needed {
		names = append(names, n.name)
	}
	for _, s := range []*mappedSide{m.source, m.target} {
		rows, err := s.words(ctx, fmt.Sprintf(settingsAtQuery, array(names), array(m.logins(s.side))))
		if err != nil {
			return fmt.Errorf("read settings of the %s: %w", s.side, err)
		}
		for _, n := range needed {
			if n.source && s.side == router.Target {
				continue
			}
			if who, off := switchedOff(rows, n.name); off {
				m.add(finding{
					Severity: n.severity, Check: "server settings",
					Message: fmt.Sprintf("%s is off at the %s%s: %s", n.name, s.side, who, n.lost), Remedy: "switch it on",
				})
			}
		}
	}
	return nil
}

// switchedOff says for whom a setting is off: everybody, or some roles.
func switchedOff(rows [][]string, name string) (who string, off bool) {
	var roles []string
	for _, row := range rows {
		if row[1] != name || row[2] != "off" && row[2] != "false" && row[2] != "0" && row[2] != "no" {
			continue
		}
		if row[0] == "" {
			return "", true
		}
		roles = append(roles, row[0])
	}
	if len(roles) == 0 {
		return "", false
	}
	return " for " + listed(roles), true
}

// logins are the roles that sessions have at a side.
func (m *mappingProof) logins(side router.Side) []string {
	var names []string
	for i := range m.config.Users {
		u := &m.config.Users[i]
		names = append(names, nameAt(u.Name, loginOf(u, side).User))
	}
	return names
}

// array is a list of strings as a constant of SQL.
func array(texts []string) string {
	var list []string
	for _, t := range texts {
		list = append(list, rewrite.Literal(t))
	}
	return "ARRAY[" + strings.Join(list, ", ") + "]::pg_catalog.text[]"
}

// databaseCollation reads the database's own collation. Providers other than
// libc, and a recorded version, are from 15 on and read by name.
const databaseCollation = `SELECT coalesce(pg_catalog.to_jsonb(d) OPERATOR(pg_catalog.->>) 'datlocprovider', 'c'),
  coalesce(pg_catalog.to_jsonb(d) OPERATOR(pg_catalog.->>) 'datlocale', pg_catalog.to_jsonb(d) OPERATOR(pg_catalog.->>) 'daticulocale', d.datcollate),
  coalesce(pg_catalog.to_jsonb(d) OPERATOR(pg_catalog.->>) 'datcollversion', ''), pg_catalog.current_setting('server_version_num')
FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()`

const columnCollations = `SELECT n.nspname, c.collname, c.collprovider,
  coalesce(c.collcollate, pg_catalog.to_jsonb(c) OPERATOR(pg_catalog.->>) 'colllocale', pg_catalog.to_jsonb(c) OPERATOR(pg_catalog.->>) 'colliculocale'),
  coalesce(c.collversion, ''), coalesce(pg_catalog.to_jsonb(c) OPERATOR(pg_catalog.->>) 'collisdeterministic', 'true')
FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.collnamespace`

// collations compares how the two sides order and equate texts.
func (m *mappingProof) collations(ctx context.Context) error {
	var database [2][]string
	var columns [2]map[rewrite.Name]string
	for i, s := range []*mappedSide{m.source, m.target} {
		rows, err := s.words(ctx, databaseCollation)
		if err == nil && len(rows) != 1 {
			err = errUnasked
		}
		if err != nil {
			return fmt.Errorf("read the collation of the %s: %w", s.side, err)
		}
		database[i] = rows[0]
		if rows, err = s.words(ctx, columnCollations); err != nil {
			return fmt.Errorf("read collations of the %s: %w", s.side, err)
		}
		columns[i] = map[rewrite.Name]string{}
		for _, row := range rows {
			columns[i][rewrite.Name{Schema: row[0], Name: row[1]}] = strings.Join(row[2:], " ")
		}
	}
	same := database[0][0] == database[1][0] && database[0][1] == database[1][1]
	if !same {
		m.add(finding{
			Severity: "warning", Check: "collations",
			Message: fmt.Sprintf("the database orders texts by %s at the source and by %s at the target: ORDER BY and comparisons of texts may differ", shown(database[0][1]), shown(database[1][1])),
			Remedy:  "make the target's database with the source's locale and provider",
		})
	}
	if same && database[0][2] != database[1][2] && database[0][2] != "" && database[1][2] != "" {
		m.add(finding{
			Severity: "warning", Check: "collations",
			Message: fmt.Sprintf("the locale %s has another version at the target: texts may be ordered otherwise", shown(database[0][1])),
			Remedy:  "compare the order of texts before reads move, or give columns the collation C",
		})
	}
	for _, pair := range m.plan.Pairs {
		m.columnCollations(pair, same, columns)
	}
	return nil
}

// columnCollations compares the collations of one pair's columns, of which those
// of keys matter most: rows are walked in their order.
func (m *mappingProof) columnCollations(pair *rewrite.Pair, sameDefault bool, known [2]map[rewrite.Name]string) {
	for _, target := range pair.Targets {
		for _, a := range target.Columns {
			from := plainColumn(pair, a)
			if from == nil || from.Type != a.Column.Type || !m.text(from.Type) {
				continue
			}
			here, there := from.Collation, a.Column.Collation
			byDefault := here == rewrite.Name{} && there == rewrite.Name{}
			key := isKey(target, a.Column.Name)
			if byDefault && (sameDefault || !key) || !byDefault && here.Name == there.Name && known[0][here] == known[1][there] {
				continue
			}
			f := finding{
				Severity: "info", Check: "collations", Table: pair.Name(), Column: a.Column.Name,
				Message: fmt.Sprintf("has the collation %s at the source and %s at the target", collationName(here), collationName(there)),
				Remedy:  "give the columns one collation",
			}
			if key {
				f.Severity = "warning"
				f.Message += ", and is of the key: rows are not in one order on both sides"
			}
			m.add(f)
		}
	}
}

func collationName(n rewrite.Name) string {
	if n == (rewrite.Name{}) {
		return "of the database"
	}
	return n.String()
}

func isKey(target *rewrite.Target, column string) bool {
	for _, k := range target.Key {
		if k.Column == column {
			return true
		}
	}
	return false
}

// text says that values of a built-in type are ordered by a collation.
func (m *mappingProof) text(oid uint32) bool {
	const typeText = 25
	return oid == typeText || oid == typeVarchar || oid == typeBpchar
}
