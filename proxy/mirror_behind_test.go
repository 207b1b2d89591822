package proxy

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

// shut keeps the target from committing a transaction that has inserted into a
// table, until the session that it gives ends its own.
func (n *mirrored) shut(t testing.TB, table string) *pgx.Conn {
	t.Helper()
	for _, sql := range []string{
		"CREATE TABLE gate (id int)", "GRANT ALL ON gate TO PUBLIC",
		"CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN LOCK TABLE public.gate IN SHARE MODE; RETURN NULL; END'",
		"CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON " + table + " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION waits()",
	} {
		if err := pair.Target.Exec(t.Context(), n.database, sql); err != nil {
			t.Fatal(err)
		}
	}
	gate := n.dial(t, pair.Target.Addr())
	do(t, gate, "BEGIN")
	do(t, gate, "LOCK TABLE gate IN ACCESS EXCLUSIVE MODE")
	return gate
}

// begun runs a statement whose answer comes later.
func begun(t testing.TB, conn *pgx.Conn, sql string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		done <- err
	}()
	return done
}

// TestMirrorADeleteThatOvertakes: the delete of a row that another session has
// committed at the source and not yet at the target meets no row there. It takes
// the key, waits for the insert, and deletes what that has brought; but for a row
// that the same transaction has put there since.
func TestMirrorADeleteThatOvertakes(t *testing.T) {
	for _, test := range []struct {
		name, sql string
		taken     bool
	}{
		{"a delete", "DELETE FROM things WHERE id = 50", true},
		{"a row put there again", "DELETE FROM things WHERE id = 50; INSERT INTO things (id, name) VALUES (50, 'again')", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newMirrored(t, things, things, nil, nil)
			first, second := n.client(t), n.client(t)
			do(t, second, "SELECT 1")
			gate := n.shut(t, "things")
			inserted := begun(t, first, "INSERT INTO things (id) VALUES (50)")
			eventually(t, "the source has the row", func() bool {
				return n.rows(t, router.Source, "SELECT count(*) FROM things WHERE id = 50")[0] == "1|"
			})
			deleted := begun(t, second, test.sql)
			over := false
			eventually(t, "the second session waits at the target, or is over", func() bool {
				select {
				case err := <-deleted:
					if err != nil {
						t.Error(err)
					}
					over = true
				default:
				}
				return over || n.rows(t, router.Target, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")[0] == "2|"
			})
			do(t, gate, "COMMIT")
			if err := <-inserted; err != nil {
				t.Error(err)
			}
			if !over {
				if err := <-deleted; err != nil {
					t.Error(err)
				}
			}
			n.settled(t)
			n.clean(t)
			n.equal(t, "things")
			if taken := n.missed.Load() > 0; taken != test.taken {
				t.Errorf("took the key: %t", taken)
			}
		})
	}
}

// TestMirrorAChangeOfTheKeyThatOthersPrevent: between the reading of the old keys
// and the change another session commits what the change depends on.
func TestMirrorAChangeOfTheKeyThatOthersPrevent(t *testing.T) {
	for _, test := range []struct {
		name, where string
		dirty       int
	}{
		{"of all rows", "id + 0 = 1 AND NOT EXISTS (SELECT FROM things s WHERE s.id = 2)", 0},
		{"of some", "id = 5 OR id = 1 AND NOT EXISTS (SELECT FROM things s WHERE s.id = 2)", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newMirrored(t, things, things, nil, nil)
			first, second := n.client(t), n.client(t)
			do(t, first, "INSERT INTO things (id) VALUES (1), (5)")
			do(t, second, "SELECT 1")
			for _, sql := range []string{"BEGIN", "UPDATE things SET name = 'x' WHERE id = 1", "INSERT INTO things (id) VALUES (2)"} {
				do(t, first, sql)
			}
			moved := begun(t, second, "UPDATE things SET id = id + 1 WHERE "+test.where)
			eventually(t, "the second session waits for the row", func() bool {
				return n.rows(t, router.Source, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")[0] == "1|"
			})
			do(t, first, "COMMIT")
			if err := <-moved; err != nil {
				t.Error(err)
			}
			n.settled(t)
			keys, whole := n.journal.dirty()
			if keys["public.things"] != test.dirty || len(whole) > 0 {
				t.Errorf("dirty: keys %v, tables %v", keys, whole)
			}
			if got := n.rows(t, router.Target, "SELECT id, name FROM things WHERE id NOT IN (1, 5) ORDER BY id"); test.dirty > 0 && strings.Join(got, " ") != "2|∅| 6|∅|" {
				t.Error("the target has", got)
			}
			if test.dirty == 0 {
				n.equal(t, "things")
			}
		})
	}
}

// TestMirrorAChangeOfNoRow leaves nothing to remember, also of a key that its text
// fixes.
func TestMirrorAChangeOfNoRow(t *testing.T) {
	n := newMirrored(t, things, things, nil, nil)
	conn := n.client(t)
	for _, sql := range []string{"UPDATE things SET id = 2 WHERE id = 77", "UPDATE things SET id = 2 WHERE id + 0 = 77", "DELETE FROM things WHERE id = 77", "UPDATE things SET name = 'x' WHERE id = 77"} {
		do(t, conn, sql)
		if n.journal.intents() > 0 {
			t.Error("something is remembered of", sql)
		}
	}
}
