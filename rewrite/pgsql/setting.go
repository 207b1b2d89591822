package pgsql

import "strings"

// SettingNames calls yield with the name of every setting that the text may
// change, in lower case, until yield returns false: those of SET and RESET in
// all their forms, session_authorization and role included, and of set_config
// with a plain string for a name. A name may come more than once. RESET ALL and
// DISCARD ALL have no names: see AllReset.
//
// It is complete if no other setting can change: not if a name is computed or
// written with escapes, if an UPDATE names the view pg_settings, or if the text
// is Opaque by anything but set_config, setseed and advisory locks. Texts run
// by EXECUTE count as the PREPARE that held them. After yield returned false
// the answer has no meaning.
func SettingNames(text []byte, mode Mode, yield func(name string) bool) (complete bool) {
	c := classifier{}
	c.run(text, mode)
	n := settingNames{yield: yield, complete: c.facts&unknown == 0}
	statements(text, mode, func(st *statement) bool {
		n.statement(st)
		return !n.stopped
	})
	if c.effects.Has(Names) {
		n.calls(text, mode)
	}
	return n.complete && !n.stopped
}

type settingNames struct {
	yield    func(string) bool
	stopped  bool
	complete bool
}

// say passes names on.
func (n *settingNames) say(names ...string) {
	for _, name := range names {
		n.stopped = n.stopped || !n.yield(name)
	}
}

func (n *settingNames) statement(st *statement) {
	switch {
	case st.word("reset"):
		n.reset(st)
	case !st.word("set"):
	case n.session(st):
	default:
		from := st.at
		if (st.word("session") || st.word("local")) && st.assigned() {
			st.at = from
		}
		if !n.session(st) {
			n.set(st)
		}
	}
}

// session reads SESSION CHARACTERISTICS or SESSION AUTHORIZATION, or nothing.
func (n *settingNames) session(st *statement) bool {
	from := st.at
	switch {
	case st.words("session", "authorization"):
		n.say("session_authorization", "role")
		return true
	case !st.words("session", "characteristics"):
		return false
	case st.assigned(): // SET SESSION characteristics = 1
		st.at = from
		return false
	}
	n.say("default_transaction_isolation", "default_transaction_read_only",
		"default_transaction_deferrable")
	return true
}

// set reads what follows SET, SET SESSION or SET LOCAL.
func (n *settingNames) set(st *statement) {
	from := st.at
	first, ok := st.name()
	switch quoted := st.head[min(from, len(st.head)-1)].Kind != KindWord; {
	case !ok:
		n.complete = false
		return
	case quoted || st.assigned():
		st.at = from
		n.named(st)
		return
	}
	switch first {
	case "transaction", "constraints", "catalog":
	case "time":
		n.say("timezone")
	case "names":
		n.say("client_encoding")
	case "schema":
		n.say("search_path")
	case "role":
		n.say("role")
	case "xml":
		n.say("xmloption")
	default:
		n.complete = false
	}
}

// reset reads what follows RESET.
func (n *settingNames) reset(st *statement) {
	switch {
	case st.word("all"):
	case st.words("time", "zone"):
		n.say("timezone")
	case st.words("transaction", "isolation"):
		n.say("transaction_isolation")
	case n.session(st):
	default:
		n.named(st)
	}
}

// named reads the possibly qualified name of a setting.
func (n *settingNames) named(st *statement) {
	var parts []string
	for {
		part, ok := st.name()
		if !ok {
			n.complete = false
			return
		}
		parts = append(parts, part)
		if st.token().Kind != KindDot {
			break
		}
		st.at++
	}
	if st.at >= maxHead {
		n.complete = false
		return
	}
	n.say(string(lowered([]byte(strings.Join(parts, ".")))))
}

// calls finds the calls of set_config.
func (n *settingNames) calls(text []byte, mode Mode) {
	var s Scanner
	var f folder
	for s.Reset(text, mode); s.Next() && !n.stopped; {
		t := s.Token()
		name := text[t.Start:t.End]
		switch t.Kind {
		case KindWord:
			name = f.fold(name)
		case KindQuotedIdent:
			name = name[1 : len(name)-1]
		default:
			continue
		}
		if string(name) != "set_config" {
			continue
		}
		behind := s
		setting, plain := firstArgument(&behind)
		if !plain {
			n.complete = false
			continue
		}
		n.say(string(lowered(setting)))
	}
}

// AllReset reports whether the text has RESET ALL or DISCARD ALL.
func AllReset(text []byte, mode Mode) bool {
	found := false
	statements(text, mode, func(st *statement) bool {
		found = st.words("reset", "all") || st.words("discard", "all")
		return !found
	})
	return found
}
