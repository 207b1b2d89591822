package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const by = "'answered by ' || inet_server_port() AS answered"

// place is the composite of the schema, as pgx scans and encodes it.
type place struct {
	Street *string
	Floor  *int32
	Feel   *string
}

// pgxTypes are registered, each after those that it consists of.
var pgxTypes = []string{"mood", "_mood", "spirit", "place", "_place", "span", "_span", "euro"}

// pgxRun is pgx's script on its way.
type pgxRun struct {
	conn *pgx.Conn
	out  io.Writer
}

func pgxScript(ctx context.Context, c Course, out io.Writer, next func() error) (err error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return err
	}
	config.Host, config.Port = "127.0.0.1", uint16(c.Port)
	config.User, config.Password, config.Database = User, Secret, Database
	config.Fallbacks, config.RuntimeParams = nil, map[string]string{"timezone": "UTC"}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	p := &pgxRun{conn, out}
	if err := p.register(ctx); err != nil {
		return err
	}
	for i, whole := range c.Shares {
		for _, part := range p.parts(i+1, !whole) { // a session of the canary only reads
			fmt.Fprintln(out, "==", part.name)
			if err := part.run(ctx); err != nil {
				return fmt.Errorf("%s, round %d: %w", part.name, i+1, err)
			}
		}
		if err := next(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pgxRun) register(ctx context.Context) error {
	for _, name := range pgxTypes {
		t, err := p.conn.LoadType(ctx, name)
		if err != nil {
			return fmt.Errorf("load a type: %w", err)
		}
		p.conn.TypeMap().RegisterType(t)
		fmt.Fprintln(p.out, "registered", name, t.OID)
	}
	return nil
}

// part is one section of the script.
type part struct {
	name string
	run  func(context.Context) error
}

// ways are how pgx sends a statement: prepared and kept, described each time,
// and as a simple query.
var ways = []struct {
	name string
	mode pgx.QueryExecMode
}{
	{"prepared", pgx.QueryExecModeCacheStatement},
	{"described", pgx.QueryExecModeDescribeExec},
	{"simple", pgx.QueryExecModeSimpleProtocol},
}

func (p *pgxRun) parts(round int, writes bool) []part {
	var all []part
	for _, way := range ways {
		all = append(all, part{"plain, " + way.name, func(ctx context.Context) error {
			return p.each(ctx, way.mode, plainTexts)
		}}, part{"types, " + way.name, func(ctx context.Context) error {
			return p.each(ctx, way.mode, typeTexts)
		}})
	}
	all = append(all,
		part{"types as parameters", p.parameters},
		part{"types, new statements", func(ctx context.Context) error { return p.fresh(ctx, round) }},
		part{"numbers of the catalog", func(ctx context.Context) error { return p.each(ctx, pgx.QueryExecModeCacheStatement, catalogTexts) }},
		part{"plain in a transaction", func(ctx context.Context) error { return p.inTransaction(ctx, plainTexts) }},
		part{"types in a transaction", func(ctx context.Context) error { return p.inTransaction(ctx, typeTexts) }},
		part{"plain in a batch", p.batch},
	)
	if writes {
		all = append(all, part{"writes", p.write})
	}
	return all
}

var plainTexts = []string{
	"SELECT id, label, price, cost, stock, made, tags, extra, " + by + " FROM items WHERE id <= 4 ORDER BY id",
	"SELECT v.note, i.label, c.price, p.name, " + by + " FROM visits v JOIN items i USING (id) JOIN cheap c USING (id) JOIN people p USING (id) ORDER BY 1",
	"SELECT count(*), sum(price), " + by + " FROM items",
}

var typeTexts = []string{
	"SELECT id, name, feels, felt, best, home, homes, open, opens, " + by + " FROM people ORDER BY id",
	"SELECT feels, " + by + " FROM people ORDER BY id",
	"SELECT felt, " + by + " FROM people ORDER BY id",
	"SELECT best, " + by + " FROM people ORDER BY id",
	"SELECT home, " + by + " FROM people ORDER BY id",
	"SELECT homes, " + by + " FROM people ORDER BY id",
	"SELECT open, opens, " + by + " FROM people ORDER BY id",
}

var catalogTexts = []string{
	"SELECT 'mood'::regtype::oid, 'items'::regclass::oid, pg_typeof('ok'::mood)::oid, 'place[]'::regtype::oid, " + by,
	"SELECT t.typname, t.oid, t.typarray, " + by + " FROM pg_type t WHERE t.typname IN ('mood', 'place', 'span', 'spirit', 'euro', 'people') ORDER BY 1",
	"SELECT tableoid, id, " + by + " FROM items ORDER BY id LIMIT 2",
}

func (p *pgxRun) each(ctx context.Context, mode pgx.QueryExecMode, texts []string) error {
	for _, text := range texts {
		if err := p.ask(ctx, mode, text); err != nil {
			return err
		}
	}
	return nil
}

// ask prints the numbers that the driver was given and the values as it makes
// them of the rows.
func (p *pgxRun) ask(ctx context.Context, mode pgx.QueryExecMode, text string, values ...any) error {
	rows, err := p.conn.Query(ctx, text, append([]any{mode}, values...)...)
	if err != nil {
		return err
	}
	return p.show(rows)
}

func (p *pgxRun) show(rows pgx.Rows) error {
	defer rows.Close()
	described := false
	for rows.Next() {
		if !described {
			for _, f := range rows.FieldDescriptions() {
				fmt.Fprintln(p.out, f.Name, "type", f.DataTypeOID, "table", f.TableOID, "column", f.TableAttributeNumber, "typmod", f.TypeModifier)
			}
			described = true
		}
		values, err := rows.Values()
		if err != nil {
			return err
		}
		for _, v := range values {
			fmt.Fprintf(p.out, "%v | ", v)
		}
		fmt.Fprintln(p.out)
	}
	return rows.Err()
}

func (p *pgxRun) parameters(ctx context.Context) error {
	street, floor, feel := "High Street", int32(3), "ok"
	home := place{&street, &floor, &feel}
	for _, question := range []struct {
		text   string
		values []any
	}{
		{"SELECT id, " + by + " FROM people WHERE feels = $1", []any{"happy"}},
		{"SELECT id, " + by + " FROM people WHERE felt @> $1", []any{[]string{"ok"}}},
		{"SELECT id, " + by + " FROM people WHERE home = $1::place", []any{home}},
		{"SELECT id, " + by + " FROM people WHERE homes @> $1", []any{[]place{home}}},
		{"SELECT id, " + by + " FROM people WHERE open && $1", []any{span(2, 3)}},
		{"SELECT $1::mood, $2::mood[], $3::place, $4::place[], " + by, []any{"sad", []string{"ok"}, home, []place{home}}},
	} {
		if err := p.ask(ctx, pgx.QueryExecModeCacheStatement, question.text, question.values...); err != nil {
			return err
		}
	}
	return nil
}

// fresh asks what nobody has asked before: types of columns, of parameters, and
// of expressions, which no table's column speaks for.
func (p *pgxRun) fresh(ctx context.Context, round int) error {
	for _, question := range []struct {
		text   string
		values []any
	}{
		{"SELECT feels AS feels_%d, home, " + by + " FROM people WHERE feels > $1 ORDER BY id", []any{"sad"}},
		{"SELECT 'ok'::mood AS mood_%d, " + by, nil},
		{"SELECT ARRAY['ok'::mood] AS moods_%d, " + by, nil},
		{"SELECT ROW('x', 1, 'sad')::place AS place_%d, " + by, nil},
		{"SELECT $1::mood AS mood_%d, " + by, []any{"happy"}},
		{"SELECT count(*) AS count_%d, " + by + " FROM people WHERE feels = $1", []any{"happy"}},
	} {
		if err := p.ask(ctx, pgx.QueryExecModeCacheStatement, fmt.Sprintf(question.text, round), question.values...); err != nil {
			return err
		}
	}
	return nil
}

func span(lower, upper int64) pgtype.Range[pgtype.Numeric] {
	number := func(n int64) pgtype.Numeric {
		var v pgtype.Numeric
		_ = v.ScanInt64(pgtype.Int8{Int64: n, Valid: true}) // a valid number always scans
		return v
	}
	return pgtype.Range[pgtype.Numeric]{
		Lower: number(lower), Upper: number(upper), LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true,
	}
}

func (p *pgxRun) inTransaction(ctx context.Context, texts []string) error {
	return pgx.BeginFunc(ctx, p.conn, func(pgx.Tx) error {
		return p.each(ctx, pgx.QueryExecModeCacheStatement, texts)
	})
}

// batch sends statements that have been described before in one flight.
func (p *pgxRun) batch(ctx context.Context) (err error) {
	b := &pgx.Batch{}
	for _, text := range plainTexts {
		b.Queue(text)
	}
	results := p.conn.SendBatch(ctx, b)
	defer func() { err = errors.Join(err, results.Close()) }()
	for range plainTexts {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		if err := p.show(rows); err != nil {
			return err
		}
	}
	return nil
}

func (p *pgxRun) write(ctx context.Context) error {
	for _, text := range []string{
		"INSERT INTO visits VALUES (100, 'written') RETURNING id, note",
		"UPDATE people SET feels = 'ok', home = ROW('Moved', 1, 'sad') WHERE id = 3 RETURNING feels, home",
		"UPDATE people SET feels = NULL, home = NULL WHERE id = 3 RETURNING feels, home",
		"DELETE FROM visits WHERE id = 100 RETURNING id",
	} {
		if err := p.ask(ctx, pgx.QueryExecModeCacheStatement, text); err != nil {
			return err
		}
	}
	return nil
}
