package main

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// reasonsWhy say in words why rows are not captured, and what could be done.
var reasonsWhy = map[writes.Why]struct{ why, advice string }{
	writes.WhyUnread:   {"its text cannot be analysed", "write it in the syntax of PostgreSQL 17 or before, or keep to limits.parse"},
	writes.WhyFunction: {"it calls a function that may write, by its text or by what it reads", "declare the function STABLE or IMMUTABLE if it writes nothing, else expect what it writes to be repaired"},
	writes.WhyView:     {"it writes through a view or a foreign table", "write the table itself"},
	writes.WhyRule:     {"the table has a rule, which may write other rows", "drop the rule, or make a trigger of it"},
	writes.WhyRowLevel: {"row security applies to the login, and RETURNING would show or refuse other rows", "give the login BYPASSRLS, or let the owner write"},
	writes.WhyRight:    {"the login may not SELECT every column of the table, as RETURNING must", "GRANT SELECT on the table to the login at the source"},
	writes.WhyDeferred: {"the table has a deferred trigger, which may change rows after they were returned", "make the constraint trigger not deferrable"},
	writes.WhyInherits: {"the table takes part in inheritance, so that rows of other tables may be meant", "make the tables partitions"},
	writes.WhyMerge:    {"MERGE does not return its rows before PostgreSQL 17", "write it as INSERT … ON CONFLICT, or UPDATE"},
	writes.WhyCTE:      {"its WITH list writes, too", "send its statements one by one, in a transaction"},
	writes.WhyKey:      {"it may change the key of rows, whose old keys cannot be known", "leave the key out of DO UPDATE SET"},
	writes.WhyRole:     {"the session has another role than its login", ""},
	writes.WhyUnknown:  {"the catalog of the source has no such relation, so that it may be a temporary or a new one", "name the schema, if it is not"},
	writes.WhyTrigger:  {"triggers, rules, foreign keys, defaults, checks or policies may write tables that are mapped", "map the table, or remove what writes"},
	writes.WhyExecute:  {"it runs a statement of SQL PREPARE", "prepare with the driver, or send the statement itself"},
	writes.WhyBody:     {"what it does is not in its text, and it may commit inside", "send the statements that it runs, or expect what it writes to be repaired"},
	writes.WhyCopy:     {"nothing of the rows of COPY is looked at but their keys", "expect its rows, or the table where their keys are not in the data for certain, to be dirty until repair has gone through them"},
	writes.WhyForeign:  {"foreign keys of the target act otherwise than those of the source", "give both sides the same foreign keys"},
	writes.WhyEncoding: {"client_encoding is not UTF8", "SET client_encoding = 'UTF8'"},
	writes.WhySeveral:  {"one of its statements may end the transaction, or cannot be mirrored in the middle of a text", "send its statements one by one"},
}

// reasonsAgainst say in words why the target does not answer.
var reasonsAgainst = map[router.Reason]string{
	router.SetsState:   "it may change what the session carries, so the source answers",
	router.Catalog:     "it reads system catalogs, so the source answers",
	router.ServerBound: "it asks for what only one server has, so the source answers",
	router.NotMapped:   "it reads a relation that is not mapped or not known, so the source answers",
	router.Shape:       "it reads a table whose shape differs, and reads are not rewritten between shapes yet, so the source answers",
	router.NotReady:    "it reads a table that is not ready, or that the mapping keeps at the source, so the source answers",
	router.Locking:     "it locks rows, so the source answers",
	router.Writing:     "it may write, so the source answers",
	router.Mixed:       "the source answers all of a text of which it has to answer a part",
}

// how says in words what becomes of it.
func (e *explanation) how() string {
	if e.refused() {
		if e.plan.Class == writes.Definition {
			return "it changes the definition of a mapped table: the proxy refuses it (0A000), since migration.on_ddl is refuse"
		}
		return "its rows cannot be captured, since " + e.why() + ": the proxy refuses it (0A000), since migration.on_uncaptured is refuse"
	}
	if e.relayed() {
		return "it goes to the source as it came, in the middle of its text; what it changes of mapped tables is repaired"
	}
	switch e.plan.Class {
	case writes.Pass:
		return e.passes()
	case writes.Capture:
		return e.captures()
	case writes.Truncate:
		if !e.mirrored() {
			return "it empties tables; the target cannot do the same in one statement, so these are dirty after it"
		}
		return "it empties tables, and the target empties its own in one statement"
	case writes.Probe:
		return "it goes to the source as it came, since " + e.why() + "; the server is asked before and after it which mapped tables it has changed" + e.fate()
	case writes.Body:
		return "it goes to the source as it came, since " + e.why() + "; mapped tables that it names are dirty before it, and the server is asked which others it has changed"
	case writes.Copy:
		switch {
		case e.plan.Form != nil:
			return "it goes to the source as it came, and the keys of its rows are read from its data; these keys are dirty once it is committed"
		case e.plan.Why == writes.WhyCopy:
			return "it goes to the source as it came; the keys of its rows are not in its data, or not for certain, so the table is dirty once it is committed"
		}
		return "it goes to the source as it came, since " + e.why() + "; the table is dirty before it"
	case writes.Definition:
		return "it changes the definition of a mapped table: it goes to the source, since migration.on_ddl is authority; the table is dirty before it, and the catalogs are read again"
	case writes.Control:
		return "it goes where the session is; a mirrored transaction ends on both sides with it, and has the same savepoints"
	case writes.Verbatim:
		return "the text goes to the source as it came, since " + e.why() + "; the mapped tables that it may write are dirty before it"
	case writes.Sequence:
		return "its statements run one by one in one transaction, each as it is explained"
	}
	return ""
}

// passes is how of a statement that writes nothing that is mapped.
func (e *explanation) passes() string {
	if e.writesUnmapped() {
		return "what it writes is not mapped: it goes to the source alone"
	}
	if e.plan.Reloads {
		return "it changes no mapped table: the source runs it alone, and the catalogs are read again behind it"
	}
	if _, reason := e.route(); reason != router.None {
		return reasonsAgainst[reason]
	}
	return "the target may answer it in the canary, as it is"
}

// writesUnmapped says that a statement that passes writes rows.
func (e *explanation) writesUnmapped() bool {
	switch e.plan.Statement.Kind {
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge, rewrite.Truncate, rewrite.CopyIn:
		return true
	case rewrite.Unknown, rewrite.Read, rewrite.CopyOut, rewrite.Control, rewrite.Session, rewrite.Definition, rewrite.Body:
	}
	return false
}

// captures is how of a statement whose rows come back.
func (e *explanation) captures() string {
	p := e.plan
	how := "it leaves with RETURNING of all mapped columns, which the client does not see, and each row is brought to the target in the same transaction"
	if p.Old {
		how = "the keys of its rows are read and locked first, as it may change them; " + how
	}
	if p.Watch {
		how += "; triggers, foreign keys or functions may change more: the server is asked which mapped tables were changed beside it" + e.fate()
	}
	if len(p.Same) > 0 {
		how += "; the target does the same to " + namesOfPairs(p.Same) + " by its own foreign keys"
	}
	if len(p.Loses) > 0 {
		how += "; the target's own foreign keys change " + namesOfPairs(p.Loses) + " as the source's do not"
	}
	if len(p.Moves) > 0 {
		how += "; where it does change a key it is not mirrored, and these tables are dirty, as the foreign keys of the sides act on it otherwise: " + namesOfPairs(p.Moves)
	}
	return how
}

func namesOfPairs(pairs []*rewrite.Pair) string {
	var names []string
	for _, p := range pairs {
		names = append(names, p.Name())
	}
	return strings.Join(names, ", ")
}

// fate is what becomes of tables that were changed unseen.
func (e *explanation) fate() string {
	switch e.uncaptured {
	case "refuse":
		return ", and where it has changed one the transaction is refused"
	case "ignore":
		return ", and nothing follows from it (migration.on_uncaptured: ignore)"
	default:
		return ", and these are dirty"
	}
}

func (e *explanation) why() string {
	if e.tooLong() {
		return "its text is longer or deeper than limits.parse"
	}
	return reasonsWhy[e.plan.Why].why
}

// advice is what check says of it, and what a reader can do.
func (e *explanation) advice() []string {
	advice := append([]string{}, e.notes...)
	add := func(text string) {
		if text != "" && !slices.Contains(advice, text) {
			advice = append(advice, text)
		}
	}
	if !e.multiple {
		add(reasonsWhy[e.plan.Why].advice)
	}
	for _, p := range e.problems {
		if p.Severity == rewrite.Error && e.names(p.Table) {
			add("check --mapping: " + p.Table + " is not mirrored: " + p.Message + "; " + p.Remedy)
		}
	}
	if e.plan.Class == writes.Capture && e.plan.Watch {
		e.beside(add)
	}
	if e.plan.Class == writes.Pass && e.writesUnmapped() {
		add("list the table in migration.tables, if its rows are to reach the target")
	}
	return advice
}

// beside tells what may write beside a statement, as check --mapping does.
func (e *explanation) beside(add func(string)) {
	for _, one := range e.plan.Captured() {
		e.besideOf(one.Pair, add)
	}
}

func (e *explanation) besideOf(pair *rewrite.Pair, add func(string)) {
	for _, t := range pair.Source.Triggers {
		add("check --mapping: " + pair.Name() + " has the trigger " + rewrite.Quote(t.Name) + ", which may write rows unseen")
	}
	for _, f := range pair.Source.Referenced {
		if child := e.env.Plan.Pair(f.From); child != nil && f.Writes() && !slices.Contains(e.plan.Same, child) {
			add("check --mapping: " + pair.Name() + " writes " + child.Name() + " by the foreign key " + rewrite.Quote(f.Name) +
				"; create the same one at the target")
		}
	}
}

// names says that the statement names a table of the source.
func (e *explanation) names(table string) bool {
	st := e.plan.Statement
	if st == nil {
		return false
	}
	refs := slices.Concat(st.Reads, st.Writes, st.Also, []rewrite.Ref{st.Target})
	return slices.ContainsFunc(refs, func(r rewrite.Ref) bool {
		if r.Schema != "" {
			return rewrite.Name{Schema: r.Schema, Name: r.Name}.String() == table
		}
		return slices.ContainsFunc(e.env.Path, func(schema string) bool {
			return rewrite.Name{Schema: schema, Name: r.Name}.String() == table
		})
	})
}
