package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
)

// mirrorSetting is on in the sessions that bring rows to the target, for the
// WHEN conditions of its triggers.
const mirrorSetting = "crossfade.mirror"

const skipTrigger = "ALTER TABLE … ENABLE REPLICA TRIGGER at the target with session_replication_role = replica nowhere; " +
	"or session_replication_role = replica for the logins at the target, which leaves foreign keys unchecked; " +
	"or WHEN (current_setting('" + mirrorSetting + "', true) IS DISTINCT FROM 'on')"

// harmless are functions of the server's that change and write nothing that a
// row's image does not have.
var harmless = map[rewrite.Name]bool{
	{Schema: "pg_catalog", Name: "suppress_redundant_updates_trigger"}: true,
}

// triggers looks for those whose doings nobody would see at the source, and for
// those that would change what is mirrored at the target.
func (m *mappingProof) triggers(ctx context.Context) error {
	for _, pair := range m.plan.Pairs {
		if err := m.sourceTriggers(ctx, pair); err != nil {
			return err
		}
		for _, target := range pair.Targets {
			if err := m.targetTriggers(ctx, pair, target); err != nil {
				return err
			}
		}
	}
	return nil
}

// sourceTriggers finds triggers that may write after the row was seen. Those of
// BEFORE change the row before it is seen, unless they write others.
func (m *mappingProof) sourceTriggers(ctx context.Context, pair *rewrite.Pair) error {
	if pair.Source.WriteActs {
		m.lives(pair.Name(), "has defaults, checks, policies or types that call a VOLATILE function, which may write rows unseen")
	}
	for _, t := range pair.Source.Triggers {
		if t.Replica || harmless[t.Function] {
			continue
		}
		writes, err := m.source.writes(ctx, t.Function)
		if err != nil {
			return fmt.Errorf("read the trigger %s of %s: %w", t.Name, pair.Name(), err)
		}
		if writes {
			m.lives(pair.Name(), fmt.Sprintf("has the trigger %s, which may write rows unseen", rewrite.Quote(t.Name)))
		}
	}
	return nil
}

// targetTriggers finds triggers that fire for mirrored rows.
func (m *mappingProof) targetTriggers(ctx context.Context, pair *rewrite.Pair, target *rewrite.Target) error {
	for _, t := range target.Table.Triggers {
		if t.Replica || harmless[t.Function] {
			continue
		}
		if t.When {
			skipped, err := m.skipped(ctx, target.Table.Name, t.Name)
			if err != nil {
				return err
			}
			if skipped {
				continue
			}
		}
		writes, err := m.target.writes(ctx, t.Function)
		if err != nil {
			return fmt.Errorf("read the trigger %s of %s: %w", t.Name, target.Table.Name, err)
		}
		f := finding{Severity: "error", Check: "triggers", Table: pair.Name(), Remedy: skipTrigger}
		switch {
		case t.Before && t.Row:
			f.Message = fmt.Sprintf("the trigger %s of %s at the target may change the rows that are mirrored, or keep them out", rewrite.Quote(t.Name), target.Table.Name)
		case writes:
			f.Message = fmt.Sprintf("the trigger %s of %s at the target may write rows there that the source does not have", rewrite.Quote(t.Name), target.Table.Name)
		default:
			continue
		}
		m.add(f)
	}
	return nil
}

const conditionQuery = `SELECT pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t
WHERE NOT t.tgisinternal AND t.tgname OPERATOR(pg_catalog.=) %s::pg_catalog.name
  AND t.tgrelid OPERATOR(pg_catalog.=) %s::pg_catalog.regclass`

// skipped says that a trigger has a condition on our setting.
func (m *mappingProof) skipped(ctx context.Context, table rewrite.Name, trigger string) (bool, error) {
	rows, err := m.target.words(ctx, fmt.Sprintf(conditionQuery, rewrite.Literal(trigger), rewrite.Literal(table.SQL())))
	if err != nil {
		return false, fmt.Errorf("read the trigger %s of %s: %w", trigger, table, err)
	}
	for _, row := range rows {
		if strings.Contains(row[0], "'"+mirrorSetting+"'") {
			return true, nil
		}
	}
	return false, nil
}

const functionSource = `SELECT l.lanname, CASE WHEN p.prosrc OPERATOR(pg_catalog.=) '' AND p.prokind OPERATOR(pg_catalog.<>) 'a'
  THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
WHERE n.nspname OPERATOR(pg_catalog.=) %s::pg_catalog.name AND p.proname OPERATOR(pg_catalog.=) %s::pg_catalog.name`

// writing are words of a function that may write rows: statements that do, and
// ways to others that may.
var writing = regexp.MustCompile(`(?i)\b(insert|update|delete|merge|truncate|copy|execute|perform|call|refresh|dblink\w*)\b`)

// quiet are the comments and strings of a function; a string that is run stands
// behind EXECUTE.
var quiet = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'`)

// writes says whether a trigger's function may write rows. What is not written
// in SQL or PL/pgSQL cannot be read, and may.
func (s *mappedSide) writes(ctx context.Context, function rewrite.Name) (bool, error) {
	rows, err := s.words(ctx, fmt.Sprintf(functionSource, rewrite.Literal(function.Schema), rewrite.Literal(function.Name)))
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		known := row[0] == "plpgsql" || row[0] == "sql"
		if !known && function.Schema == "pg_catalog" {
			continue // tsvector_update_trigger and its like change the row at hand
		}
		if !known || writing.MatchString(quiet.ReplaceAllString(row[1], " ")) {
			return true, nil
		}
	}
	return false, nil
}
