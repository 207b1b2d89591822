package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// visitor is a session of check at one side. Its server is not trusted: what it
// says is bounded.
type visitor struct {
	*pgconn.PgConn
	reported map[string]string // ParameterStatus
}

const (
	mostMessage = 16 << 20  // bytes of one row
	mostAnswer  = 256 << 20 // bytes of one answer, as it is kept:
	perRow      = 24        // a slice
	perValue    = 16        // a string
)

var (
	errUnasked = errors.New("the server says more than it was asked")
	errAnswer  = fmt.Errorf("the server answers with more than %d bytes", mostAnswer)
)

// newVisitor goes on with what the proxy's own login has begun. On error the
// connection is closed.
func newVisitor(back *pgwire.Back) (*visitor, error) {
	if len(back.Rest) > 0 {
		return nil, errors.Join(errUnasked, back.Conn.Close())
	}
	reported := reportedIn(back.Greeting)
	conn, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn: back.Conn, PID: back.PID, SecretKey: back.Key, ParameterStatuses: reported, TxStatus: 'I',
		Config: &pgconn.Config{
			BuildFrontend: func(r io.Reader, w io.Writer) *pgproto3.Frontend { return pgproto3.NewFrontend(r, w) },
			BuildContextWatcherHandler: func(conn *pgconn.PgConn) ctxwatch.Handler {
				return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
			},
			MaxProtocolMessageBodyLen: mostMessage,
		},
	})
	if err != nil {
		return nil, errors.Join(err, back.Conn.Close())
	}
	return &visitor{PgConn: conn, reported: reported}, nil
}

// reportedIn are the ParameterStatus messages of a login (manual, 54.7).
func reportedIn(greeting []byte) map[string]string {
	reported := map[string]string{}
	for {
		header := wire.Parse(greeting)
		if header.State != wire.Whole {
			return reported
		}
		var status pgproto3.ParameterStatus
		if header.Type == 'S' && status.Decode(greeting[wire.HeaderSize:header.Size]) == nil {
			reported[status.Name] = status.Value
		}
		greeting = greeting[header.Size:]
	}
}

// close says good-bye, for as long as a visit may last.
func (v *visitor) close() {
	ctx, cancel := context.WithTimeout(context.Background(), visitTime)
	defer cancel()
	_ = v.Close(ctx)
}

// query runs one SELECT and gives its rows as text; NULL is "". Of a server's
// error only the SQLSTATE is told: its text may hold data.
func (v *visitor) query(ctx context.Context, sql string) (rows [][]string, err error) {
	results := v.Exec(ctx, sql)
	bytes := 0
	for err == nil && results.NextResult() {
		for reader := results.ResultReader(); err == nil && reader.NextRow(); {
			row := make([]string, 0, len(reader.Values()))
			bytes += perRow
			for _, value := range reader.Values() {
				row = append(row, string(value))
				bytes += perValue + len(value)
			}
			if rows = append(rows, row); bytes > mostAnswer {
				err = errors.Join(errAnswer, v.Conn().Close())
			}
		}
	}
	if err = errors.Join(err, results.Close()); err != nil {
		return nil, withoutText(err)
	}
	return rows, nil
}

func withoutText(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return fmt.Errorf("the server refused to tell (SQLSTATE %s)", refused.Code)
	}
	return err
}

// rows is query for rows of so many columns.
func (v *visitor) rows(ctx context.Context, sql string, columns int) ([][]string, error) {
	rows, err := v.query(ctx, sql)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if len(row) != columns {
			return nil, errUnasked
		}
	}
	return rows, nil
}

// one is rows for a single row.
func (v *visitor) one(ctx context.Context, sql string, columns int) ([]string, error) {
	rows, err := v.rows(ctx, sql, columns)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, errUnasked
	}
	return rows[0], nil
}
