package proxy

import (
	"math"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// begin asks what the source has counted so far, apart from the batch, where
// that has a body which may commit inside: nothing may come before it in its
// transaction.
func (c *conversation) begin() error {
	if !c.m.use.body || !c.fresh {
		return nil
	}
	c.watch(nil)
	if err := c.settle(); err != nil {
		return err
	}
	c.out = append(c.out, synced...)
	if err := c.write(); err != nil {
		return err
	}
	for {
		message, err := c.hear()
		if err != nil || message[0] == 'Z' {
			return err
		}
	}
}

// bodyMarks makes the tables dirty that a body names.
func (c *conversation) bodyMarks(plan *writes.Plan) {
	if c.m.block {
		c.watch(nil)
	}
	for _, ref := range plan.Statement.Reads {
		if pair := c.m.mapped.Plan.Pair(rewrite.Name{Schema: ref.Schema, Name: ref.Name}); pair != nil {
			c.s.mirrorTx().Whole(pair.Name(), shadow.CauseUncaptured)
		}
	}
}

// inputs says that the constants of a text, and its parameters, may be of a type
// whose input writes: the server makes them when it reads the text.
func inputs(plan *writes.Plan) bool {
	switch plan.Class {
	case writes.Capture, writes.Probe, writes.Truncate, writes.Definition, writes.Sequence:
		return true
	case writes.Pass, writes.Body, writes.Copy, writes.Control, writes.Verbatim:
	}
	return false
}

// around asks before and behind what lets the server read a text, or parameters.
func (c *conversation) around(plan *writes.Plan, do func() error) error {
	if plan == nil || !c.m.mapped.Plan.Source.TypesAct || !inputs(plan) {
		return do()
	}
	c.watch(nil)
	if err := do(); err != nil || c.failed {
		return err
	}
	c.watch(&growth{plan: plan})
	return nil
}

// watchText tells the transaction's number, if it has one, how many rows it has
// changed in each of some tables (manual, 28.2: the numbers of transactions
// before it that were not reported yet are in them, so two are compared), and
// the files of these tables, as TRUNCATE changes no row and makes a file anew.
const watchText = "SELECT pg_catalog.txid_current_if_assigned(), (SELECT pg_catalog.string_agg(CAST(" +
	"pg_catalog.pg_stat_get_xact_tuples_inserted(o) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_updated(o)" +
	" OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_deleted(o) AS pg_catalog.text), ',' ORDER BY i)" +
	watchFrom + ", (SELECT pg_catalog.string_agg(COALESCE(CAST(pg_catalog.pg_relation_filenode(o) AS pg_catalog.text), '0'), ',' ORDER BY i)" +
	watchFrom

const watchFrom = " FROM pg_catalog.unnest(CAST($1 AS pg_catalog.oid[])) WITH ORDINALITY AS u(o, i))"

const nameWatch = pgwire.Reserved + "_watch"

// watch asks what the transaction has changed so far. With g the answer is held
// against the one before it: what it has beyond g is dirty.
func (c *conversation) watch(g *growth) {
	if c.simple && c.s.eng.Tx() == 'E' {
		return // nothing runs but its end
	}
	tables := c.m.mapped.watch()
	oids := make([]string, len(tables))
	for i, t := range tables {
		oids[i] = strconv.FormatUint(uint64(t.oid), 10)
	}
	if !c.l.prepared[nameWatch] {
		_ = c.add(&pgproto3.Close{ObjectType: 'S', Name: nameWatch})
		_ = c.add(&pgproto3.Parse{Name: nameWatch, Query: watchText})
		l := c.l
		c.owed = append(c.owed, sourceOwed{kind: 'C'}, sourceOwed{kind: 'P', undo: func() { delete(l.prepared, nameWatch) }})
		c.l.knows(nameWatch)
	}
	portal := nameWatch
	_ = c.add(&pgproto3.Bind{DestinationPortal: portal, PreparedStatement: nameWatch, Parameters: [][]byte{[]byte("{" + strings.Join(oids, ",") + "}")}})
	_ = c.add(&pgproto3.Execute{Portal: portal})
	_ = c.add(&pgproto3.Close{ObjectType: 'P', Name: portal})
	c.owed = append(c.owed, sourceOwed{kind: 'B'}, sourceOwed{kind: 'E', ask: func(row [][]byte) error {
		c.counted(row, tables, g)
		return nil
	}}, sourceOwed{kind: 'C'})
}

// seenBy is an answer of the watch: per table how many rows were changed, and
// its file.
type seenBy struct{ rows, files []string }

// counted takes an answer of the watch.
func (c *conversation) counted(row [][]byte, tables []watched, g *growth) {
	if len(row) != 3 {
		return
	}
	now := seenBy{strings.Split(string(row[1]), ","), strings.Split(string(row[2]), ",")}
	before := c.baseline
	c.baseline = now
	if g == nil || row[0] == nil && g.plan.Class != writes.Body {
		return // it has written nothing
	}
	id, _ := strconv.ParseUint(string(row[0]), 10, 64)
	for pair, n := range counts(tables, before, now) {
		seen := n == 0 || g.accounts(pair, n)
		if seen && n != madeAnew {
			continue
		}
		c.s.mirrorTx().Identify(shadow.TxID(id))
		if pair == nil || pair.Source.Late() { // nobody can be asked after the commit
			for _, pair := range c.m.mapped.Plan.Pairs {
				c.unseen(pair, writes.WhyDeferred)
			}
			continue
		}
		c.unseen(pair, g.plan.Why)
	}
}

// madeAnew stands for the rows of a table whose file is another one.
const madeAnew = math.MinInt

// counts are how many rows of each pair were changed between two answers.
func counts(tables []watched, before, now seenBy) map[*rewrite.Pair]int {
	all := map[*rewrite.Pair]int{}
	for i, t := range tables {
		if i >= len(now.rows) || i >= len(now.files) || i >= len(before.rows) || i >= len(before.files) {
			all[t.pair] = madeAnew // it was not asked for
			continue
		}
		switch {
		case all[t.pair] == madeAnew:
		case now.files[i] != before.files[i]:
			all[t.pair] = madeAnew
		default:
			all[t.pair] += atoi(now.rows[i]) - atoi(before.rows[i])
		}
	}
	return all
}

func contains(pairs []*rewrite.Pair, p *rewrite.Pair) bool {
	for _, q := range pairs {
		if p == q {
			return true
		}
	}
	return false
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// uncaptured are tables that were changed in a way that was not seen, though the
// statement was captured.
func (c *conversation) uncaptured(why writes.Why, pairs ...*rewrite.Pair) {
	if len(pairs) > 0 {
		c.s.server.uncaptured(why)
	}
	for _, pair := range pairs {
		c.unseen(pair, why)
	}
}

// unseen is a table that was changed in a way that was not seen.
func (c *conversation) unseen(pair *rewrite.Pair, why writes.Why) {
	switch c.s.server.opt.Mirror.Uncaptured {
	case DirtyTable:
		c.s.mirrorTx().Whole(pair.Name(), shadow.CauseUncaptured)
	case RefuseUncaptured:
		c.refusal = uncapturedWords(pair, why)
	case IgnoreUncaptured:
	}
}

func (s *Server) uncaptured(why writes.Why) {
	if tell := s.opt.Mirror.Observer.Uncaptured; tell != nil {
		tell(why)
	}
}
