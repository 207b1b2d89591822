package copyin_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/copyin"
)

// servers runs a test on the oldest and the newest server.
func servers(t *testing.T, run func(t *testing.T, o *oracle)) {
	pair := dbtest.Pair(t, dbserver.Options{}, func(context.Context, *dbserver.Postgres) error { return nil })
	for _, server := range []*dbserver.Postgres{pair.Source, pair.Target} {
		t.Run(fmt.Sprint(server.Version().Major), func(t *testing.T) {
			conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
			run(t, &oracle{conn: conn, major: server.Version().Major})
		})
	}
}

// oracle is a server that reads the same data.
type oracle struct {
	conn  *pgconn.PgConn
	major int
}

// keys are those that the server has made of the data, in the order of the
// table; false: it has refused it.
func (o *oracle) keys(t *testing.T, options string, types []string, data []byte) ([]rewrite.RowKey, bool) {
	t.Helper()
	var columns, names []string
	for i, typ := range types {
		names = append(names, string(rune('a'+i)))
		columns = append(columns, names[i]+" "+typ+" DEFAULT NULL NOT NULL")
	}
	make := "CREATE TEMP TABLE t (v text DEFAULT 'v', " + strings.Join(columns, ", ") + ", w text DEFAULT 'w')"
	if _, err := o.conn.Exec(t.Context(), "DROP TABLE IF EXISTS t; "+make).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.conn.CopyFrom(t.Context(), bytes.NewReader(data), "COPY t FROM STDIN "+options); err != nil {
		return nil, false
	}
	formats := slices.Repeat([]int16{1}, len(names))
	result := o.conn.ExecParams(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM t ORDER BY ctid", nil, nil, nil, formats).Read()
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	var keys []rewrite.RowKey
	for _, row := range result.Rows {
		keys = append(keys, rewrite.KeyFrom(row))
	}
	return keys, true
}

// Data that is written as clients write it is read, to the byte.
func TestKeysAreThoseThatTheServerHasMade(t *testing.T) {
	const someUUID, other = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A12"
	servers(t, func(t *testing.T, o *oracle) {
		for _, test := range []struct {
			name, options, types, data string
			since                      int
		}{
			{"text", "", "int4", "v\t1\tw\nv\t-2\tw\n", 0},
			{"text without an end of the line", "", "int4", "v\t1\tw\nv\t2\tw", 0},
			{"text with an end of its own", "", "int4", "v\t1\tw\n\\.\n", 0},
			{"text with lines of DOS", "", "text", "v\ta b\tw\r\nv\tb\tw\r\n\\.\r\n", 0},
			{"escapes", "", "text", "\\t\\n\t\\b\\f\\n\\r\\t\\v\\\\\\a\\\t\\\n\tw\nv\t\\x41\\x4g\\xg\\101\\1018\\7z\\303\\251\tw\\N\n", 0},
			{"escapes of the delimiter", "(DELIMITER ',')", "text", "v,a\\,b,w\nv\\,,c,\n", 0},
			{"NULL elsewhere", "", "text", "\\N\ta\t\\N\n\\N\t\\\\N\t\\N\n", 0},
			{"another NULL", "(NULL 'none')", "text", "none\t\\N\tnone\nnone\tnon\\e\tx\n", 0},
			{"an empty key", "", "text", "v\t\tw\n\t \t\n", 0},
			{"several bytes to a character", "", "text", "ü\té€𝄞\tü\nv\t\\303\\244\tw\n", 0},
			{"CSV", "CSV", "int4,text", "v,1,a,w\n\"v,\"\"\n\",2,\"b,\"\"c\"\"\n\r\n\",\n", 0},
			{"CSV with a header", "(FORMAT csv, HEADER)", "text", "\"v\n\",\"a\",\"w\"\nv,\\.,w\n", 0},
			{"CSV with other marks", `(FORMAT csv, DELIMITER '|', QUOTE '''', ESCAPE '\')`, "text", `v|'a\'b\\c\d''e|'|w` + "\n" + `\|\|` + "\n", 0},
			{"CSV with quotes in the middle", "CSV", "text", "v,a\"b,\n\"c,w\n,\"\"x\"\",\n", 0},
			{"CSV with an empty string", "CSV", "text", ",\"\",\n", 0},
			{"CSV with NULL that is a value", "(FORMAT csv, FORCE_NOT_NULL (a), NULL 'n')", "text", "n,n,n\nn,\"n\",n\n", 0},
			{"CSV with lines of DOS", "CSV", "text", "v,a,w\r\nv,\"b\r\n\",w\r\n", 0},
			{"CSV without an end of the line", "CSV", "text", "v,\"a\",\"\"", 0},
			{"a header of the text format", "(HEADER)", "text", "v\ta\tw\nv\tb\tw\n", 15},
			{"a default elsewhere", `(DEFAULT '\D')`, "text", "\\D\ta\\\\D\t\\D\n", 16},
			{"whole numbers", "CSV", "int2,int4,int8", "v,-32768,-2147483648,-9223372036854775808,w\nv, 32767 ,+007,9223372036854775807,w\nv,-0,0,1,w\n", 0},
			{"UUIDs", "CSV", "uuid", "v," + someUUID + ",w\nv," + other + ",w\n", 0},
			{"varchar", "CSV", "varchar(4)", "v,äöüß,w\nv,a   ,w\n", 0},
			{"dates", "CSV", "date", "v,2024-02-29,w\nv,0001-01-01,w\nv,1969-12-31,w\nv,9999-12-31,w\n", 0},
			{"times", "CSV", "timestamp", "v,2024-02-29 23:59:59.999999,w\nv,1969-12-31T00:00:00,w\nv,1999-12-31 23:59:59.5,w\n", 0},
			{"times with an offset", "CSV", "timestamptz", "v,2024-02-29 23:59:59.999999+00,w\nv,1969-12-31 00:00:00-08:30,w\nv,2024-01-01T00:00:00Z,w\n", 0},
			{"nothing", "", "int4", "", 0},
			{"nothing but an end", "", "int4", "\\.\n", 0},
		} {
			if o.major < test.since {
				continue
			}
			types := strings.Split(test.types, ",")
			want, taken := o.keys(t, test.options, types, []byte(test.data))
			if !taken {
				t.Errorf("%s: the server refuses it", test.name)
				continue
			}
			columns, key := table(types...)
			form, ok := copyin.FormOf(options(t, test.options), columns, key)
			if !ok {
				t.Errorf("%s: no form", test.name)
				continue
			}
			for size := 1; size <= len(test.data); size++ {
				if got, err := read(form, []byte(test.data), size); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s, in parts of %d: %q %v, the server has %q", test.name, size, got, err, want)
					break
				}
			}
		}
	})
}

// Whatever a server takes has the keys that are read, or is said to be unsure.
func TestKeysOfAnyDataAreThoseOfTheServer(t *testing.T) {
	const rounds = 800
	servers(t, func(t *testing.T, o *oracle) {
		random := rand.New(rand.NewPCG(uint64(o.major), 7))
		taken, sure := 0, 0
		for range rounds {
			opt, typ, data := arbitrary(random, o.major)
			columns, key := table(typ)
			form, ok := copyin.FormOf(options(t, opt), columns, key)
			if !ok {
				continue
			}
			got, err := read(form, data, 1+random.IntN(len(data)+1))
			want, accepted := o.keys(t, opt, []string{typ}, data)
			if !accepted {
				continue
			}
			taken++
			if err != nil {
				continue
			}
			sure++
			if !slices.Equal(got, want) {
				t.Fatalf("COPY %s of %s: %q\nread %q\nhas  %q", opt, typ, data, got, want)
			}
		}
		t.Logf("%d were taken, %d of them read", taken, sure)
		if sure*2 < taken || taken < rounds/20 {
			t.Errorf("of %d that the server took %d were read", taken, sure)
		}
	})
}

// arbitrary is data of which servers take a good part.
func arbitrary(r *rand.Rand, major int) (options, typ string, data []byte) {
	typ = []string{"text", "text", "text", "varchar(4)", "int4", "int8", "uuid", "date", "timestamp", "timestamptz"}[r.IntN(10)]
	delimiter, header := "\t", ""
	switch r.IntN(6) {
	case 0:
		options, delimiter = "(DELIMITER ';', NULL 'n')", ";"
	case 1:
		options, delimiter = "CSV", ","
	case 2:
		options, delimiter = `(FORMAT csv, ESCAPE '\', NULL 'n', FORCE_NOT_NULL (a))`, ","
	case 3:
		options, delimiter, header = `(FORMAT csv, QUOTE 'q', DELIMITER ';', HEADER)`, ";", "v;a;w\n"
	case 4:
		if major >= 16 {
			options, delimiter = `(FORMAT csv, DEFAULT '\D', FORCE_NULL (v))`, ","
		}
	}
	end := []string{"\n", "\n", "\n", "\r\n", "\r"}[r.IntN(5)]
	data = append(data, strings.ReplaceAll(header, "\n", end)...)
	for range r.IntN(4) {
		data = append(data, piece(r, "text")+delimiter+piece(r, typ)+delimiter+piece(r, "text")...)
		if r.IntN(12) > 0 {
			data = append(data, end...)
		}
	}
	if r.IntN(8) == 0 {
		data = append(data, `\.`+end...)
	}
	return options, typ, data
}

// piece is a value, or what looks like one.
func piece(r *rand.Rand, typ string) string {
	values := map[string][]string{
		"int4":        {"1", "-5", " 7", "8 ", "+3", "007", "0x10", "1_0", "2147483648", "1e3", "", "\\N", "\"1\"", "1\\x30"},
		"int8":        {"1", "-9223372036854775808", " 7", "9223372036854775808", "0b1", "\"2\"", "\t3"},
		"uuid":        {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A12", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "a0eebc999c0b4ef8bb6d6bb9bd380a1"},
		"date":        {"2024-01-02", "01/02/2024", "2024-1-2", "20240102", "today", "0044-03-15 BC", "2024-02-30", "infinity", "99999-01-01", "0000-01-01", "2024-001"},
		"timestamp":   {"2024-01-02 03:04:05", "2024-01-02T03:04:05.6", "2024-01-02", "2024-01-02 24:00:00", "2024-01-02 03:04:60", "2024-01-02 03:04:05.1234567", "2024-01-02 03:04:05+02", "2024-01-02 03:04:05.", "now"},
		"timestamptz": {"2024-01-02 03:04:05+02", "2024-01-02T03:04:05.6-08:30", "2024-01-02 03:04:05", "2024-01-02 03:04:05Z", "2024-01-02 03:04:05+15:59", "2024-01-02 03:04:05+16", "2024-01-02 03:04:05 UTC"},
	}[typ]
	if values != nil && r.IntN(8) > 0 {
		return values[r.IntN(len(values))]
	}
	pieces := []string{"a", "b", "é", "𝄞", " ", "n", "\\N", "\\D", "\\", "\\\\", "\\t", "\\.", ".", "\"", "\"\"", "q", "'", "\\x41", "\\x4", "\\101", "\\7", "\\\n", "\n", "\r", ",", ";", "\t", "\\303\\251", "\\0", "\\xff", "\xc3"}
	var b strings.Builder
	quote := [...]string{"", "", "\"", "q"}[r.IntN(4)]
	b.WriteString(quote)
	for range r.IntN(4) {
		if r.IntN(2) == 0 {
			b.WriteString(pieces[r.IntN(6)])
			continue
		}
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	b.WriteString(quote)
	return b.String()
}

// Data in binary that a server has written is read, wherever it is cut.
func TestKeysOfBinaryDataAreThoseOfTheServer(t *testing.T) {
	types := []string{"int2", "int4", "int8", "text", "varchar(4)", "uuid", "date", "timestamp", "timestamptz"}
	servers(t, func(t *testing.T, o *oracle) {
		csv := "v,1,2,3,t,u,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,0044-03-15 BC,infinity,2024-01-01 00:00:00+00,w\n" +
			",-1,-2,-3,\"\",é,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12,infinity,2024-01-01 00:00:00,-infinity,\n"
		want, ok := o.keys(t, "CSV", types, []byte(csv))
		if !ok {
			t.Fatal("the server refuses it")
		}
		var data bytes.Buffer
		if _, err := o.conn.CopyTo(t.Context(), &data, "COPY t TO STDOUT BINARY"); err != nil {
			t.Fatal(err)
		}
		columns, key := table(types...)
		form, ok := copyin.FormOf(options(t, "BINARY"), columns, key)
		if !ok {
			t.Fatal("no form")
		}
		extended := slices.Concat(data.Bytes()[:15], binary.BigEndian.AppendUint32(nil, 3), []byte("abc"), data.Bytes()[19:])
		for name, data := range map[string][]byte{"as it is": data.Bytes(), "without its end": data.Bytes()[:data.Len()-2], "with an extension": extended} {
			for size := 1; size <= len(data); size++ {
				got, err := read(form, data, size)
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("%s, in parts of %d: %q %v, the server has %q", name, size, got, err, want)
				}
			}
			if has, taken := o.keys(t, "BINARY", types, data); !taken || !slices.Equal(has, want) {
				t.Errorf("%s: the server takes it: %v, %q", name, taken, has)
			}
		}
		for cut := 1; cut < data.Len()-2; cut++ { // in the middle of a row
			got, err := read(form, data.Bytes()[:cut], cut)
			if has, taken := o.keys(t, "BINARY", types, data.Bytes()[:cut]); taken && err == nil && !slices.Equal(got, has) {
				t.Errorf("cut off at %d: %q %v, the server has %q", cut, got, err, has)
			}
		}
	})
}
