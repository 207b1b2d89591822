package image

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/rewrite"
)

// shared are the servers of all tests of the package, started by the first that
// needs them; each test has databases of its own.
var shared struct {
	sync.Mutex
	pair      dbserver.Pair
	databases int
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.pair.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "stop the servers:", err)
		code = 1
	}
	os.Exit(code)
}

// Sides of a lab.
const (
	source = 0
	target = 1
)

// lab is a database on each server, and their schemas.
type lab struct {
	t       testing.TB
	conns   [2]*pgconn.PgConn
	dsn     [2]string
	schemas [2]*rewrite.Schema
}

// open makes the databases with their tables.
func open(t testing.TB, ddl ...string) *lab {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	ctx := context.WithoutCancel(t.Context())
	if shared.pair.Source == nil {
		pair, err := dbserver.StartPair(ctx, dbserver.Options{}, nil)
		if err != nil {
			t.Fatalf("start two PostgreSQL for the test: %v", err)
		}
		shared.pair = pair
	}
	shared.databases++
	l := &lab{t: t}
	for side, server := range []*dbserver.Postgres{shared.pair.Source, shared.pair.Target} {
		name := number("image", shared.databases)
		if err := server.Exec(ctx, "postgres", "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		l.dsn[side] = server.SuperDSN(name)
		l.conns[side] = l.connect(side)
		l.exec(side, ddl[side])
		l.schemas[side] = l.schema(side)
	}
	return l
}

// of is the lab for a part of its test.
func (l *lab) of(t testing.TB) *lab {
	part := *l
	part.t = t
	return &part
}

func (l *lab) connect(side int) *pgconn.PgConn {
	l.t.Helper()
	conn, err := pgconn.Connect(l.t.Context(), l.dsn[side])
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (l *lab) exec(side int, sql string) {
	l.t.Helper()
	if err := l.conns[side].Exec(l.t.Context(), sql).Close(); err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
}

// rows are the rows of a query, each with its values between bars, NULL as "~".
func (l *lab) rows(side int, sql string) []string {
	l.t.Helper()
	results, err := l.conns[side].Exec(l.t.Context(), sql).ReadAll()
	if err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	for _, r := range slices.Backward(results) {
		if len(r.FieldDescriptions) > 0 {
			return lines(r.Rows)
		}
	}
	return nil
}

func lines(rows [][][]byte) []string {
	out := make([]string, 0, len(rows))
	for _, row := range rows {
		values := make([]string, len(row))
		for i, v := range row {
			values[i] = string(v)
			if v == nil {
				values[i] = "~"
			}
		}
		out = append(out, strings.Join(values, "|"))
	}
	return out
}

// run prepares a text with the types of its parameters and executes it; all
// results are asked for in formats.
func (l *lab) run(side int, text string, types []uint32, values [][]byte, in, out []int16) (*pgconn.Result, error) {
	l.t.Helper()
	conn := l.conns[side]
	described, err := conn.Prepare(l.t.Context(), "", text, types)
	if err != nil {
		l.t.Fatalf("prepare %s\n%v", text, err)
	}
	if got := described.ParamOIDs; !slices.Equal(got, types) {
		l.t.Fatalf("%s\nparameters are %v, stated %v", text, got, types)
	}
	result := conn.ExecPrepared(l.t.Context(), "", values, in, out).Read()
	return result, result.Err
}

// must is run for what has to succeed; it gives the number of rows.
func (l *lab) must(side int, text string, types []uint32, values [][]byte, in []int16) int64 {
	l.t.Helper()
	result, err := l.run(side, text, types, values, in, nil)
	if err != nil {
		l.t.Fatalf("%s\n%v", text, err)
	}
	return result.CommandTag.RowsAffected()
}

func (l *lab) schema(side int) *rewrite.Schema {
	s := &rewrite.Schema{Types: map[uint32]*rewrite.Type{}, Tables: map[rewrite.Name]*rewrite.Table{}}
	l.loadTypes(side, s)
	for _, line := range l.rows(side, `SELECT n.nspname, c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r','p') AND nspname NOT IN ('pg_catalog', 'information_schema')`) {
		f := strings.Split(line, "|")
		table := &rewrite.Table{Name: rewrite.Name{Schema: f[0], Name: f[1]}, OID: oid(f[2])}
		table.Columns = l.columns(side, f[2])
		s.Tables[table.Name] = table
	}
	return s
}

func (l *lab) columns(side int, table string) []rewrite.Column {
	var columns []rewrite.Column
	for _, line := range l.rows(side, `SET search_path = ''; SELECT attname, atttypid, format_type(atttypid, atttypmod), attnotnull,
		pg_catalog.pg_get_expr(adbin, adrelid), attgenerated <> '', attidentity, c.collname
		FROM pg_attribute a LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
		LEFT JOIN pg_collation c ON c.oid = attcollation AND c.collname <> 'default'
		WHERE attrelid = `+table+` AND attnum > 0 AND NOT attisdropped ORDER BY attnum; RESET search_path`) {
		f := strings.Split(line, "|")
		c := rewrite.Column{Name: f[0], Type: oid(f[1]), SQLType: f[2], NotNull: f[3] == "t", Generated: f[5] == "t"}
		if f[4] != "~" && !c.Generated {
			c.Default = f[4]
		}
		if f[6] != "" {
			c.Identity = f[6][0]
		}
		if f[7] != "~" {
			c.Collation = rewrite.Name{Schema: "pg_catalog", Name: f[7]}
		}
		columns = append(columns, c)
	}
	return columns
}

func (l *lab) loadTypes(side int, s *rewrite.Schema) {
	multirange := "NULL"
	if side == target {
		multirange = "(SELECT rngtypid FROM pg_range WHERE rngmultitypid = t.oid)"
	}
	for _, line := range l.rows(side, `SELECT t.oid, nspname, typname, CASE WHEN typcategory = 'A' AND typelem <> 0 THEN 'a' ELSE typtype::text END,
		COALESCE((SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid), `+multirange+`, typelem), typarray, typbasetype, typsend <> 0,
		(SELECT string_agg(atttypid::text, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped)
		FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace`) {
		f := strings.Split(line, "|")
		typ := &rewrite.Type{
			OID: oid(f[0]), Name: rewrite.Name{Schema: f[1], Name: f[2]}, Kind: rewrite.TypeKind(f[3][0]),
			Element: oid(f[4]), Array: oid(f[5]), Base: oid(f[6]), Binary: f[7] == "t",
		}
		if f[8] != "~" {
			for field := range strings.FieldsSeq(f[8]) {
				typ.Fields = append(typ.Fields, oid(field))
			}
		}
		s.Types[typ.OID] = typ
	}
}

func oid(s string) uint32 {
	if s == "~" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}
