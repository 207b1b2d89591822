package catalog

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/wire"
)

// side is one real server in a test, and its catalog.
type side struct {
	*dbserver.Postgres
	*Catalog
	conn *pgconn.PgConn
}

// sides starts two servers, runs their statements and loads their catalogs.
func sides(t *testing.T, installs [2]dbserver.Install, source, target []string) (a, b *side) {
	t.Helper()
	return start(t, installs[0], source), start(t, installs[1], target)
}

func start(t *testing.T, install dbserver.Install, statements []string) *side {
	t.Helper()
	s := &side{Postgres: dbtest.Postgres(t, dbserver.Options{Install: install})}
	for _, sql := range statements {
		if err := s.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	s.conn = s.connect(t)
	s.load(t)
	return s
}

func (s *side) connect(t *testing.T) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), s.SuperDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func (s *side) load(t *testing.T) {
	t.Helper()
	var err error
	if s.Catalog, err = Load(t.Context(), s.query); err != nil {
		t.Fatal(err)
	}
}

func (s *side) query(ctx context.Context, sql string) ([][]string, error) {
	results, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, row := range results[0].Rows {
		texts := make([]string, len(row))
		for i, value := range row {
			texts[i] = string(value)
		}
		rows = append(rows, texts)
	}
	return rows, nil
}

// rows is query for a test.
func (s *side) rows(t *testing.T, sql string) [][]string {
	t.Helper()
	rows, err := s.query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// described gives a statement's ParameterDescription and RowDescription, byte by
// byte as the server sends them.
func (s *side) described(t *testing.T, sql string) (parameters, row []byte) {
	t.Helper()
	raw, err := s.connect(t).Hijack()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Conn.Close()
	raw.Frontend.Send(&pgproto3.Parse{Query: sql})
	raw.Frontend.Send(&pgproto3.Describe{ObjectType: 'S'})
	raw.Frontend.Send(&pgproto3.Sync{})
	if err := raw.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	var read []byte
	buffer := make([]byte, 1<<16)
	for {
		header := wire.Parse(read)
		if header.State != wire.Whole {
			n, err := raw.Conn.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, buffer[:n]...)
			continue
		}
		switch message := read[:header.Size:header.Size]; header.Type {
		case 't':
			parameters = message
		case 'T':
			row = message
		case 'E':
			t.Fatalf("%s: %q", sql, message)
		case 'Z':
			return parameters, row
		}
		read = read[header.Size:]
	}
}

// pairs are the combinations of installations to test: each with itself, and
// the oldest with the newest both ways.
func pairs(t *testing.T) map[string][2]dbserver.Install {
	t.Helper()
	found, err := dbserver.Find()
	if err != nil {
		t.Fatal(err)
	}
	newest, oldest := found[0], found[len(found)-1]
	all := map[string][2]dbserver.Install{
		"from " + oldest.Version.Text + " to " + newest.Version.Text: {oldest, newest},
		"from " + newest.Version.Text + " to " + oldest.Version.Text: {newest, oldest},
		newest.Version.Text + " twice":                               {newest, newest},
	}
	return all
}
