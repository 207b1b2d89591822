package proxy

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/router"
)

// newEarly is a proxy that answers once the source has committed, whose target
// keeps its COMMITs of things below 10 waiting until the gate is opened.
func newEarly(t *testing.T, change func(*Options)) (n *mirrored, open func()) {
	t.Helper()
	tables := append(slices.Clip(things), "CREATE TABLE plain (id int)")
	n = newMirrored(t, tables, things, nil, func(o *Options) {
		o.Mirror.Early = true
		if change != nil {
			change(o)
		}
		o.Mirror.Ready = func(string) bool {
			keys, whole := n.journal.dirty()
			return len(keys) == 0 && len(whole) == 0
		}
	})
	gate := n.shut(t, "things")
	for _, sql := range []string{"DROP TRIGGER waits ON things", "CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id < 10) EXECUTE FUNCTION waits()"} {
		if err := n.servers.Target.Exec(t.Context(), n.database, sql); err != nil {
			t.Fatal(err)
		}
	}
	return n, func() { do(t, gate, "COMMIT") }
}

// waiting is the process of the target that waits for the gate.
func (n *mirrored) waiting(t testing.TB) (pid int) {
	t.Helper()
	eventually(t, "the target's COMMIT waits", func() bool {
		got := n.rows(t, router.Target, "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'gate'::regclass")
		if len(got) == 1 {
			pid, _ = strconv.Atoi(got[0][:len(got[0])-1])
		}
		return pid != 0
	})
	return pid
}

func TestAClientGoesOnBeforeTheTargetHasCommitted(t *testing.T) {
	n, open := newEarly(t, nil)
	conn := n.client(t)
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	n.waiting(t)
	do(t, conn, "INSERT INTO plain VALUES (1)")
	if got := one[int](t, conn, "SELECT count(*)::int FROM things"); got != 1 {
		t.Errorf("%d rows at the source", got)
	}
	next := begun(t, conn, "UPDATE things SET name = 'next' WHERE id = 1")
	eventually(t, "it runs at the source", func() bool {
		return n.rows(t, router.Source, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'ClientRead' AND datname = current_database()")[0] == "1|"
	})
	select {
	case err := <-next:
		t.Errorf("it is answered before the target could have it: %v", err)
	default:
	}
	open()
	if err := <-next; err != nil {
		t.Error(err)
	}
	n.settled(t)
	n.clean(t)
	n.equal(t, "things")
}

func TestATargetThatIsLostBehindItsClientsBack(t *testing.T) {
	n, open := newEarly(t, nil)
	conn := n.client(t)
	for id := 1; id <= 3; id++ {
		do(t, conn, fmt.Sprintf("INSERT INTO things (id) VALUES (%d)", id))
		n.terminate(t, router.Target, n.waiting(t))
		n.settled(t)
		if keys, whole := n.journal.dirty(); keys["public.things"] != id || len(whole) > 0 {
			t.Errorf("after %d: dirty %v, %v", id, keys, whole)
		}
		n.mends(t)
	}
	open()
	do(t, conn, "INSERT INTO things (id) VALUES (4)")
	n.settled(t)
	if got := n.rows(t, router.Target, "SELECT id FROM things"); len(got) != 1 || got[0] != "4|" {
		t.Errorf("the target has %v", got)
	}
}

// What comes behind a COMMIT that the target has not answered is sent with it.
func TestACommitBehindOneThatTheTargetDoesNotTake(t *testing.T) {
	for _, test := range []struct {
		name  string
		ends  bool // the target's backend, and with it both
		dirty int
		has   string
	}{{"it is refused", false, 1, "[10| 11|]"}, {"it is lost", true, 2, "[11|]"}} {
		t.Run(test.name, func(t *testing.T) {
			n, open := newEarly(t, func(o *Options) {
				o.Mirror.Linger = time.Minute
				if !test.ends {
					o.Mirror.LockTimeout = 300 * time.Millisecond
				}
			})
			defer open()
			conn := n.client(t)
			do(t, conn, "INSERT INTO things (id) VALUES (1)")
			pid := n.waiting(t)
			next := begun(t, conn, "INSERT INTO things (id) VALUES (10)")
			if test.ends {
				eventually(t, "its intent is written", func() bool { return n.journal.intents() == 2 })
				n.terminate(t, router.Target, pid)
			}
			if err := <-next; err != nil {
				t.Error(err)
			}
			n.mends(t)
			do(t, conn, "INSERT INTO things (id) VALUES (11)")
			if left := n.rows(t, router.Target, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", pid)); !test.ends && left[0] != "1|" {
				t.Error("a refusal has cost the leg")
			}
			if err := conn.Close(t.Context()); err != nil {
				t.Error(err)
			}
			n.settled(t)
			if keys, whole := n.journal.dirty(); keys["public.things"] != test.dirty || len(whole) > 0 {
				t.Errorf("dirty %v, %v", keys, whole)
			}
			if got := fmt.Sprint(n.rows(t, router.Target, "SELECT id FROM things ORDER BY id")); got != test.has {
				t.Errorf("the target has %v", got)
			}
		})
	}
}

func TestASessionThatEndsBeforeTheTargetHasCommitted(t *testing.T) {
	n, open := newEarly(t, nil)
	conn := n.client(t)
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	n.waiting(t)
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open()
	n.settled(t)
	n.clean(t)
	n.equal(t, "things")
}

func TestASessionThatIsMovedBeforeTheTargetHasCommitted(t *testing.T) {
	for name, opens := range map[string]bool{"in time": true, "not in time": false} {
		t.Run(name, func(t *testing.T) {
			n, open := newEarly(t, nil)
			n.change(func(p *router.Snapshot) { p.Phase, p.Share = router.Canary, router.Whole })
			conn := n.client(t)
			do(t, conn, "INSERT INTO things (id) VALUES (1)")
			n.waiting(t)
			read := make(chan int, 1)
			go func() {
				var got int
				_ = conn.QueryRow(t.Context(), "SELECT count(*)::int FROM things").Scan(&got)
				read <- got
			}()
			if opens {
				open()
			}
			if got := <-read; got != 1 {
				t.Errorf("the session sees %d of its rows", got)
			}
			if !opens {
				open()
			}
			n.settled(t)
			n.clean(t)
			n.equal(t, "things")
		})
	}
}
