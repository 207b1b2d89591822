package writes

import (
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

// Decide says what becomes of a statement. st is nil where the text could not be
// understood.
func Decide(st *rewrite.Statement, env *Env) *Plan {
	if st == nil {
		return &Plan{Class: Probe, Why: WhyUnread, Apart: Unmapped}
	}
	if len(st.Parts) > 1 {
		return several(st, env)
	}
	p := &Plan{Statement: st}
	p.reads(st, env)
	switch st.Kind {
	case rewrite.Control:
		p.Class = Control
	case rewrite.Read, rewrite.CopyOut:
		p.read(st, env)
	case rewrite.Session:
		p.session(st, env)
	case rewrite.Insert, rewrite.Update, rewrite.Delete, rewrite.Merge:
		p.Apart = WritesIt
		p.write(st, env)
	case rewrite.Truncate:
		p.Apart = WritesIt
		p.truncate(st, env)
	case rewrite.CopyIn:
		p.Apart = WritesIt
		p.copyIn(st, env)
	case rewrite.Definition:
		p.Apart = WritesIt
		p.definition(st, env)
	case rewrite.Body:
		p.Class, p.Why, p.Apart = Body, WhyBody, WritesIt
	case rewrite.Unknown:
		p.Apart = WritesIt
		p.probe(WhyUnread)
		if len(st.Writes) > 0 {
			p.probe(WhyCTE)
			p.touches(st.Writes, env)
			p.with(st, env)
		}
	}
	return p
}

// several decides about a text of several statements: where one of them may end
// the transaction, or is not understood, all goes as it came.
func several(st *rewrite.Statement, env *Env) *Plan {
	whole := &Plan{Statement: st, Class: Pass}
	for _, part := range st.Parts {
		p := Decide(part, env)
		whole.Parts = append(whole.Parts, Part{Plan: p})
		whole.apart(p.Apart)
		whole.Reloads, whole.Doubts = whole.Reloads || p.Reloads, whole.Doubts || p.Doubts
		whole.Reads = append(whole.Reads, p.Reads...)
		switch p.Class {
		case Pass:
			if part.Kind != rewrite.Read && part.Kind != rewrite.Insert && part.Kind != rewrite.Update && part.Kind != rewrite.Delete && part.Kind != rewrite.CopyOut {
				whole.Class, whole.Why = Verbatim, WhySeveral // it may mean something else outside of a block
			}
			continue
		case Control, Body, Copy, Definition, Verbatim, Sequence:
			whole.Class, whole.Why = Verbatim, WhySeveral
		case Capture, Truncate, Probe:
			if whole.Class == Pass {
				whole.Class = Sequence
			}
		}
		if p.Why == WhyUnread {
			whole.Class, whole.Why = Verbatim, WhySeveral
		}
		if p.Pair != nil {
			whole.Pairs = append(whole.Pairs, p.Pair)
		} else {
			for _, one := range p.Captured() {
				whole.Pairs = append(whole.Pairs, one.Pair)
			}
		}
		whole.Pairs = append(whole.Pairs, p.Pairs...)
	}
	return whole
}

// find is the table that a name means in the session. known is false for one
// that the catalog does not have, or that may be hidden by a temporary one.
func (e *Env) find(ref rewrite.Ref) (t *rewrite.Table, known bool) {
	if ref.Schema != "" {
		t = e.Plan.Source.Tables[rewrite.Name{Schema: ref.Schema, Name: ref.Name}]
		return t, t != nil || ref.Schema == "pg_catalog" || ref.Schema == "information_schema"
	}
	for _, schema := range e.Path {
		if strings.HasPrefix(schema, "pg_temp") {
			if slices.Contains(e.Temporary, ref.Name) {
				return nil, false
			}
			continue
		}
		if t := e.Plan.Source.Tables[rewrite.Name{Schema: schema, Name: ref.Name}]; t != nil {
			return t, true
		}
	}
	return nil, strings.HasPrefix(ref.Name, "pg_")
}

// acts says that to read a relation may call a function of a user that may write.
// Where the path is not known, a name may be of any schema.
func (e *Env) acts(ref rewrite.Ref) bool {
	acts := func(t *rewrite.Table) bool { return t.ReadActs && t.Kind != rewrite.MaterializedView }
	if t, known := e.find(ref); known || e.Path != nil {
		return t != nil && acts(t)
	}
	for name, t := range e.Plan.Source.Tables {
		if name.Name == ref.Name && acts(t) {
			return true
		}
	}
	return false
}

// stranger says that a relation may be a view that the catalog does not have yet,
// with whatever it calls.
func (e *Env) stranger(ref rewrite.Ref) bool {
	_, known := e.find(ref)
	temporary := (ref.Schema == "" || strings.HasPrefix(ref.Schema, "pg_temp")) && slices.Contains(e.Temporary, ref.Name)
	return !known && !temporary && e.Path != nil
}

// reads notes the mapped tables that the statement shows.
func (p *Plan) reads(st *rewrite.Statement, env *Env) {
	refs := st.Reads
	if st.Target.Name != "" {
		refs = append(slices.Clip(refs), st.Target)
	}
	for _, ref := range refs {
		t, known := env.find(ref)
		if !known || t == nil {
			p.apart(Unmapped)
			continue
		}
		pair := env.Plan.Pair(t.Name)
		switch {
		case pair == nil || t.Kind == rewrite.View || t.Kind == rewrite.MaterializedView:
			p.apart(Unmapped)
			continue
		case !pair.Same || pair.Source.Name != t.Name:
			p.apart(Shape)
		case !pair.Canary:
			p.apart(Kept)
		}
		if !slices.Contains(p.Reads, pair) {
			p.Reads = append(p.Reads, pair)
		}
	}
	if st.Locking {
		p.apart(Locks)
	}
}

func (p *Plan) apart(why Apart) {
	if p.Apart == Together {
		p.Apart = why
	}
}

// volatile says that the statement calls a function of a user that may write, by
// its text or by what it reads, or may do so by what it reads that nobody knows.
func volatile(st *rewrite.Statement, env *Env) bool {
	return calls(st, env) || slices.ContainsFunc(st.Reads, env.stranger)
}

func calls(st *rewrite.Statement, env *Env) bool {
	source := env.Plan.Source
	return slices.ContainsFunc(st.Calls, source.Acts) || slices.ContainsFunc(st.Reads, env.acts) ||
		slices.ContainsFunc(st.Fields, func(name string) bool { return source.RowCalls[name] })
}

func (p *Plan) read(st *rewrite.Statement, env *Env) {
	switch {
	case st.Explains: // nothing runs
	case len(st.Writes) > 0:
		p.Apart = WritesIt
		p.probe(WhyCTE)
		p.touches(st.Writes, env)
	case calls(st, env):
		p.Apart = WritesIt
		p.probe(WhyFunction)
	case volatile(st, env):
		p.probe(WhyUnknown)
	}
}

func (p *Plan) probe(why Why) { p.Class, p.Why, p.Watch = Probe, why, true }

// touches lowers a probe to a pass, where all that is written is known to be not
// mapped and has nothing that could write what is.
func (p *Plan) touches(refs []rewrite.Ref, env *Env) {
	for _, ref := range refs {
		t, known := env.find(ref)
		if !known || t == nil || env.Plan.Pair(t.Name) != nil || reaches(t, env) {
			return
		}
	}
	if !volatile(p.Statement, env) {
		p.Class, p.Why, p.Watch = Pass, Captured, false
	}
}

// reaches says that a write of a table that is not mapped may write others: by
// itself, or through tables whose rows follow its own.
func reaches(t *rewrite.Table, env *Env) bool {
	return reachesBut(t, env, map[*rewrite.Table]bool{})
}

func reachesBut(t *rewrite.Table, env *Env, seen map[*rewrite.Table]bool) bool {
	if t == nil || seen[t] {
		return false
	}
	seen[t] = true
	if t.Kind == rewrite.View || t.Kind == rewrite.ForeignTable || t.Rules || len(t.Triggers) > 0 || t.Inherits || t.WriteActs {
		return true
	}
	return slices.ContainsFunc(t.Referenced, func(f rewrite.ForeignKey) bool {
		return f.Writes() && (env.Plan.Pair(f.From) != nil || reachesBut(env.Plan.Source.Tables[f.From], env, seen))
	})
}

// session is a statement of the session. What a cursor calls is called when rows
// are fetched, or at the commit that keeps them: as nobody is asked there, all is
// dirty from the beginning. A function may have opened one, too.
func (p *Plan) session(st *rewrite.Statement, env *Env) {
	switch {
	case st.Explains:
	case st.Executes != "":
		p.Apart = WritesIt
		p.probe(WhyExecute)
	case st.Declares && volatile(st, env):
		p.Apart = WritesIt
		p.probe(WhyFunction)
		p.Pairs = env.Plan.Pairs
	case st.Fetches && env.Plan.Source.Cursors:
		p.Apart = WritesIt
		p.probe(WhyFunction)
	}
}

func (p *Plan) write(st *rewrite.Statement, env *Env) {
	t, known := env.find(st.Target)
	if !known || t == nil {
		p.probe(WhyUnknown)
		return
	}
	pair := env.Plan.Pair(t.Name)
	if pair == nil {
		p.unmapped(st, t, env)
		return
	}
	p.Pair = pair
	if why := obstacle(st, t, pair, env); why != Captured {
		p.probe(why)
		p.deferred(t, env)
		p.with(st, env)
		return
	}
	p.Class = Capture
	p.Watch = volatile(st, env) || t.WriteActs || t.ReadActs
	switch st.Kind {
	case rewrite.Insert:
		p.Kind = shadow.Inserted
		if st.Conflict {
			p.Kind = shadow.Merged
		}
		p.Watch = p.Watch || fires(t, func(g rewrite.Trigger) bool { return g.Insert || st.Upsert && g.Update })
		if st.Upsert {
			p.updates(st, t, env)
		}
	case rewrite.Merge:
		p.Kind = shadow.Merged
		p.Watch = p.Watch || fires(t, func(g rewrite.Trigger) bool { return g.Insert || g.Update || g.Delete })
		p.updates(st, t, env)
		p.cascades(t, env, onDelete)
		p.loses(env, onDelete)
	case rewrite.Delete:
		p.Kind = shadow.Deleted
		p.Watch = p.Watch || fires(t, func(g rewrite.Trigger) bool { return g.Delete })
		p.cascades(t, env, onDelete)
		p.loses(env, onDelete)
	default:
		p.Kind = shadow.Updated
		p.Old = changesKey(st, pair) || fires(t, func(g rewrite.Trigger) bool { return g.Update && g.Before })
		p.Watch = p.Watch || fires(t, func(g rewrite.Trigger) bool { return g.Update })
		if p.Old {
			p.moves(t, env)
		}
		p.updates(st, t, env)
	}
}

// updates notes what foreign keys do to rows that refer to an updated one.
func (p *Plan) updates(st *rewrite.Statement, t *rewrite.Table, env *Env) {
	p.cascades(t, env, p.onUpdate(st))
	p.loses(env, p.onUpdate(st))
}

// unmapped is a write of a table that is not mapped.
func (p *Plan) unmapped(st *rewrite.Statement, t *rewrite.Table, env *Env) {
	switch {
	case len(st.Writes) > 0:
		p.probe(WhyCTE)
		p.touches(append(slices.Clip(st.Writes), st.Target), env)
		p.with(st, env)
	case reaches(t, env):
		p.probe(WhyTrigger)
		p.deferred(t, env)
	case volatile(st, env) || t.ReadActs:
		p.probe(WhyFunction)
	}
}

// deferred: what a trigger does at the commit nobody can be asked before.
func (p *Plan) deferred(t *rewrite.Table, env *Env) {
	if t.Late() {
		p.Pairs = env.Plan.Pairs
	}
}

// obstacle is why RETURNING would alter the statement, or not show its rows.
func obstacle(st *rewrite.Statement, t *rewrite.Table, pair *rewrite.Pair, env *Env) Why {
	rights, known := env.Rights[t.Name]
	switch {
	case env.Role:
		return WhyRole
	case env.Encoded:
		return WhyEncoding
	case t.Kind == rewrite.View || t.Kind == rewrite.ForeignTable:
		return WhyView
	case t.Rules:
		return WhyRule
	case known && rights.RowSecurity:
		return WhyRowLevel
	case !known || !rights.Select:
		return WhyRight
	case t.Inherits:
		return WhyInherits
	case t.Late():
		return WhyDeferred
	case st.Kind == rewrite.Merge && env.Plan.Source.Version < mergeReturns:
		return WhyMerge
	case len(st.Writes) > 0:
		return WhyCTE
	case (st.Upsert || st.Kind == rewrite.Merge) && (changesKey(st, pair) || setsKey(t, pair)):
		return WhyKey
	default:
		return Captured
	}
}

// fires says whether a trigger fires for the statement that may change rows
// after they were returned, or other tables. Before triggers may write others, too.
func fires(t *rewrite.Table, for_ func(rewrite.Trigger) bool) bool {
	return slices.ContainsFunc(t.Triggers, for_)
}

// mergeReturns is the version from which on MERGE has RETURNING.
const mergeReturns = 170000

// setsKey says that a trigger may change the key of a row that is updated. Where
// the old keys are selected first, that is seen.
func setsKey(t *rewrite.Table, pair *rewrite.Pair) bool {
	return fires(t, func(g rewrite.Trigger) bool {
		return g.Before && g.Update && slices.ContainsFunc(g.Sets, func(column string) bool {
			return column == "*" || slices.ContainsFunc(pair.Key, func(i int) bool { return strings.EqualFold(pair.Cells[i].Column, column) })
		})
	})
}

// changesKey says that a statement may change the key of rows.
func changesKey(st *rewrite.Statement, pair *rewrite.Pair) bool {
	assigned := st.Assigned
	if st.Kind != rewrite.Update {
		assigned = st.Reassigned
	}
	for _, i := range pair.Key {
		if slices.Contains(assigned, pair.Cells[i].Column) {
			return true
		}
	}
	return len(assigned) == 0 && st.Kind == rewrite.Update
}
