package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/router"
)

// visit is what one login is told at one side.
type visit struct {
	reported map[string]string
	settings map[string]setting
	ofRole   map[string]bool   // names that its role or database sets
	custom   map[string]string // those of them that the server does not know
	writable int               // tables that it may write
}

// setting is a setting as a login begins with it.
type setting struct {
	value, boot string
	context     string // user or superuser: who may set it in a session
	category    string
}

const settingsQuery = `SELECT s.name, s.reset_val, s.boot_val, s.context, s.category FROM pg_catalog.pg_settings s
WHERE s.context OPERATOR(pg_catalog.=) ANY ('{user,superuser}'::pg_catalog.text[])`

// roleQuery reads what the login's role and database set, with the value where
// pg_settings does not show it: of settings whose names the server does not know
// (manual, 20.16), and of role, which changes the user after the login.
const roleQuery = `SELECT DISTINCT n.name, n.custom,
  CASE WHEN n.custom THEN pg_catalog.current_setting(n.name, true) END
FROM (
  SELECT c.name, (pg_catalog.strpos(c.name, '.') OPERATOR(pg_catalog.>) 0 OR c.name OPERATOR(pg_catalog.=) 'role')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) c.name) AS custom
  FROM pg_catalog.pg_db_role_setting d
  CROSS JOIN LATERAL pg_catalog.unnest(d.setconfig) AS u(text)
  CROSS JOIN LATERAL pg_catalog.split_part(u.text, '=', 1) AS c(name)
  WHERE (d.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR d.setrole OPERATOR(pg_catalog.=)
      (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER))
    AND (d.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR d.setdatabase OPERATOR(pg_catalog.=)
      (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))
) n`

// writableQuery counts the tables that a login may change.
const writableQuery = `SELECT pg_catalog.count(*)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[])
  AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')`

// look asks for what a login has.
func (v *visitor) look(ctx context.Context) (*visit, error) {
	seen := &visit{reported: v.reported, settings: map[string]setting{}, ofRole: map[string]bool{}, custom: map[string]string{}}
	settings, err := v.rows(ctx, settingsQuery, 5)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	for _, row := range settings {
		seen.settings[row[0]] = setting{value: row[1], boot: row[2], context: row[3], category: row[4]}
	}
	ofRole, err := v.rows(ctx, roleQuery, 3)
	if err != nil {
		return nil, fmt.Errorf("read settings of the role: %w", err)
	}
	for _, row := range ofRole {
		seen.ofRole[row[0]] = true
		if row[1] == "t" {
			seen.custom[row[0]] = row[2]
		}
	}
	count, err := v.one(ctx, writableQuery, 1)
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	if seen.writable, err = strconv.Atoi(count[0]); err != nil {
		return nil, errors.Join(errUnasked, err)
	}
	return seen, nil
}

// compareSettings compares what a login begins with, as far as an application
// sees it: the settings of its kind, and whatever a role or database sets. The
// values of custom settings are the application's own and are not shown.
func compareSettings(seen [router.Sides]*visit) []finding {
	var found []finding
	source, target := seen[router.Source], seen[router.Target]
	for _, name := range slices.Sorted(maps.Keys(source.settings)) {
		here := source.settings[name]
		there, known := target.settings[name]
		visible := here.visible() || slices.Contains(seenBySessions, name) || source.ofRole[name] || target.ofRole[name]
		if !visible || notOfSessions(name) || known && here.value == there.value || !known && here.value == here.boot {
			continue
		}
		found = append(found, settingOtherwise(name, here, there, known))
	}
	return append(found, compareCustom(source.custom, target.custom)...)
}

// settingOtherwise says what becomes of a setting that is not the same.
func settingOtherwise(name string, here, there setting, known bool) finding {
	if !known {
		return settingFinding("warning", fmt.Sprintf("%s is %s at the source's login, and unknown to the target", name, valueOf(name, here)))
	}
	values := fmt.Sprintf("%s at the source and %s at the target", valueOf(name, here), valueOf(name, there))
	switch {
	case name == readOnly:
		f := settingFinding("warning", fmt.Sprintf("%s is %s, and not sent at the target's login", name, values))
		f.Remedy = "set it alike on both sides"
		return f
	case here.context != "user" || there.context != "user":
		f := settingFinding("warning", fmt.Sprintf("%s is %s, where only a superuser may set it", name, values))
		f.Remedy = "set it at the target for the role, as a superuser"
		return f
	default:
		return settingFinding("info", fmt.Sprintf("%s is sent at the target's login: it is %s", name, values))
	}
}

// valueOf shows the value of a server's own setting. Those of extensions may be
// secret.
func valueOf(name string, s setting) string {
	if strings.Contains(name, ".") {
		return "***"
	}
	return shown(s.value)
}

// readOnly decides whether sessions of the canary may write, and is therefore
// canary.writes' to set.
const readOnly = "default_transaction_read_only"

// visible reports whether a setting is of the kinds that applications see the
// effect of (manual, 20.11 and 20.13).
func (s setting) visible() bool {
	return strings.HasPrefix(s.category, "Client Connection Defaults") || strings.HasPrefix(s.category, "Version and Platform")
}

func compareCustom(source, target map[string]string) []finding {
	var found []finding
	for _, name := range slices.Sorted(maps.Keys(source)) {
		if value, both := target[name]; !both || value != source[name] {
			found = append(found, settingFinding("info", fmt.Sprintf("%s, which the role or database has at the source, is sent at the target's login", name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(target)) {
		if _, both := source[name]; !both {
			f := settingFinding("warning", fmt.Sprintf("%s is what the role or database has at the target only", name))
			f.Remedy = "reset it there, or set it at the source as well"
			found = append(found, f)
		}
	}
	return found
}

func settingFinding(severity, message string) finding {
	return finding{Severity: severity, Check: "settings", Message: message}
}

// notOfSessions are settings that belong to one connection or transaction.
func notOfSessions(name string) bool {
	return name == "application_name" || strings.HasPrefix(name, "transaction_")
}

// seenBySessions are the settings for superusers that sessions of others notice
// (manual, chapter 20).
var seenBySessions = []string{
	"allow_system_table_mods", "deadlock_timeout", "dynamic_library_path", "extension_control_path", "lc_messages",
	"lo_compat_privileges", "max_stack_depth", "session_preload_libraries", "session_replication_role", "temp_file_limit",
}
