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

func ExampleEffects() {
	for _, text := range []string{
		`SELECT name FROM users WHERE id = $1`,
		`WITH gone AS (DELETE FROM users RETURNING id) SELECT count(*) FROM gone`,
		`BEGIN READ /* not only */ WRITE; SET LOCAL app.tenant = '5'`,
		`SELECT 'users'::regclass, nextval('ids')`,
	} {
		fmt.Println(pgsql.Classify([]byte(text), 0))
	}
	// Output:
	// none
	// writes
	// transaction|setsstate|names|readwrite|several
	// catalog|serverbound
}

func ExampleSettingNames() {
	text := []byte(`SET TIME ZONE 'UTC'; SELECT set_config('App.tenant', $1, true)`)
	complete := pgsql.SettingNames(text, 0, func(name string) bool {
		fmt.Println(name)
		return true
	})
	fmt.Println(complete)
	// Output:
	// timezone
	// app.tenant
	// true
}

func ExamplePrepared() {
	text := []byte(`INSERT INTO t VALUES (1); PREPARE one AS SELECT 1; SELECT 2`)
	statement, ok := pgsql.Prepared(text, 0, "one")
	fmt.Printf("%s %v\n", statement, ok)
	// Output: PREPARE one AS SELECT 1 true
}
