package proxy

import (
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

// watchText tells the transaction's number, if it has one, and how many rows it
// has changed in each of some tables (manual, 28.2: the numbers of transactions
// before it that were not reported yet are in them, so two are compared).
const watchText = "SELECT pg_catalog.txid_current_if_assigned(), (SELECT pg_catalog.string_agg(CAST(" +
	"pg_catalog.pg_stat_get_xact_tuples_inserted(o) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_updated(o)" +
	" OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_deleted(o) AS pg_catalog.text), ',' ORDER BY i)" +
	" FROM pg_catalog.unnest(CAST($1 AS pg_catalog.oid[])) WITH ORDINALITY AS u(o, i))"

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

// counted takes an answer of the watch.
func (c *conversation) counted(row [][]byte, tables []watched, g *growth) {
	if len(row) != 2 {
		return
	}
	now := strings.Split(string(row[1]), ",")
	if g == nil {
		c.baseline = now
		return
	}
	if row[0] == nil && g.plan.Class != writes.Body {
		return // it has written nothing
	}
	id, _ := strconv.ParseUint(string(row[0]), 10, 64)
	changed := map[*rewrite.Pair]int{}
	for i, t := range tables {
		if i < len(now) {
			changed[t.pair] += atoi(now[i])
		}
		if i < len(c.baseline) {
			changed[t.pair] -= atoi(c.baseline[i])
		}
	}
	for pair, n := range changed {
		if n == 0 || pair == g.plan.Pair && g.plan.Class == writes.Capture && n == g.rows || contains(g.plan.Same, pair) {
			continue
		}
		c.s.mirrorTx().Identify(shadow.TxID(id))
		c.uncaptured(pair, g.plan.Why)
	}
	c.baseline = now
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

// uncaptured is a table that was changed in a way that was not seen.
func (c *conversation) uncaptured(pair *rewrite.Pair, why writes.Why) {
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
