package reconcile

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/rewrite"
)

// TestKeysAreShownAsPeopleWriteThem takes the binary forms from a real server.
func TestKeysAreShownAsPeopleWriteThem(t *testing.T) {
	server := dbtest.Postgres(t, dbserver.Options{})
	conn, err := pgx.Connect(t.Context(), server.SuperDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	e := Evidence{Policy: Show}
	for _, c := range []struct{ sql, want string }{
		{"42::int2", "42"},
		{"(-7)::int4", "-7"},
		{"9223372036854775807::int8", "9223372036854775807"},
		{"true", "true"},
		{"1.5::float4", "1.5"},
		{"0.1::float8", "0.1"},
		{"12.50::numeric", "12.50"},
		{"'NaN'::numeric", "NaN"},
		{"'0b5c1d3e-7a1b-4c2d-8e3f-001122334455'::uuid", "0b5c1d3e-7a1b-4c2d-8e3f-001122334455"},
		{"'2024-02-29'::date", "2024-02-29"},
		{"'infinity'::date", "infinity"},
		{"'2024-02-29 12:00:00.25'::timestamp", "2024-02-29T12:00:00.25"},
		{"'2024-02-29 12:00:00+02'::timestamptz", "2024-02-29T10:00:00Z"},
		{"'-infinity'::timestamptz", "-infinity"},
		{"'12:30:00'::time", "12:30:00.000000"},
		{"'10.0.0.1/8'::inet", "10.0.0.1/8"},
		{"'a\"b'::text", `"a\"b"`},
		{"'x'::varchar", `"x"`},
		{`'\x0102'::bytea`, `\x0102`},
		{`'abc'::bytea`, `\x616263`},
		{"'(1,2)'::point", `\x3ff00000000000004000000000000000`},
	} {
		results := conn.PgConn().ExecParams(t.Context(), "SELECT "+c.sql, nil, nil, nil, []int16{pgtype.BinaryFormatCode}).Read()
		if results.Err != nil {
			t.Fatal(results.Err)
		}
		column := KeyColumn{Name: "id", Type: results.FieldDescriptions[0].DataTypeOID, Binary: true}
		key := rewrite.KeyFrom([][]byte{results.Rows[0][0]})
		if got := e.OfKey("public.a", []KeyColumn{column}, key); got != c.want {
			t.Errorf("%s is shown as %s, want %s", c.sql, got, c.want)
		}
	}
}

func TestBrokenBinaryFormsAreShownAsDigits(t *testing.T) {
	for _, oid := range []uint32{pgtype.Int4OID, pgtype.UUIDOID, pgtype.NumericOID, pgtype.TimestamptzOID, pgtype.InetOID, pgtype.BoolOID, pgtype.IntervalOID} {
		c := KeyColumn{Type: oid, Binary: true}
		if got := c.shownAs([]byte{1, 2, 3}); got != `\x010203` {
			t.Errorf("%d: %s", oid, got)
		}
	}
}
