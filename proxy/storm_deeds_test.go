package proxy

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What the sessions of the storm do beside reads and settings.

func (s *sailor) prepares() error {
	s.serial++
	if len(s.prepared) < 5 {
		name := fmt.Sprintf("p%d", s.serial)
		s.prepared[name] = s.serial
		_, err := s.Prepare(s.ctx, name, fmt.Sprintf("SELECT side, n, %d FROM whoami WHERE n <= $1", s.serial))
		return err
	}
	for name := range s.prepared {
		delete(s.prepared, name)
		if s.rand.IntN(2) == 0 {
			return s.run("DEALLOCATE " + name)
		}
		return s.Deallocate(s.ctx, name)
	}
	return nil
}

func (s *sailor) executes() error {
	for _, name := range slices.Sorted(maps.Keys(s.prepared)) {
		rows, err := s.Query(s.ctx, name, 4)
		if err != nil {
			return err
		}
		if _, err := wholeOf(rows, 4); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (s *sailor) preparesSQL() error {
	s.serial++
	if len(s.sql) < 3 {
		name := fmt.Sprintf("q%d", s.serial)
		s.sql[name] = s.serial
		if err := s.run(fmt.Sprintf("PREPARE %s (int) AS SELECT side, n FROM whoami WHERE n <= $1", name)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.sql)) {
		if _, err := s.whole(3, "EXECUTE "+name+"(3)"); err != nil {
			return err
		}
	}
	if s.rand.IntN(3) > 0 {
		return nil
	}
	clear(s.sql)
	clear(s.prepared)
	return s.run("DEALLOCATE ALL")
}

// readCommitted: each statement is answered by one side.
func (s *sailor) readCommitted() error {
	if err := s.run("BEGIN"); err != nil {
		return err
	}
	for range 1 + s.rand.IntN(4) {
		if err := errors.Join(s.reads(), s.executes()); err != nil {
			return err
		}
	}
	return s.run([]string{"COMMIT", "ROLLBACK", "END", "ABORT"}[s.rand.IntN(4)])
}

func (s *sailor) savepoints() error {
	before := maps.Clone(s.settings)
	if err := s.run("BEGIN", "SAVEPOINT a"); err != nil {
		return err
	}
	s.settings["work_mem"] = "9MB"
	if err := errors.Join(s.run("SET LOCAL work_mem = '9MB'"), s.looks(), s.reads()); err != nil {
		return err
	}
	if s.rand.IntN(2) == 0 { // a failure in the middle
		if err := s.fails(); err != nil {
			return err
		}
	}
	s.settings = before
	if err := errors.Join(s.run("ROLLBACK TO a"), s.looks(), s.reads(), s.run("RELEASE a")); err != nil {
		return err
	}
	return s.run("COMMIT")
}

// snapshot: every statement of the transaction is answered by the same side.
func (s *sailor) snapshot(begin string) error {
	if err := s.run(begin); err != nil {
		return err
	}
	first, err := s.whole(10, stormRead)
	if err != nil {
		return err
	}
	for range 1 + s.rand.IntN(4) {
		again, err := s.whole(10, stormRead)
		if err != nil {
			return err
		}
		if again != first {
			return fmt.Errorf("one snapshot, answered by the %s and by the %s", first, again)
		}
		if err := errors.Join(s.executes(), s.looks()); err != nil {
			return err
		}
	}
	return s.run("COMMIT")
}

// cursor: all its rows are of one side, whatever runs between its fetches.
func (s *sailor) cursor() error {
	begin := []string{"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}[s.rand.IntN(2)]
	if err := s.run(begin, "DECLARE c CURSOR FOR "+stormRead); err != nil {
		return fmt.Errorf("%s: %w", begin, err)
	}
	first, err := s.whole(3, "FETCH 3 FROM c")
	if err != nil {
		return err
	}
	if err := errors.Join(s.reads(), s.run("SET LOCAL app.two = '7'"), s.reads()); err != nil {
		return err
	}
	again, err := s.whole(3, "FETCH 3 FROM c")
	if err != nil {
		return err
	}
	if again != first {
		return fmt.Errorf("one cursor, answered by the %s and by the %s", first, again)
	}
	return s.run("CLOSE c", "COMMIT")
}

// batch is several statements before one Sync: one transaction.
func (s *sailor) batch() error {
	var b pgx.Batch
	for range 3 {
		b.Queue(stormRead)
	}
	b.Queue("SELECT side, current_setting('work_mem') FROM whoami WHERE n = 1").QueryRow(func(row pgx.Row) error {
		var side, value string
		if err := row.Scan(&side, &value); err != nil {
			return err
		}
		if value != s.settings["work_mem"] {
			return fmt.Errorf("work_mem is %q at the %s, want %q", value, side, s.settings["work_mem"])
		}
		return nil
	})
	results := s.SendBatch(s.ctx, &b)
	defer func() { _ = results.Close() }()
	for range 3 {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		if _, err := wholeOf(rows, 10); err != nil {
			return err
		}
	}
	return results.Close()
}

// pipeline is several batches with a Sync each, sent together.
func (s *sailor) pipeline() error {
	p := s.PgConn().StartPipeline(s.ctx)
	const batches = 4
	for range batches {
		p.SendQueryParams(stormRead, nil, nil, nil, nil)
		if err := p.Sync(); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	for seen := 0; seen < batches; {
		answer, err := p.GetResults()
		if err != nil {
			return errors.Join(err, p.Close())
		}
		rows, ok := answer.(*pgconn.ResultReader)
		if !ok {
			continue // of a Sync
		}
		seen++
		result := rows.Read()
		if err := oneSide(result); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	return p.Close()
}

func oneSide(result *pgconn.Result) error {
	if result.Err != nil || len(result.Rows) != 10 {
		return fmt.Errorf("%d rows: %w", len(result.Rows), result.Err)
	}
	for _, row := range result.Rows {
		if string(row[0]) != string(result.Rows[0][0]) {
			return fmt.Errorf("rows of the %s and of the %s in one result", result.Rows[0][0], row[0])
		}
	}
	return nil
}

func (s *sailor) fails() error {
	_, err := s.Exec(s.ctx, "SELECT side, 1 / (n - n) FROM whoami", s.mode())
	if code(err) != "22012" {
		return fmt.Errorf("a division by zero gives %w", err)
	}
	return nil
}

func (s *sailor) errs() error {
	if err := s.fails(); err != nil {
		return err
	}
	if err := errors.Join(s.run("BEGIN"), s.fails()); err != nil {
		return err
	}
	if _, err := s.Exec(s.ctx, stormRead, s.mode()); code(err) != "25P02" {
		return fmt.Errorf("in a failed transaction: %w", err)
	}
	return s.run("ROLLBACK")
}

// pins makes what cannot move, uses it, and does away with it again.
func (s *sailor) pins() error {
	if s.rand.IntN(4) > 0 {
		return nil
	}
	if s.rand.IntN(2) == 0 {
		return errors.Join(s.run("LISTEN storm"), s.reads(), s.looks(), s.run("UNLISTEN storm"))
	}
	if err := s.run("CREATE TEMP TABLE mine AS SELECT 'source' AS side, n FROM generate_series(1, 7) AS n"); err != nil {
		return err
	}
	if _, err := s.whole(7, "SELECT side, n FROM mine"); err != nil {
		return err
	}
	return errors.Join(s.looks(), s.reads(), s.run("DROP TABLE mine"))
}

func (s *sailor) discards() error {
	if s.rand.IntN(4) > 0 {
		return nil
	}
	clear(s.prepared)
	clear(s.sql)
	s.settings = maps.Clone(s.defaults)
	return errors.Join(s.run("DISCARD ALL"), s.looks())
}
