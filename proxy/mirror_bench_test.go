package proxy

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// BenchmarkMirroredWrites is one row each, committed on both servers, by eight
// clients; what it costs the proxy is in its profile.
func BenchmarkMirroredWrites(b *testing.B) {
	for name, mode := range map[string]pgx.QueryExecMode{"prepared": pgx.QueryExecModeCacheStatement, "simple": pgx.QueryExecModeSimpleProtocol} {
		b.Run(name, func(b *testing.B) {
			n := newMirrored(b, things, things, nil, nil)
			do(b, n.direct[0], "CREATE SEQUENCE made")
			do(b, n.direct[0], "GRANT ALL ON SEQUENCE made TO PUBLIC")
			b.ReportAllocs()
			b.SetParallelism(4)
			b.RunParallel(func(p *testing.PB) {
				conn := n.client(b)
				for p.Next() {
					if _, err := conn.Exec(b.Context(), "INSERT INTO things (id, name) VALUES (nextval('made'), $1)", mode, "name"); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			n.settled(b)
			n.clean(b)
		})
	}
}

// passing is a session of a prepared statement of a table that is not mapped;
// again runs it once more.
func passing(t testing.TB, mirrors bool, sql string) (again func()) {
	n := newMirrored(t, append(slices.Clip(things), "CREATE TABLE plain (id int)", "GRANT ALL ON plain TO PUBLIC"), things, nil, nil)
	n.letIn("trusted")
	if !mirrors {
		n.mapped.Store(nil)
	}
	s := speakTo(t, n.addr, map[string]string{"database": n.database})
	s.talk(t, parseAs("statement", sql), syncUp)
	var batch []byte
	for _, m := range []say{&pgproto3.Bind{PreparedStatement: "statement", Parameters: [][]byte{[]byte("1")}}, execute, syncUp} {
		var err error
		if batch, err = m.Encode(batch); err != nil {
			t.Fatal(err)
		}
	}
	answer := make([]byte, 4096)
	return func() {
		if _, err := s.raw.Conn.Write(batch); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 6 || answer[n-6] != 'Z'; {
			got, err := s.raw.Conn.Read(answer[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += got
		}
	}
}

var passedTexts = map[string]string{"read": "SELECT id FROM plain WHERE id = $1", "write": "UPDATE plain SET id = id WHERE id = $1"}

// BenchmarkPassed is what a session whose writes are mirrored pays for such a
// statement.
func BenchmarkPassed(b *testing.B) {
	for name, mirrors := range map[string]bool{"mirror": true, "nothing mapped": false} {
		for kind, sql := range passedTexts {
			b.Run(kind+"/"+name, func(b *testing.B) {
				again := passing(b, mirrors, sql)
				b.ReportAllocs()
				for b.Loop() {
					again()
				}
			})
		}
	}
}

func TestWhatPassesAllocatesNothing(t *testing.T) {
	for kind, sql := range passedTexts {
		t.Run(kind, func(t *testing.T) {
			if n := testing.AllocsPerRun(1000, passing(t, true, sql)); n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
