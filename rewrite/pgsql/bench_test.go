package pgsql_test

import (
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

// The two sizes that the project's goals are stated for: about 60 and 500 bytes.
const (
	shortText = `SELECT abalance FROM pgbench_accounts WHERE aid = 47120;`
	longText  = `SELECT o1_0.id, o1_0.name, lower(o1_0.email), coalesce(sum(l1_0.price * l1_0.quantity), 0.0) AS total,
 count(*) FILTER (WHERE l1_0.shipped) OVER (PARTITION BY o1_0.region ORDER BY o1_0.created_at) AS n
 FROM "public"."orders" o1_0 LEFT JOIN "public"."order_lines" AS l1_0 ON o1_0.id = l1_0.order_id -- the lines
 WHERE o1_0.status IN ('OPEN', 'PAID') AND o1_0.created_at >= $1::timestamptz AND o1_0.name ILIKE 'it''s %'
 AND (o1_0.data ->> 'key') = $2 GROUP BY o1_0.id ORDER BY o1_0.created_at DESC, o1_0.id LIMIT 50 OFFSET 100`
	insertText = `INSERT INTO pgbench_history (tid, bid, aid, delta, mtime, filler)
 VALUES (7, 1, 47120, -2087, CURRENT_TIMESTAMP, 'a text of some length') ON CONFLICT (aid) DO UPDATE SET delta = 1`
	updateText = `UPDATE "public"."User" SET "name" = $1, "n" = ("public"."User"."n" + $2) WHERE ("public"."User"."id" IN ($3) AND 1=1)`
)

func BenchmarkScanner(b *testing.B) {
	for name, text := range map[string]string{"short": shortText, "long": longText} {
		b.Run(name, func(b *testing.B) {
			input := []byte(text)
			b.SetBytes(int64(len(input)))
			b.ReportAllocs()
			for b.Loop() {
				var s pgsql.Scanner
				for s.Reset(input, 0); s.Next(); {
				}
			}
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	for name, text := range map[string]string{
		"short": shortText, "long": longText, "insert": insertText, "update": updateText,
	} {
		b.Run(name, func(b *testing.B) {
			input := []byte(text)
			b.SetBytes(int64(len(input)))
			b.ReportAllocs()
			for b.Loop() {
				pgsql.Classify(input, 0)
			}
		})
	}
}
