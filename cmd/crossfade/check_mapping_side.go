package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// mappedSide is one side while the mapping is proven there, as its service
// login. The one of the source is read-only.
type mappedSide struct {
	*visitor
	side   router.Side
	login  string
	schema *rewrite.Schema
}

// refusal is a server's error without its text, which may hold data.
type refusal struct{ code, table, column, constraint string }

func (r *refusal) Error() string { return fmt.Sprintf("the server refused it (SQLSTATE %s)", r.code) }

// SQLSTATEs that the proof tells apart (manual, appendix A).
const (
	queryCanceled     = "57014"
	notNullViolation  = "23502"
	checkViolation    = "23514"
	valueTooLong      = "22001"
	outOfRange        = "22003"
	invalidDefinition = "42P17"
	badForm           = "22P02"
)

// refusedWith tells the SQLSTATE of a refusal; "" of any other error.
func refusedWith(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.code
	}
	return ""
}

// ask runs statements and gives the rows as text, nil for NULL.
func (s *mappedSide) ask(ctx context.Context, sql string) ([][]*string, error) {
	results := s.Exec(ctx, sql)
	var rows [][]*string
	var err error
	size := 0
	for err == nil && results.NextResult() {
		for reader := results.ResultReader(); err == nil && reader.NextRow(); {
			row := make([]*string, len(reader.Values()))
			size += perRow
			for i, value := range reader.Values() {
				size += perValue + len(value)
				if value != nil {
					text := string(value)
					row[i] = &text
				}
			}
			if rows = append(rows, row); size > mostAnswer {
				err = errors.Join(errAnswer, s.Conn().Close())
			}
		}
	}
	if err = errors.Join(err, results.Close()); err != nil {
		return nil, withoutWords(err)
	}
	return rows, nil
}

func withoutWords(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return &refusal{code: e.Code, table: e.TableName, column: e.ColumnName, constraint: e.ConstraintName}
	}
	return err
}

// do runs statements for their effect.
func (s *mappedSide) do(ctx context.Context, sql string) error {
	_, err := s.ask(ctx, sql)
	return err
}

// numbers runs a query of one row of numbers.
func (s *mappedSide) numbers(ctx context.Context, sql string) ([]int, error) {
	rows, err := s.ask(ctx, sql)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, errUnasked
	}
	var out []int
	for _, value := range rows[0] {
		if value == nil {
			return nil, errUnasked
		}
		out = append(out, number(*value))
	}
	return out, nil
}

// words are the rows of a query as text, "" for NULL.
func (s *mappedSide) words(ctx context.Context, sql string) ([][]string, error) {
	rows, err := s.ask(ctx, sql)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, row := range rows {
		texts := make([]string, len(row))
		for i, value := range row {
			if value != nil {
				texts[i] = *value
			}
		}
		out = append(out, texts)
	}
	return out, nil
}

// pinned are settings under which values become text and back without loss
// (manual, 8.5 and 20.11).
const pinned = "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC';" +
	" SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'; SET LOCAL client_encoding = 'UTF8';" +
	" SET LOCAL lc_monetary = 'C'; SET LOCAL xmloption = 'content'"

// scratch runs what leaves nothing behind: a transaction that is rolled back,
// with values as text as pinned says.
func (s *mappedSide) scratch(ctx context.Context, do func() error) error {
	if err := s.do(ctx, "BEGIN; "+pinned); err != nil {
		return err
	}
	return errors.Join(do(), s.do(ctx, "ROLLBACK"))
}

// attempt runs statements of a scratch transaction that may fail.
func (s *mappedSide) attempt(ctx context.Context, sql string) error {
	if err := s.do(ctx, "SAVEPOINT attempt"); err != nil {
		return err
	}
	err := s.do(ctx, sql)
	if refusedWith(err) == "" {
		return err
	}
	return errors.Join(err, s.do(ctx, "ROLLBACK TO attempt"))
}
