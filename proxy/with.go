package proxy

import (
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// A statement whose WITH list writes leaves as a query that returns, behind the
// rows of the client, those that its CTEs have changed, each in a record. What
// columns the client's own rows have, and those of the CTEs, is asked of the source
// once, by descriptions: nothing runs for it.

// captureCTEs prepares such a statement on the source's leg.
func (c *conversation) captureCTEs(st *capturedStatement, key uint64, made *madeStatement) error {
	plan := made.plan
	err := c.describes(string(made.text), made.oids, func(message []byte) {
		switch message[0] {
		case 't':
			st.types = engine.TypeNumbers(message[wire.HeaderSize:])
		case 'T':
			st.header = append([]byte(nil), message...)
			st.own = number16(message[wire.HeaderSize:])
		}
	})
	if err != nil || c.failed {
		return err
	}
	added := make([]parse.Added, len(plan.With))
	for i, one := range plan.With {
		if one == nil {
			continue
		}
		added[i].Row = one.Returned()
		if !plan.Statement.CTEs[i].Returning {
			continue
		}
		err := c.describes(string(parse.CTENames(made.text, plan.Statement, i)), st.types, func(message []byte) {
			if message[0] == 'T' {
				added[i].Names = columnNames(message)
			}
		})
		if err != nil || c.failed {
			return err
		}
	}
	var main parse.Added
	if plan.Main != nil {
		main.Row = plan.Main.Returned()
	}
	text := parse.CaptureCTEs(made.text, plan.Statement, added, main, st.own)
	if err := c.add(&pgproto3.Parse{Name: st.name, Query: string(text), ParameterOIDs: st.types}); err != nil {
		return err
	}
	l := c.l
	c.owed = append(c.owed, sourceOwed{kind: 'P', undo: func() { delete(l.captured, key) }})
	c.l.captured[key] = st
	return nil
}

// nameDescribed is the statement that is prepared to be described.
const nameDescribed = pgwire.Reserved + "_described"

// describes asks what a text has for columns and parameters.
func (c *conversation) describes(text string, types []uint32, told func(message []byte)) error {
	for _, m := range []pgproto3.FrontendMessage{
		&pgproto3.Close{ObjectType: 'S', Name: nameDescribed}, &pgproto3.Parse{Name: nameDescribed, Query: text, ParameterOIDs: types},
		&pgproto3.Describe{ObjectType: 'S', Name: nameDescribed}, &pgproto3.Close{ObjectType: 'S', Name: nameDescribed},
	} {
		if err := c.add(m); err != nil {
			return err
		}
	}
	c.owed = append(c.owed, sourceOwed{kind: 'C'}, sourceOwed{kind: 'P'}, sourceOwed{kind: 'D', told: told}, sourceOwed{kind: 'C'})
	return c.settle()
}

// columnNames are those of a RowDescription.
func columnNames(message []byte) (names []string) {
	var d pgproto3.RowDescription
	if d.Decode(message[wire.HeaderSize:]) != nil {
		return nil
	}
	for _, f := range d.Fields {
		names = append(names, string(f.Name))
	}
	return names
}

// part takes the number and the record of a row of one of several writes; mine
// says that the rest of the row is the client's.
func (g *growth) part(c *cells) (mine bool, err error) {
	number, err := c.next()
	if err != nil || len(number) != 4 {
		return false, errRow
	}
	record, err := c.next()
	if err != nil {
		return false, err
	}
	n := int(binary.BigEndian.Uint32(number))
	if n == 0 {
		g.rows++
	}
	part := g.partOf(n)
	switch {
	case record == nil && n == 0:
		return true, nil
	case part == nil || len(record) < 4 || int(binary.BigEndian.Uint32(record)) != oursOf(part.plan):
		return false, errRow
	}
	return n == 0, part.image(&cells{body: record, at: 4, record: true})
}

// partOf is the part of a number: 0 is the statement itself. nil: its table is not
// mapped.
func (g *growth) partOf(n int) *growth {
	if n == 0 {
		n = len(g.parts)
	}
	if n < 1 || n > len(g.parts) {
		return nil
	}
	return g.parts[n-1]
}

// accounts says that a number of changed rows of a table is what was returned, or
// what follows from it.
func (g *growth) accounts(pair *rewrite.Pair, n int) bool {
	for _, part := range g.parts {
		if part != nil && part.accounts(pair, n) {
			return true
		}
	}
	return g.parts == nil && pair == g.plan.Pair && g.plan.Class == writes.Capture && n == g.rows || contains(g.plan.Same, pair)
}

// tag is what the client is told of a statement of several writes, as the source
// has run a query.
func (g *growth) tag(message []byte) []byte {
	if g.parts == nil || message[0] != 'C' {
		return message
	}
	words := map[rewrite.Kind]string{rewrite.Insert: "INSERT 0 ", rewrite.Update: "UPDATE ", rewrite.Delete: "DELETE "}
	word := words[g.plan.Statement.Kind]
	if g.plan.Statement.Queries {
		word = "SELECT "
	}
	out, err := (&pgproto3.CommandComplete{CommandTag: []byte(word + itoa(g.rows))}).Encode(nil)
	if err != nil {
		return message
	}
	return out
}
