package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/image"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// explainer says what becomes of texts in a session that has just begun. It is
// pure, and takes the decisions of proxy/writes as sessions do.
type explainer struct {
	env        writes.Env
	user       string
	limits     parse.Limits
	uncaptured configs.Uncaptured
	ddl        configs.DDL
	problems   []rewrite.Problem
	ready      func(table string) bool // nil: all are thought to be
	notes      []string                // what is to be known of every text
}

// explanation is one statement on its way through an explainer.
type explanation struct {
	*explainer
	text     []byte
	plan     *writes.Plan
	err      error // of the analysis
	effects  pgsql.Effects
	whole    *explanation // of the text that it is a part of
	multiple bool         // it is a text of several statements
}

// explain explains a text as a whole, and each statement of several.
func (x *explainer) explain(sql string) admin.Explained {
	text := []byte(sql)
	st, err := parse.Analyse(text, x.limits)
	if err != nil {
		st = nil
	}
	e := &explanation{explainer: x, text: text, plan: writes.Decide(st, &x.env), err: err, effects: pgsql.Classify(text, 0)}
	if st == nil && e.effects&pgsql.Several != 0 {
		e.plan = &writes.Plan{Class: writes.Verbatim, Why: writes.WhyUnread, Apart: writes.Unmapped, Pairs: x.env.Plan.Pairs}
	}
	e.multiple = len(e.plan.Parts) > 0
	out := admin.Explained{Understood: e.understood(), User: x.user, SearchPath: append([]string{}, x.env.Path...)}
	for i, part := range e.plan.Parts {
		at := st.Parts[i].At
		one := &explanation{explainer: x, text: text[at.From:at.Upto], plan: part.Plan, whole: e}
		one.effects = pgsql.Classify(one.text, 0)
		out.Statements = append(out.Statements, one.understood())
	}
	return out
}

// relayed says that it is a part of a text that goes as it came.
func (e *explanation) relayed() bool { return e.whole != nil && e.whole.plan.Class == writes.Verbatim }

func (e *explanation) understood() admin.Understood {
	side, reason := e.route()
	u := admin.Understood{
		Kind: rewrite.Unknown.String(), Tables: e.tables(), Digest: digestOfText(e.text), Side: side.String(), Reason: reason.String(),
		Treated: admin.Treated{
			Class: e.plan.Class.String(), Uncaptured: string(e.plan.Why), How: e.how(), Mirrored: e.mirrored(),
			Dirty: e.dirty(), Advice: e.advice(),
		},
	}
	if e.plan.Statement != nil {
		u.Kind = e.plan.Statement.Kind.String()
	}
	if !e.refused() {
		u.Text.Source = e.atSource()
		u.Text.Target = e.atTarget(side)
	}
	return u
}

// digestOfText is the name of a statement in the coverage.
func digestOfText(text []byte) string {
	normal, ok := parse.Key(text, nil)
	if !ok {
		normal = text
	}
	return fmt.Sprintf("%016x", xxhash.Sum64(normal))
}

func (e *explanation) tables() []string {
	names := append([]string{}, e.plan.Tables()...)
	for _, p := range append(e.within(), e.plan.Pair) {
		if p != nil && !slices.Contains(names, p.Name()) {
			names = append(names, p.Name())
		}
	}
	return names
}

// within are the pairs that the WITH list writes.
func (e *explanation) within() (pairs []*rewrite.Pair) {
	if e.plan.Statement == nil || e.multiple {
		return nil
	}
	for _, ref := range e.plan.Statement.Writes {
		for _, schema := range append(slices.Clip(e.env.Path), ref.Schema) {
			name := rewrite.Name{Schema: schema, Name: ref.Name}
			if (ref.Schema == "" || ref.Schema == schema) && e.env.Plan.Source.Tables[name] != nil {
				pairs = append(pairs, e.env.Plan.Pair(name)) // nil: it is not mapped
				break
			}
		}
	}
	return pairs
}

// against are the reasons of the router for those of a statement's tables.
var against = [...]router.Reason{
	writes.Together: router.None, writes.Unmapped: router.NotMapped, writes.Shape: router.Shape,
	writes.Kept: router.NotReady, writes.Locks: router.Locking, writes.WritesIt: router.Writing,
}

// route is the side that answers a session of the canary which is free to move,
// and what stands against the target.
func (e *explanation) route() (router.Side, router.Reason) {
	reason := router.None
	switch {
	case e.effects&pgsql.Transaction != 0: // it goes where the session is
	case e.effects&(pgsql.SetsState|pgsql.Opaque) != 0:
		reason = router.SetsState
	case e.effects&pgsql.Catalog != 0:
		reason = router.Catalog
	case e.effects&pgsql.ServerBound != 0:
		reason = router.ServerBound
	}
	if reason == router.None && e.plan.Class != writes.Pass && e.plan.Class != writes.Control {
		reason = router.Writing
	}
	if reason == router.None {
		reason = against[e.plan.Apart]
	}
	unready := func(p *rewrite.Pair) bool { return !e.ready(p.Name()) }
	if reason == router.None && e.ready != nil && slices.ContainsFunc(e.plan.Reads, unready) {
		reason = router.NotReady
	}
	if reason == router.None && e.whole != nil {
		if side, _ := e.whole.route(); side == router.Source {
			reason = router.Mixed
		}
	}
	if reason != router.None {
		return router.Source, reason
	}
	return router.Target, reason
}

// mirrored says that what it writes is brought to the target with it.
func (e *explanation) mirrored() bool {
	switch e.plan.Class {
	case writes.Capture:
		return !e.relayed()
	case writes.Truncate:
		_, ok := image.Truncate(e.plan.Pairs)
		return ok && !e.relayed()
	case writes.Sequence:
		return !slices.ContainsFunc(e.plan.Parts, func(p writes.Part) bool { return p.Class == writes.Probe })
	case writes.Pass, writes.Probe, writes.Body, writes.Copy, writes.Definition, writes.Control, writes.Verbatim:
	}
	return false
}

// refused says that the configuration lets nobody run it.
func (e *explanation) refused() bool {
	if e.relayed() {
		return false
	}
	switch e.plan.Class {
	case writes.Definition:
		return e.ddl == "refuse"
	case writes.Probe, writes.Copy:
		return e.plan.Pair != nil && e.uncaptured == "refuse"
	case writes.Pass, writes.Capture, writes.Truncate, writes.Body, writes.Control, writes.Verbatim, writes.Sequence:
	}
	return false
}

// dirty are the tables that are dirty after it for certain, if it changes them.
func (e *explanation) dirty() []string {
	names := []string{}
	add := func(pairs ...*rewrite.Pair) {
		for _, p := range pairs {
			if p != nil && !slices.Contains(names, p.Name()) {
				names = append(names, p.Name())
			}
		}
	}
	p := e.plan
	switch {
	case e.refused():
	case e.relayed():
		add(p.Pair)
		add(p.Pairs...)
	case p.Class == writes.Probe && e.uncaptured == "ignore":
		add(p.Pairs...)
	case p.Class == writes.Probe:
		add(p.Pair)
		add(e.within()...)
		add(p.Pairs...)
	case p.Class == writes.Copy && p.Form != nil: // keys of it
	case p.Class == writes.Copy, p.Class == writes.Definition, p.Class == writes.Verbatim:
		add(p.Pair)
		add(p.Pairs...)
	case p.Class == writes.Capture:
		add(p.Pairs...)
		if e.uncaptured != "ignore" {
			add(p.Loses...)
		}
	case p.Class == writes.Truncate && !e.mirrored():
		add(p.Pairs...)
	case p.Class == writes.Sequence:
		for _, part := range p.Parts {
			one := &explanation{explainer: e.explainer, plan: part.Plan}
			names = append(names, one.dirty()...)
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	return names
}

// lines puts statements below each other, parted by semicolons.
func lines(statements ...string) string {
	var out []string
	for _, s := range statements {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, ";\n")
}

// atSource is what leaves for the source.
func (e *explanation) atSource() string {
	p := e.plan
	if p.Class != writes.Capture || e.relayed() {
		return string(e.text)
	}
	if p.With != nil {
		return string(e.text) + "\n-- and behind its rows, those that its WITH list changes"
	}
	captured := string(parse.Capture(e.text, p.Statement, p.Returned()))
	if p.Old {
		if old, ok := parse.OldKeys(e.text, p.Statement, p.KeyColumns()); ok {
			return lines(string(old), captured)
		}
	}
	return captured
}

// atTarget is what the target is sent: a read as it is, a captured write as the
// statements that bring each of its rows.
func (e *explanation) atTarget(side router.Side) string {
	p := e.plan
	switch {
	case p.Class == writes.Pass && side == router.Target:
		return string(e.text)
	case e.relayed(), e.multiple:
		return ""
	case p.Class == writes.Truncate:
		text, _ := image.Truncate(p.Pairs)
		return text
	case p.Class != writes.Capture:
		return ""
	}
	var all []string
	for _, one := range p.Captured() {
		for _, t := range one.Pair.Targets {
			all = append(all, bringing(one, image.For(one.Pair, t)))
		}
	}
	return lines(all...)
}

// bringing are the statements that bring one row to one target.
func bringing(p *writes.Plan, x *image.Texts) string {
	switch {
	case p.Kind == shadow.Deleted:
		return x.Delete
	case p.Old, p.Statement.Kind == rewrite.Merge:
		return lines(x.Delete, x.Upsert, x.Unless)
	case p.Kind == shadow.Updated && x.Update != "":
		return lines(x.Update, x.Unless)
	default:
		return lines(x.Upsert, x.Unless)
	}
}

// tooLong says that the text is longer or deeper than may be analysed.
func (e *explanation) tooLong() bool { return errors.Is(e.err, parse.ErrLimits) }
