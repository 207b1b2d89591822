package proxy

import (
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

var affected = []string{
	"CREATE TABLE things (id int PRIMARY KEY, v int)",
	"CREATE TABLE kids (id int PRIMARY KEY, thing int REFERENCES things ON DELETE CASCADE, v int)",
	"INSERT INTO things SELECT g, g FROM generate_series(1, 9) g",
	"INSERT INTO kids SELECT g, g, g FROM generate_series(1, 9) g",
}

// TestARowThatIsNotThereAtTheTarget: rows are taken away at the target behind the
// proxy, and then written through it. Each is told of once, and put back.
func TestARowThatIsNotThereAtTheTarget(t *testing.T) {
	for _, test := range []struct {
		name, taken string
		does        []string
		want        []string
		dirty       bool // in the end
	}{
		{"an update", "DELETE FROM kids WHERE id = 3", []string{"UPDATE kids SET v = 0 WHERE id = 3"}, []string{"kids 3"}, false},
		{"nothing is missing", "", []string{"UPDATE kids SET v = 0", "UPDATE kids SET id = id + 10 WHERE id = 3", "DELETE FROM kids WHERE id > 4"}, nil, false},
		{"of many, some", "DELETE FROM kids WHERE id IN (2, 7)", []string{"UPDATE kids SET v = v + 1"}, []string{"kids 2", "kids 7"}, false},
		{"a delete", "DELETE FROM kids WHERE id = 3", []string{"DELETE FROM kids WHERE id = 3"}, []string{"kids 3"}, false},
		{"an old key", "DELETE FROM kids WHERE id = 3", []string{"UPDATE kids SET id = 30 WHERE id = 3"}, []string{"kids 3"}, false},
		{"the same twice", "DELETE FROM kids WHERE id = 3", []string{"BEGIN", "UPDATE kids SET v = 0 WHERE id = 3", "UPDATE kids SET v = 1 WHERE id = 3", "COMMIT"}, []string{"kids 3"}, false},
		{"what the transaction itself has brought", "", []string{"BEGIN", "INSERT INTO kids VALUES (20, 1, 1)", "UPDATE kids SET v = 0 WHERE id = 20", "DELETE FROM kids WHERE id = 20", "COMMIT"}, nil, false},
		{"a row that was inserted anew", "DELETE FROM kids WHERE id = 3", []string{"INSERT INTO kids VALUES (3, 1, 1) ON CONFLICT (id) DO UPDATE SET v = 0"}, nil, false},
		{"taken back with its savepoint", "DELETE FROM kids WHERE id = 3", []string{"BEGIN", "UPDATE kids SET v = 0 WHERE id = 4", "SAVEPOINT a", "UPDATE kids SET v = 0 WHERE id = 3", "SAVEPOINT b", "ROLLBACK TO a", "COMMIT"}, nil, false},
		{"rolled back", "DELETE FROM kids WHERE id = 3", []string{"BEGIN", "UPDATE kids SET v = 0 WHERE id = 3", "ROLLBACK"}, nil, false},
		{"its own statement that nobody saw", "", []string{"BEGIN", "UPDATE kids SET v = 0 WHERE id = 1", "WITH w AS (INSERT INTO kids VALUES (60, 1, 1) RETURNING id) SELECT id FROM w", "UPDATE kids SET v = 2 WHERE id = 60", "COMMIT"}, nil, true},
		{"the target's own cascade", "", []string{"BEGIN", "DELETE FROM things WHERE id = 3", "COMMIT"}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newMirrored(t, affected, affected, nil, nil)
			if test.taken != "" {
				if _, err := n.direct[router.Target].Exec(t.Context(), test.taken); err != nil {
					t.Fatal(err)
				}
			}
			conn := n.client(t)
			for _, sql := range test.does {
				do(t, conn, sql)
			}
			n.settled(t)
			if !test.dirty {
				n.clean(t)
			}
			var want []string
			for _, row := range test.want {
				table, id, _ := strings.Cut(row, " ")
				want = append(want, "public."+table+" "+string(rewrite.KeyFrom([][]byte{{0, 0, 0, id[0] - '0'}})))
			}
			n.note(func() {
				if strings.Join(n.effects, "|") != strings.Join(want, "|") {
					t.Errorf("told of %q, want %q", n.effects, want)
				}
			})
			if len(want) > 0 {
				n.equal(t, "kids")
			}
		})
	}
}

// TestARowOfATransactionUnderWayIsNotMissing: a row that another session has
// committed at the source, and the target not yet, is not one that was taken away.
func TestARowOfATransactionUnderWayIsNotMissing(t *testing.T) {
	n := newMirrored(t, affected, affected, nil, nil)
	first, second := n.client(t), n.client(t)
	gate := n.shut(t, "kids")
	inserted := begun(t, first, "INSERT INTO kids VALUES (50, 1, 1)")
	eventually(t, "the source has the row", func() bool { return n.rows(t, router.Source, "SELECT count(*) FROM kids WHERE id = 50")[0] == "1|" })
	updated := begun(t, second, "UPDATE kids SET v = 2 WHERE id = 50")
	eventually(t, "the target waits for both", func() bool {
		return n.rows(t, router.Target, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")[0] == "2|"
	})
	do(t, gate, "COMMIT")
	for _, done := range []<-chan error{inserted, updated} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	n.settled(t)
	n.equal(t, "kids")
	n.note(func() {
		if len(n.effects) > 0 {
			t.Errorf("a row under way counts as missing: %q", n.effects)
		}
	})
}
