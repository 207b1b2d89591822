package repair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// link is a connection of the worker's to one side.
type link struct {
	side router.Side
	pg   *pgconn.PgConn
	life shadow.Incarnation // of the server, when the connection was made
}

// query is one statement of a flight. Parameters without a format are text.
type query struct {
	sql     string
	params  [][]byte
	oids    []uint32
	formats []int16
	results []int16
	most    int // bytes of rows that are kept; 0: all
}

// textQuery has parameters that the server reads as text.
func textQuery(sql string, params ...string) query {
	q := query{sql: sql}
	for _, p := range params {
		q.params = append(q.params, []byte(p))
	}
	return q
}

// answer is what a statement brought.
type answer struct {
	rows     [][][]byte // owned by whoever asked
	affected int64
	cut      bool // there were more bytes than query.most
}

// flight sends statements in one write, as one implicit transaction unless they
// begin one, and reads their answers. A statement of READ COMMITTED sees what was
// committed before it began, also within a flight. The statements behind one that
// fails do not run.
func (l *link) flight(ctx context.Context, queries ...query) ([]answer, error) {
	p := l.pg.StartPipeline(ctx)
	for _, q := range queries {
		p.SendQueryParams(q.sql, q.params, q.oids, q.formats, q.results)
	}
	err := p.Sync()
	answers := make([]answer, 0, len(queries))
	for err == nil && len(answers) < len(queries) {
		var results any
		if results, err = p.GetResults(); err != nil {
			break
		}
		reader, ok := results.(*pgconn.ResultReader)
		if !ok {
			err = errors.New("an answer is missing")
			break
		}
		var a answer
		a, err = keep(reader, queries[len(answers)].most)
		answers = append(answers, a)
	}
	if closed := p.Close(); err == nil {
		err = closed
	}
	return answers, refusal(l.side, err)
}

// keep reads rows as long as they are not too many bytes, and all the others
// without keeping them.
func keep(reader *pgconn.ResultReader, most int) (answer, error) {
	var a answer
	size := 0
	for reader.NextRow() {
		values := reader.Values()
		for _, v := range values {
			size += len(v)
		}
		if most > 0 && size > most && len(a.rows) > 0 {
			a.cut = true
			continue
		}
		a.rows = append(a.rows, owned(values))
	}
	tag, err := reader.Close()
	a.affected = tag.RowsAffected()
	return a, err
}

func owned(values [][]byte) [][]byte {
	row := make([][]byte, len(values))
	for i, v := range values {
		if v != nil {
			row[i] = append(make([]byte, 0, len(v)), v...)
		}
	}
	return row
}

// rollback ends a transaction, and is nothing on a connection that is gone.
func (l *link) rollback(ctx context.Context) error {
	if l.pg.IsClosed() || l.pg.TxStatus() == 'I' {
		return nil
	}
	_, err := l.flight(ctx, query{sql: "ROLLBACK"})
	return err
}

// alive asks whether the transaction, and with it its locks, is still there.
func (l *link) alive(ctx context.Context) error {
	if l.pg.TxStatus() != 'T' {
		return errReleased
	}
	if _, err := l.flight(ctx, query{sql: "SELECT 1"}); err != nil {
		return fmt.Errorf("%w: %w", errReleased, err)
	}
	return nil
}

// errReleased says that the authority has ended our transaction, so that the
// rows that were read may have changed.
var errReleased = errors.New("the authority has ended the worker's transaction")

func (l *link) close(ctx context.Context) { _ = l.pg.Close(ctx) }

// milliseconds is a duration as settings take it.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", max(1, d.Milliseconds())) }
