package proxy

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// unprobed is state that cannot be read at all.
func unprobed(m *engine.Mobile) router.Reason {
	switch {
	case m.Hides:
		return router.PinOpaque
	case m.Effects&pgsql.Seeds != 0:
		return router.PinSeed
	case m.Effects&pgsql.Loads != 0:
		return router.PinLoad
	default:
		return router.None
	}
}

// probe reads what the session carries.
func (s *session) probe(l *leg) (*carried, router.Reason, error) {
	m := s.eng.Mobile()
	var landing *pgwire.Landing
	for range carryAttempts {
		var f pgwire.Flight
		probeFlight(&f, m)
		out, err := f.Sync()
		if landing, err = s.fly(l, out, err); err != nil {
			return nil, router.None, err
		}
		if landing.Failed == nil {
			return s.probed(l.side, landing)
		}
		if landing.Tx != 'I' {
			if err := s.say(l, "ROLLBACK"); err != nil {
				return nil, router.None, err
			}
		}
	}
	s.server.opt.Log.Info("the state of a session cannot be read", "session", s.id, "sqlstate", landing.Failed.Code)
	return nil, router.PinState, nil
}

// probeFlight asks by name for what texts have changed, and for the rest only
// where a text may have hidden something. A full scan of pg_settings takes 1 ms.
func probeFlight(f *pgwire.Flight, m *engine.Mobile) {
	f.Run(ownTransaction)
	f.Run("SELECT '" + rowSetting + "', n, pg_catalog.current_setting(n, true) FROM pg_catalog.unnest(ARRAY['client_encoding', 'statement_timeout']) AS n")
	f.Run(ownSettings)
	names := slices.DeleteFunc(namesOf(m), func(n string) bool { return n == "client_encoding" || n == "statement_timeout" })
	if len(names) > 0 {
		f.Run("SELECT '"+rowSetting+"', n, pg_catalog.current_setting(n, true) FROM pg_catalog.unnest($1::pg_catalog.text[]) AS n", arrayOf(names))
	}
	if m.AllUnknown {
		f.Run("SELECT '" + rowSetting + "', name, pg_catalog.current_setting(name, true) FROM pg_catalog.pg_settings" +
			" WHERE source OPERATOR(pg_catalog.=) 'session' AND NOT pg_catalog.starts_with(name, 'transaction_')" +
			" AND name OPERATOR(pg_catalog.<>) 'client_encoding' AND name OPERATOR(pg_catalog.<>) 'statement_timeout'")
	}
	for _, p := range pinProbes {
		if m.Effects&(p.after|pgsql.Opaque) != 0 {
			f.Run("SELECT '" + rowPin + "', '" + p.why.String() + "' WHERE EXISTS (" + p.sql + ")")
		}
	}
	if m.Effects&(pgsql.Prepares|pgsql.Opaque) != 0 {
		f.Run("SELECT CASE WHEN from_sql THEN '" + rowPrepare + "' ELSE '" + rowName + "' END, name, statement FROM pg_catalog.pg_prepared_statements")
	}
	f.Run("ROLLBACK")
}

// pinProbes find what cannot move, asked for after texts that may make it.
var pinProbes = []struct {
	after pgsql.Effects
	why   router.Reason
	sql   string
}{
	{pgsql.Temporary, router.PinTemporary, "SELECT 1 FROM pg_catalog.pg_class WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()" +
		" UNION ALL SELECT 1 FROM pg_catalog.pg_proc WHERE pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()" +
		" UNION ALL SELECT 1 FROM pg_catalog.pg_type WHERE typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()"},
	{pgsql.Listens, router.PinListen, "SELECT 1 FROM pg_catalog.pg_listening_channels()"},
	{pgsql.Advisory, router.PinAdvisory, "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory'" +
		" AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"},
	{pgsql.Holds, router.PinCursor, "SELECT 1 FROM pg_catalog.pg_cursors WHERE is_holdable"},
	{pgsql.Opaque, router.PinOpaque, "SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace" +
		" JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang" +
		" WHERE n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog' AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'" +
		" AND (" + hidingSource + ")"},
}

// hidingSource tells functions that may set what no probe shows: custom settings
// have a dotted name, which no column that is set has; what is put together and
// executed, bodies that are kept parsed, and other languages cannot be judged.
const hidingSource = `p.prosrc OPERATOR(pg_catalog.~*) 'set_config|setseed|_SHARED|GD\[|\mload\M|\mexecute\M|` +
	`\mset(\s|--[^\n]*\n|/\*.*\*/)+((session|local)(\s|--[^\n]*\n|/\*.*\*/)+)?("[^"]*"|\w+)\s*\.'` +
	` OR p.prosrc OPERATOR(pg_catalog.=) ''` +
	` OR NOT l.lanname OPERATOR(pg_catalog.=) ANY (ARRAY['internal', 'c', 'sql', 'plpgsql']::pg_catalog.name[])`

// namesOf are the settings that texts have named, in order.
func namesOf(m *engine.Mobile) []string {
	names := make([]string, 0, len(m.Names))
	for n := range m.Names {
		if n != "seed" && !strings.HasPrefix(n, "transaction_") {
			names = append(names, n)
		}
	}
	if m.AllUnknown { // they stand in no view
		names = append(names, "role", "session_authorization")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// arrayOf is the text of an array of text (manual, 8.15.2).
func arrayOf(names []string) []byte {
	out := []byte{'{'}
	for i, n := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		for _, c := range []byte(n) {
			if c == '"' || c == '\\' {
				out = append(out, '\\')
			}
			out = append(out, c)
		}
		out = append(out, '"')
	}
	return append(out, '}')
}

// probed reads the answer to a probe.
func (s *session) probed(from router.Side, landing *pgwire.Landing) (*carried, router.Reason, error) {
	m := s.eng.Mobile()
	state := &carried{values: map[string]string{}, anew: m.Effects&(pgsql.Prepares|pgsql.Opaque) != 0}
	protocol := map[string]bool{}
	for _, row := range landing.Rows {
		if len(row) < 2 {
			continue
		}
		name := string(row[1])
		switch string(row[0]) {
		case rowPin:
			return nil, reasonOf(name), nil
		case rowName:
			protocol[name] = true
		case rowPrepare:
			text, ok := pgsql.Prepared(row[2], 0, name)
			if !ok {
				return nil, router.PinPrepare, nil
			}
			state.prepares = append(state.prepares, string(text))
		case rowSetting:
			if len(row) > 2 && row[2] != nil {
				state.values[name] = string(row[2])
			}
		}
	}
	if why := unprobed(m); why != router.None {
		return nil, why, nil
	}
	if strings.HasPrefix(state.values["search_path"], "pg_temp") {
		return nil, router.PinTemporary, nil
	}
	if state.anew {
		dropUnseen(m, from, protocol)
	}
	s.learn(m, state)
	return state, router.None, nil
}

// dropUnseen forgets statements that a leg should have and has not: DEALLOCATE,
// also out of sight.
func dropUnseen(m *engine.Mobile, from router.Side, seen map[string]bool) {
	for name, st := range m.Statements {
		if name != "" && st.On[from] && !seen[name] {
			delete(m.Statements, name)
		}
	}
}

// learn takes over what a full probe has told: what was unknown is known now,
// and nothing of it stands against a move.
func (s *session) learn(m *engine.Mobile, state *carried) {
	if !m.AllUnknown {
		for _, own := range []string{"client_encoding", "statement_timeout"} {
			if _, changed := m.Names[own]; !changed {
				delete(state.values, own)
			}
		}
	}
	for name := range state.values {
		m.Know(name)
	}
	kept := m.Effects & (pgsql.Seeds | pgsql.Loads)
	if len(state.prepares) > 0 {
		kept |= pgsql.Prepares
	}
	m.Effects, m.AllUnknown = kept, false
	s.eng.HeardNot()
}

func reasonOf(word string) router.Reason {
	for r := range router.Reasons {
		if r.String() == word {
			return r
		}
	}
	return router.PinState
}
