package writes

import (
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
)

// TestWhatMergeReturns hangs on the version, and on what becomes of keys.
func TestWhatMergeReturns(t *testing.T) {
	w := newWorld()
	w.plan.Source.Version = 170000
	w.pair("shifted", trigger(rewrite.Trigger{Update: true, Before: true, Row: true, Sets: []string{"id"}}))
	w.pair("any", trigger(rewrite.Trigger{Update: true, Before: true, Row: true, Sets: []string{"*"}}))
	for _, test := range []struct{ text, want string }{
		{"MERGE INTO users USING orders ON users.id = orders.id WHEN MATCHED THEN DELETE", "capture merged users watch same=orders"},
		{"MERGE INTO orders USING users ON users.id = orders.id WHEN MATCHED THEN UPDATE SET v = 1 WHEN NOT MATCHED THEN INSERT VALUES (1, 2)", "capture merged orders"},
		{"MERGE INTO orders USING users ON users.id = orders.id WHEN MATCHED THEN UPDATE SET id = 1", "probe key_change orders watch"},
		{"MERGE INTO stamped USING users ON users.id = stamped.id WHEN MATCHED THEN UPDATE SET v = 1", "capture merged stamped watch"},
		{"MERGE INTO shifted USING users ON users.id = shifted.id WHEN MATCHED THEN UPDATE SET v = 1", "probe key_change shifted watch"},
		{"INSERT INTO shifted VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET v = 3", "probe key_change shifted watch"},
		{"INSERT INTO \"any\" VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET v = 3", "probe key_change any watch"},
		{"INSERT INTO shifted VALUES (1, 2)", "capture inserted shifted"},
		{"MERGE INTO plain USING users ON users.id = plain.id WHEN MATCHED THEN DELETE", "pass"},
	} {
		if got := spelled(decided(t, test.text, &w.env)); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
}

// TestWhatMayHappenOutOfSight: event triggers, and cursors that functions open.
func TestWhatMayHappenOutOfSight(t *testing.T) {
	w := newWorld()
	w.plan.Source.OnDefined, w.plan.Source.Cursors = true, true
	for _, test := range []struct{ text, want string }{
		{"CREATE TABLE more (id int)", "probe trigger watch reloads"},
		{"CREATE TEMP TABLE more (id int)", "probe trigger watch"},
		{"DROP TABLE plain", "probe trigger watch reloads"},
		{"COMMENT ON TABLE users IS 'x'", "probe trigger watch reloads"},
		{"ALTER TABLE users ADD v int", "definition function pairs=all reloads"},
		{"CREATE INDEX CONCURRENTLY ON users (id)", "copy trigger pairs=all reloads"},
		{"FETCH c", "probe function watch"},
		{"MOVE ALL c", "probe function watch"},
	} {
		if got := spelled(decided(t, test.text, &w.env)); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
	w.env.Path = nil
	for text, want := range map[string]string{"SELECT * FROM active": "probe function watch", "SELECT * FROM users": "pass", "SELECT * FROM nowhere": "pass"} {
		if got := spelled(decided(t, text, &w.env)); got != want {
			t.Errorf("without a path: %s\ngot  %s\nwant %s", text, got, want)
		}
	}
}
