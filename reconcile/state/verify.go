package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Verdict is what a look at the whole chain found.
type Verdict struct {
	Records uint64 `json:"records"`       // that hold, from the first on
	Head    string `json:"head"`          // hash of the last of them
	Broken  uint64 `json:"broken"`        // the first that does not hold or is missing; 0: none
	Why     string `json:"why,omitempty"` // it does not
}

// chain walks over records in their order.
type chain struct{ Verdict }

func newChain() *chain { return &chain{Verdict{Head: origin}} }

func (c *chain) next() uint64 { return c.Records + 1 }

func (c *chain) breaks(why string) { c.Broken, c.Why = c.next(), why }

// add takes the next record and says whether the chain holds with it.
func (c *chain) add(m members) bool {
	expected := strconv.FormatUint(c.next(), 10)
	switch {
	case string(m["seq"]) != expected:
		c.breaks("record " + expected + " is not in its place")
	case !bytes.Equal(m["prev"], quote(c.Head)):
		c.breaks("prev is not the hash of the record before")
	case !bytes.Equal(m["hash"], quote(m.sum())):
		c.breaks("hash is not the hash of what the record says")
	default:
		c.Records, c.Head = c.next(), m.sum()
	}
	return c.Broken == 0
}

// Verify looks at every record and at the end of the chain. A chain that does
// not hold is a verdict; an error means that it could not be read.
func (s *Store) Verify(ctx context.Context) (Verdict, error) {
	tx, err := s.read.BeginTx(ctx, nil) // one state of the database for both queries
	if err != nil {
		return Verdict{}, s.explain("read", err)
	}
	defer func() { _ = tx.Rollback() }()
	var seq uint64
	var hash string
	if err := tx.QueryRowContext(ctx, "SELECT seq, hash FROM head").Scan(&seq, &hash); err != nil {
		return Verdict{}, s.explain("read head of", err)
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+columns+" FROM acts WHERE seq > 0 ORDER BY seq")
	if err != nil {
		return Verdict{}, s.explain("read", err)
	}
	defer func() { _ = rows.Close() }()
	c := newChain()
	for rows.Next() {
		var stored row
		if err := stored.scan(rows); err != nil {
			return Verdict{}, s.explain("read", err)
		}
		if !c.addRow(&stored) {
			return c.Verdict, nil
		}
	}
	if err := rows.Err(); err != nil {
		return Verdict{}, s.explain("read", err)
	}
	c.end(seq, hash)
	return c.Verdict, nil
}

func (c *chain) addRow(stored *row) bool {
	if stored.seq > int64(c.next()) {
		c.breaks(fmt.Sprintf("record %d is not in its place", c.next()))
		return false
	}
	r, err := stored.record()
	if err != nil {
		c.breaks("the record " + err.Error())
		return false
	}
	m, err := r.members()
	if err != nil {
		c.breaks("the record cannot be read: " + err.Error())
		return false
	}
	return c.add(m)
}

// end compares with the number and hash of the record that was written last.
func (c *chain) end(seq uint64, hash string) {
	switch {
	case c.Records < seq:
		c.breaks(fmt.Sprintf("%d records were written", seq))
	case c.Records > seq:
		c.breaks(fmt.Sprintf("only %d records were written", seq))
		c.Broken = seq + 1
	case c.Head != hash:
		c.breaks("it is not the record that was written last")
		c.Broken = seq
	}
}

// maxLine bounds a line of an export: a record, with every byte escaped.
const maxLine = 8 * maxAct

// VerifyLines is Verify for an export, without its database: every line is
// looked at. That the end is missing can be seen only by comparing Records and
// Head with another source. An error means that it could not be read.
func VerifyLines(r io.Reader) (Verdict, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	c := newChain()
	for lines.Scan() {
		m, err := parseObject(lines.Bytes())
		if err != nil {
			c.breaks("the line cannot be read: " + err.Error())
			return c.Verdict, nil
		}
		if !c.add(m) {
			return c.Verdict, nil
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		c.breaks("the line is too long")
	case err != nil:
		return Verdict{}, fmt.Errorf("read export: %w", err)
	}
	return c.Verdict, nil
}
