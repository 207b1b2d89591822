package parse_test

import (
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
)

// benchmarked are the sizes that the project's goals are stated for: about 60
// and 500 bytes.
var benchmarked = map[string]string{
	"short":  `SELECT abalance FROM pgbench_accounts WHERE aid = 47120;`,
	"update": `UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2`,
	"long": `SELECT o1_0.id, o1_0.name, lower(o1_0.email), coalesce(sum(l1_0.price * l1_0.quantity), 0.0) AS total,
 count(*) FILTER (WHERE l1_0.shipped) OVER (PARTITION BY o1_0.region ORDER BY o1_0.created_at) AS n
 FROM "public"."orders" o1_0 LEFT JOIN "public"."order_lines" AS l1_0 ON o1_0.id = l1_0.order_id -- the lines
 WHERE o1_0.status IN ('OPEN', 'PAID') AND o1_0.created_at >= $1::timestamptz AND o1_0.name ILIKE 'it''s %'
 AND (o1_0.data ->> 'key') = $2 GROUP BY o1_0.id ORDER BY o1_0.created_at DESC, o1_0.id LIMIT 50 OFFSET 100`,
}

func BenchmarkKey(b *testing.B) {
	for name, text := range benchmarked {
		b.Run(name, func(b *testing.B) {
			input, into := []byte(text), make([]byte, 0, 1024)
			b.SetBytes(int64(len(input)))
			b.ReportAllocs()
			for b.Loop() {
				parse.Key(input, into)
			}
		})
	}
}

func BenchmarkAnalyse(b *testing.B) {
	for name, text := range benchmarked {
		b.Run(name, func(b *testing.B) {
			input := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse.Analyse(input, parse.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResplice(b *testing.B) {
	input := []byte(benchmarked["update"])
	s, err := parse.Analyse(input, parse.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		parse.Resplice(input, s)
	}
}
