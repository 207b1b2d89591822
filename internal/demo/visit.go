package demo

import (
	"context"
	"strconv"
)

// A browser writes now and then how often it has done so, and reads it back.
const (
	visitSQL = `INSERT INTO visits (browser, pages) VALUES ($1, $2) ON CONFLICT (browser) DO UPDATE SET pages = excluded.pages`
	ownSQL   = `SELECT pages, current_setting('port') FROM visits WHERE browser = $1`
)

// writeAndRead writes, which goes to both sides, and reads its own row at once:
// whoever answers has to know it.
func (b *browser) writeAndRead(ctx context.Context, at *span) error {
	b.visits++
	if _, err := b.conn.Exec(ctx, visitSQL, b.number, b.visits); err != nil {
		return err
	}
	side, err := b.tell(ctx, b.conn, question{sql: ownSQL, args: []any{b.number}, rows: 1, first: strconv.Itoa(b.visits)})
	if err == nil {
		at.readOwn(side)
	}
	return err
}
