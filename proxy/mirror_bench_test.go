package proxy

import (
	"testing"

	"github.com/jackc/pgx/v5"
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
