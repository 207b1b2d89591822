package pgsql_test

import (
	"fmt"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

func ExampleScanner() {
	text := []byte(`SELECT 'it''s', $$;$$ -- done`)
	var s pgsql.Scanner
	for s.Reset(text, 0); s.Next(); {
		t := s.Token()
		fmt.Printf("%d:%d %s\n", t.Start, t.End, text[t.Start:t.End])
	}
	fmt.Println(s.Err())
	// Output:
	// 0:6 SELECT
	// 7:14 'it''s'
	// 14:15 ,
	// 16:21 $$;$$
	// <nil>
}

func ExampleClassify() {
	for _, text := range []string{
		`INSERT INTO jobs (id, name) VALUES (1, lower('X')) ON CONFLICT (id) DO NOTHING`,
		`SELECT 'done'; LISTEN jobs`,
		`SELECT enqueue(1)`,
	} {
		effects := pgsql.Classify([]byte(text), 0)
		fmt.Println(effects.Has(pgsql.Listens), effects.Has(pgsql.Opaque))
	}
	// Output:
	// false false
	// true false
	// false true
}
