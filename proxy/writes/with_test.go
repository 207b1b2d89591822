package writes

import (
	"strings"
	"testing"
)

func TestListsOfWithThatWrite(t *testing.T) {
	w := newWorld()
	for _, p := range w.plan.Pairs {
		for i := range p.Cells {
			p.Cells[i].Binary = p.Name() != "public.shaded"
		}
	}
	const probe = "probe writing_cte"
	for _, test := range []struct{ text, want string }{
		{"WITH a AS (DELETE FROM orders RETURNING id) SELECT id FROM a", "capture deleted orders"},
		{"WITH a AS (DELETE FROM orders RETURNING id), b AS (INSERT INTO teams SELECT id FROM a) SELECT 1", "capture deleted orders, inserted teams"},
		{"WITH a AS (DELETE FROM orders RETURNING id) INSERT INTO teams SELECT id, 1 FROM a", "capture deleted orders, inserted teams"},
		{"WITH a AS (DELETE FROM orders RETURNING id) INSERT INTO plain SELECT id, 1 FROM a", "capture deleted orders"},
		{"WITH a AS (DELETE FROM plain RETURNING id) UPDATE teams SET v = 2 FROM a", "capture updated teams"},
		{"WITH a AS (DELETE FROM orders RETURNING id) SELECT act() FROM a", "capture deleted orders"}, // it is counted what else has changed
		{"WITH a AS (DELETE FROM watched) SELECT 1", "capture deleted watched"},
		{"WITH a AS (DELETE FROM plain RETURNING id) SELECT FROM a", "pass"},
		{"WITH a AS (DELETE FROM orders RETURNING id) INSERT INTO orders SELECT id, 1 FROM a", probe},               // one table twice
		{"WITH a AS (DELETE FROM orders WHERE id = 1), b AS (DELETE FROM orders WHERE id = 2) SELECT 1", probe},     // likewise
		{"WITH a AS (UPDATE orders SET id = 3 RETURNING id) SELECT id FROM a", probe},                               // its old keys are not known
		{"WITH a AS (INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 3) SELECT 1", probe},         // likewise
		{"WITH a AS (UPDATE stamped SET v = 3) SELECT 1", probe},                                                    // a trigger may change them
		{"WITH a AS (DELETE FROM orders), b AS (DELETE FROM ruled) SELECT 1", probe},                                // one of them cannot be captured
		{"WITH a AS (DELETE FROM orders), b AS (DELETE FROM policed) SELECT 1", probe},                              // likewise
		{"WITH a AS (DELETE FROM orders), b AS (INSERT INTO busy VALUES (1)) SELECT 1", probe},                      // a trigger of what is not mapped
		{"WITH a AS (DELETE FROM orders), b AS (INSERT INTO nobody VALUES (1)) SELECT 1", probe},                    // nobody knows it
		{"WITH a AS (DELETE FROM orders RETURNING id) INSERT INTO late SELECT id FROM a", "probe deferred_trigger"}, // at the commit nobody asks
		{"WITH a AS (DELETE FROM shaded) SELECT 1", probe},                                                          // it may be hidden, and has text
		{"WITH a AS (MERGE INTO orders o USING teams t ON o.id = t.id WHEN MATCHED THEN DELETE) SELECT 1", probe},   // which this reads from 17 on
		{"WITH a AS (DELETE FROM orders RETURNING id) SELECT * INTO more FROM a", "probe"},                          // a definition as well
		{"EXPLAIN ANALYZE WITH a AS (DELETE FROM orders RETURNING id) SELECT * FROM a", "probe"},                    // no rows come
		{"DECLARE c CURSOR FOR WITH a AS (DELETE FROM orders RETURNING id) SELECT * FROM a", "probe"},               // which the server refuses
		{"WITH crossfade_cte1 AS (DELETE FROM orders RETURNING id) SELECT id FROM crossfade_cte1", probe},           // a name of ours
		{"WITH a AS (DELETE FROM orders RETURNING id) SELECT id FROM a, crossfade_cte1", probe},
		{"WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x FROM a) SEARCH DEPTH FIRST BY x SET o, d AS (DELETE FROM orders) SELECT 1", probe},
	} {
		p := decided(t, test.text, &w.env)
		var all []string
		for _, one := range p.Captured() {
			all = append(all, map[bool]string{true: "inserted ", false: ""}[one.Kind == 0]+strings.TrimPrefix(one.Pair.Name(), "public."))
		}
		got := p.Class.String() + " " + string(p.Why)
		if p.Class == Capture {
			got = "capture " + strings.Join(all, ", ")
			if !p.Watch || p.Pair != nil && p.With != nil {
				t.Errorf("%s: %+v", test.text, p)
			}
		}
		if !strings.HasPrefix(got, strings.NewReplacer("deleted ", "", "updated ", "").Replace(test.want)) {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
}
