package proxy

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/image"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// A captured statement leaves with RETURNING, or with more columns in its own:
// the cells of its pair and the transaction's number. The reply is cut back to
// what the client has asked for (ENGINE §6.1-6.4).

// capturedStatement is one that is prepared on the source's leg.
type capturedStatement struct {
	name string
	own  int // columns of the client's own RETURNING
	// header is the client's description of these columns, where the source would
	// describe ours otherwise; nil: it would not.
	header []byte
	types  []uint32 // of its parameters
	old    string   // of the statement that selects the old keys; "" without
}

// portal is a captured statement that the client has bound.
type portal struct {
	made *madeStatement
	stmt *capturedStatement
	bind pgproto3.Bind
	rest [][]byte // answers that an Execute with a limit of rows has left
	ran  bool     // it was executed
	done *growth  // by its execution
}

// growth is one execution of a captured statement.
type growth struct {
	plan   *writes.Plan
	parts  []*growth // of plan.With and plan.Main, nil where that is; nil: there is but one write
	own    int
	header []byte // of a description
	images []rewrite.Image
	keys   []rewrite.RowKey // when there are too many images
	old    []rewrite.RowKey
	txid   shadow.TxID
	mapped *Mapped
	others []*rewrite.Pair // that it has written in place of its own
	bytes  int
	most   int // bytes of images
	rows   int
	bulk   bool
}

var errRow = errors.New("a row of the source is not what it was asked for")

// cells reads values of a row or a record one after the other; record says that
// each has the number of its type before it.
type cells struct {
	body   []byte
	at     int
	record bool
}

func (c *cells) next() ([]byte, error) {
	if c.record {
		c.at += 4
	}
	if len(c.body)-c.at < 4 {
		return nil, errRow
	}
	n := int(int32(binary.BigEndian.Uint32(c.body[c.at:])))
	c.at += 4
	if n < 0 {
		return nil, nil
	}
	if n > len(c.body)-c.at {
		return nil, errRow
	}
	c.at += n
	return c.body[c.at-n : c.at : c.at], nil
}

// take keeps the image in a row and gives what is left for the client; nil
// where the client has asked for no rows.
func (g *growth) take(message []byte) (own []byte, err error) {
	body := message[wire.HeaderSize:]
	if len(body) < 2 || number16(body) != g.own+oursOf(g.plan) {
		return nil, errRow
	}
	c := &cells{body: body, at: 2}
	for range g.own {
		if _, err := c.next(); err != nil {
			return nil, err
		}
	}
	cut := c.at
	mine := true
	if g.plan.With == nil {
		err = g.image(c)
	} else {
		mine, err = g.part(c)
	}
	if err != nil || !mine || !g.plan.Shows() {
		return nil, err
	}
	out := append([]byte(nil), message[:wire.HeaderSize+cut]...)
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-1))
	binary.BigEndian.PutUint16(out[wire.HeaderSize:], uint16(g.own))
	return out, nil
}

// oursOf is how many columns a captured statement returns beside its own.
func oursOf(p *writes.Plan) int {
	if p.With != nil {
		return 2
	}
	return len(p.Pair.Cells) + p.Ours()
}

// image keeps what a captured statement returns of one row.
func (g *growth) image(c *cells) (err error) {
	row := make(rewrite.Image, len(g.plan.Pair.Cells))
	for i := range row {
		if row[i], err = c.next(); err != nil {
			return err
		}
	}
	txid, err := c.next()
	if err != nil || len(txid) != 8 {
		return errRow
	}
	g.txid = shadow.TxID(binary.BigEndian.Uint64(txid))
	table, err := c.next()
	if err != nil || len(table) != 4 {
		return errRow
	}
	removed := false
	if g.plan.Statement.Kind == rewrite.Merge {
		action, err := c.next()
		if err != nil {
			return err
		}
		removed = string(action) == "DELETE"
	}
	if pair := g.mapped.pairOf(binary.BigEndian.Uint32(table)); pair == g.plan.Pair {
		g.keep(row, removed)
	} else if pair == nil && g.plan.Pair.Source.Kind == rewrite.PartitionedTable && !contains(g.others, g.plan.Pair) {
		g.others = append(g.others, g.plan.Pair) // a partition that is newer than the catalogs
	} else if pair != nil && !contains(g.others, pair) {
		g.others = append(g.others, pair)
	}
	return nil
}

// keep keeps an image, or its key alone of a row that is gone, or once there are
// too many.
func (g *growth) keep(row rewrite.Image, removed bool) {
	g.rows++
	if !g.bulk && !removed {
		g.images = append(g.images, row)
		for _, cell := range row {
			g.bytes += len(cell) + 24
		}
		if g.bytes > g.most {
			g.shrink()
		}
		return
	}
	if key, ok := g.plan.Pair.KeyOf(row); ok {
		g.keys = append(g.keys, key)
	}
}

// shrink keeps the keys of what was kept whole.
func (g *growth) shrink() {
	g.bulk = true
	for _, image := range g.images {
		if key, ok := g.plan.Pair.KeyOf(image); ok {
			g.keys = append(g.keys, key)
		}
	}
	g.images = nil
}

// change is what the statement did; nil: nothing.
func (g *growth) change() *shadow.Change {
	if g.rows == 0 {
		return nil
	}
	c := &shadow.Change{Kind: g.plan.Kind, Pair: g.plan.Pair, Images: g.images, Gone: g.keys}
	if g.plan.Old {
		c.Kind = shadow.Merged
		c.Gone = append(c.Gone, g.left()...)
	}
	return c
}

// left are the old keys that no row has any more.
func (g *growth) left() []rewrite.RowKey {
	if len(g.old) != g.rows {
		return nil // which of them are gone is not known
	}
	now := make(map[rewrite.RowKey]bool, len(g.images))
	for _, image := range g.images {
		if key, ok := g.plan.Pair.KeyOf(image); ok {
			now[key] = true
		}
	}
	var gone []rewrite.RowKey
	for _, key := range g.old {
		if !now[key] {
			gone = append(gone, key)
		}
	}
	return gone
}

// formats are the result formats of a captured statement: the client's, one per
// column, and ours.
func (st *capturedStatement) formats(client []int16, plan *writes.Plan) []int16 {
	out := make([]int16, 0, st.own+oursOf(plan))
	for i := range st.own {
		switch {
		case len(client) == 0:
			out = append(out, 0)
		case len(client) == 1:
			out = append(out, client[0])
		case i < len(client):
			out = append(out, client[i])
		}
	}
	others := 2
	if plan.With == nil {
		out = append(out, image.Formats(plan.Pair)...)
		others = plan.Ours()
	}
	for range others {
		out = append(out, 1)
	}
	return out
}

// captureOf prepares a captured statement on the source's leg, where it is not
// there yet. A round trip is needed only to learn what the client's own
// RETURNING has, or what types the parameters have.
func (c *conversation) captureOf(made *madeStatement) (*capturedStatement, error) {
	key := maphash.Comparable(captureSeed, captureKey{engine.TextKey(made.text), oidsKey(made.oids)})
	if st := c.l.captured[key]; st != nil {
		return st, nil
	}
	if c.l.captured == nil || len(c.l.captured) >= capturedMost {
		c.l.captured = map[uint64]*capturedStatement{}
	}
	c.l.serial++
	st := &capturedStatement{name: pgwire.Reserved + "w" + itoa(c.l.serial)}
	if made.plan.With != nil {
		return st, c.captureCTEs(st, key, made)
	}
	text := parse.Capture(made.text, made.plan.Statement, made.plan.Returned())
	if err := c.add(&pgproto3.Parse{Name: st.name, Query: string(text), ParameterOIDs: made.oids}); err != nil {
		return nil, err
	}
	l := c.l
	c.owed = append(c.owed, sourceOwed{kind: 'P', undo: func() { delete(l.captured, key) }})
	if made.plan.Statement.Returning || made.plan.Old {
		if err := c.learn(st, made.plan); err != nil || c.failed {
			return st, err
		}
	}
	if made.plan.Old {
		if err := c.prepareOld(st, made); err != nil {
			return st, err
		}
	}
	c.l.captured[key] = st
	return st, nil
}

// captureSeed and captureKey name captured statements.
var captureSeed = maphash.MakeSeed()

type captureKey struct{ text, oids uint64 }

// capturedMost bounds how many captured statements a leg has before they are
// prepared anew.
const capturedMost = 500

func oidsKey(oids []uint32) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, o := range oids {
		h = (h ^ uint64(o)) * 1099511628211
	}
	return h
}

// learn asks what a captured statement returns.
func (c *conversation) learn(st *capturedStatement, plan *writes.Plan) error {
	if err := c.add(&pgproto3.Describe{ObjectType: 'S', Name: st.name}); err != nil {
		return err
	}
	c.owed = append(c.owed, sourceOwed{kind: 'D', grown: &growth{plan: plan}, told: func(message []byte) {
		switch message[0] {
		case 't':
			st.types = engine.TypeNumbers(message[wire.HeaderSize:])
		case 'T':
			st.own = number16(message[wire.HeaderSize:]) - oursOf(plan)
		}
	}})
	return c.settle()
}

// prepareOld prepares the statement that tells the keys of the rows: the condition
// fixes them, or else the rows are locked and read.
func (c *conversation) prepareOld(st *capturedStatement, made *madeStatement) error {
	text, ok := parse.FixedKey(made.text, made.plan.Statement, keyColumns(made.plan.Pair), st.types)
	if !ok {
		text, ok = parse.OldKeys(made.text, made.plan.Statement, made.plan.KeyColumns())
	}
	if !ok {
		return nil // said by its absence: the table is dirty after it
	}
	st.old = st.name + "k"
	if err := c.add(&pgproto3.Parse{Name: st.old, Query: string(text), ParameterOIDs: st.types}); err != nil {
		return err
	}
	c.owed = append(c.owed, sourceOwed{kind: 'P'})
	return nil
}

// keyColumns are those of a pair's key at the source.
func keyColumns(p *rewrite.Pair) []parse.KeyColumn {
	var key []parse.KeyColumn
	for _, i := range p.Key {
		k := parse.KeyColumn{Name: p.Cells[i].Column, Type: p.Cells[i].Type}
		if c := p.Source.Column(k.Name); c == nil || c.Collation != (rewrite.Name{}) {
			k.Collated = true
		}
		key = append(key, k)
	}
	return key
}

// oldKeysMost are held against each other.
const oldKeysMost = 1000

// run executes a captured statement that is bound.
func (c *conversation) runCaptured(p *portal) (*growth, error) {
	plan := p.made.plan
	g := c.grows(plan)
	g.own = p.stmt.own
	if plan.With != nil {
		for _, one := range append(slices.Clip(plan.With), plan.Main) {
			var part *growth
			if one != nil {
				part = c.grows(one)
			}
			g.parts = append(g.parts, part)
		}
	}
	if plan.Watch {
		c.watch(nil)
	}
	if p.stmt.old != "" {
		if err := c.askOld(p, g); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (c *conversation) grows(plan *writes.Plan) *growth {
	return &growth{plan: plan, mapped: c.m.mapped, most: c.s.server.opt.Mirror.Bytes}
}

// askOld locks the rows of a key-changing update and learns their keys.
func (c *conversation) askOld(p *portal, g *growth) error {
	formats := make([]int16, 0, len(g.plan.Pair.Key))
	for _, i := range g.plan.Pair.Key {
		formats = append(formats, image.Formats(g.plan.Pair)[i])
	}
	bind := pgproto3.Bind{
		DestinationPortal: p.stmt.old, PreparedStatement: p.stmt.old, ParameterFormatCodes: p.bind.ParameterFormatCodes,
		Parameters: p.bind.Parameters, ResultFormatCodes: formats,
	}
	if err := c.add(&bind); err != nil {
		return err
	}
	if err := c.add(&pgproto3.Execute{Portal: p.stmt.old}); err != nil {
		return err
	}
	if err := c.add(&pgproto3.Close{ObjectType: 'P', Name: p.stmt.old}); err != nil {
		return err
	}
	c.owed = append(c.owed, sourceOwed{kind: 'B', locks: true}, sourceOwed{kind: 'E', locks: true, ask: func(row [][]byte) error {
		if key := rewrite.KeyFrom(row); !slices.Contains(g.old, key) || len(g.old) > oldKeysMost {
			g.old = append(g.old, key) // a join may have a row several times
		}
		return nil
	}}, sourceOwed{kind: 'C'})
	return nil
}
