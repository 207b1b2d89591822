package proxy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// short is a budget that a test can wait for.
func short(o *Options) {
	o.Mirror.Budget, o.Mirror.LockTimeout = 300*time.Millisecond, 100*time.Millisecond
}

// outcomes are the outcomes of all intents with keys of a table, in order.
func (l *ledger) outcomes(table string) (all []shadow.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.all {
		for _, k := range i.Tables {
			if k.Table == table && len(k.Keys) > 0 {
				all = append(all, i.outcome)
			}
		}
	}
	return all
}

func (l *ledger) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuses = err
}

// mends waits until the target is served again.
func (n *mirrored) mends(t testing.TB) {
	t.Helper()
	eventually(t, "the breaker closes", func() bool { return n.policy.Load().Target == router.TargetOpen })
}

// terminate ends a session's process, and waits until its sockets are closed.
func (n *mirrored) terminate(t testing.TB, side router.Side, pid int) {
	t.Helper()
	do(t, n.direct[side], fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
	eventually(t, "the backend is gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

// backend is the process of the mirror's leg at the target.
func (n *mirrored) backend(t testing.TB) int {
	t.Helper()
	pid, err := pair.Target.Query(t.Context(), n.database, fmt.Sprintf("SELECT pid FROM pg_stat_activity WHERE datname = '%s' AND backend_type = 'client backend' AND pid NOT IN (%d, pg_backend_pid())",
		n.database, n.direct[router.Target].PgConn().PID()))
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// written says that the key is on both sides, or dirty.
func (n *mirrored) written(t testing.TB, id int) {
	t.Helper()
	sql := fmt.Sprintf("SELECT name FROM things WHERE id = %d", id)
	source, target := n.rows(t, router.Source, sql), n.rows(t, router.Target, sql)
	if len(source) == 0 {
		t.Errorf("row %d is not at the source", id)
	}
	if fmt.Sprint(source) != fmt.Sprint(target) {
		t.Errorf("row %d is %v at the source and %v at the target", id, source, target)
	}
}

func TestMirrorATargetRowThatIsLocked(t *testing.T) {
	for _, inside := range []bool{false, true} {
		n := newMirrored(t, things, things, nil, short)
		conn := n.client(t)
		do(t, conn, "INSERT INTO things (id) VALUES (1), (2)")
		holder := n.direct[router.Target]
		do(t, holder, "BEGIN")
		do(t, holder, "SELECT FROM things WHERE id = 1 FOR UPDATE")
		began := time.Now()
		if inside {
			do(t, conn, "BEGIN")
		}
		do(t, conn, "UPDATE things SET name = 'x' WHERE id = 1")
		if inside {
			do(t, conn, "COMMIT")
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("a client waited %v for a lock of the target", took)
		}
		if keys, whole := n.journal.dirty(); keys["public.things"] != 1 || len(whole) > 0 {
			t.Errorf("dirty: %v, %v", keys, whole)
		}
		n.mends(t)
		do(t, conn, "UPDATE things SET name = 'y' WHERE id = 2")
		n.written(t, 2)
		do(t, holder, "ROLLBACK")
		do(t, conn, "UPDATE things SET name = 'z' WHERE id = 1")
		n.written(t, 1)
	}
}

// TestMirrorALockThatGoesInTime: a lock that is gone within the budget costs nothing.
func TestMirrorALockThatGoesInTime(t *testing.T) {
	n := newMirrored(t, things, things, nil, func(o *Options) { o.Mirror.LockTimeout = 50 * time.Millisecond })
	conn := n.client(t)
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	holder := n.direct[router.Target]
	do(t, holder, "BEGIN")
	do(t, holder, "SELECT FROM things WHERE id = 1 FOR UPDATE")
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "UPDATE things SET name = 'x' WHERE id = 1")
		done <- err
	}()
	eventually(t, "the target has refused twice", func() bool { // two lock timeouts
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.refused) >= 2
	})
	do(t, holder, "ROLLBACK")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	n.written(t, 1)
	n.clean(t)
}

func TestMirrorAConstraintThatOnlyTheTargetHas(t *testing.T) {
	target := []string{"CREATE TABLE things (id int PRIMARY KEY, name text CHECK (name <> 'bad'), n numeric, at timestamptz DEFAULT now(), tags text[])"}
	n := newMirrored(t, things, target, nil, short)
	conn := n.client(t)
	do(t, conn, "INSERT INTO things (id, name) VALUES (1, 'bad')")
	do(t, conn, "BEGIN")
	do(t, conn, "INSERT INTO things (id, name) VALUES (2, 'good')")
	do(t, conn, "SAVEPOINT a")
	do(t, conn, "INSERT INTO things (id, name) VALUES (3, 'bad')")
	do(t, conn, "ROLLBACK TO a")
	do(t, conn, "INSERT INTO things (id, name) VALUES (4, 'good')")
	do(t, conn, "COMMIT")
	do(t, conn, "BEGIN")
	do(t, conn, "INSERT INTO things (id, name) VALUES (5, 'bad')")
	do(t, conn, "INSERT INTO things (id, name) VALUES (6, 'good')")
	do(t, conn, "COMMIT")
	do(t, conn, "INSERT INTO things (id, name) VALUES (7, 'good')")
	n.settled(t)
	for _, id := range []int{7} {
		n.written(t, id)
	}
	got := n.rows(t, router.Target, "SELECT id FROM things ORDER BY 1")
	if fmt.Sprint(got) != "[7|]" && fmt.Sprint(got) != "[2| 4| 7|]" {
		t.Errorf("the target has %v", got)
	}
	keys, _ := n.journal.dirty()
	if want := 7 - len(got); keys["public.things"] < want-1 {
		t.Errorf("dirty: %v", keys)
	}
	if rows := n.rows(t, router.Source, "SELECT id FROM things"); len(rows) != 6 {
		t.Errorf("the source has %v", rows)
	}
	if n.policy.Load().Target != router.TargetOpen {
		t.Error("one row that is refused has opened the breaker")
	}
}

func TestMirrorATargetThatEndsItsBackend(t *testing.T) {
	for _, point := range []string{"between transactions", "before the statement", "before COMMIT", "before ROLLBACK", "before a savepoint"} {
		t.Run(point, func(t *testing.T) {
			n := newMirrored(t, things, things, nil, short)
			conn := n.client(t)
			do(t, conn, "INSERT INTO things (id) VALUES (1)")
			end := func(at string) {
				if at == point {
					n.terminate(t, router.Target, n.backend(t))
				}
			}
			end("between transactions")
			do(t, conn, "BEGIN")
			do(t, conn, "INSERT INTO things (id) VALUES (2)")
			end("before the statement")
			do(t, conn, "UPDATE things SET name = 'x' WHERE id = 1")
			end("before a savepoint")
			do(t, conn, "SAVEPOINT a")
			do(t, conn, "INSERT INTO things (id) VALUES (3)")
			end("before COMMIT")
			end("before ROLLBACK")
			last := "COMMIT"
			if point == "before ROLLBACK" {
				last = "ROLLBACK"
			}
			do(t, conn, last)
			n.mends(t)
			do(t, conn, "INSERT INTO things (id) VALUES (4)")
			n.settled(t)
			n.written(t, 4)
			keys, whole := n.journal.dirty()
			if len(whole) > 0 || last == "COMMIT" && point != "between transactions" && keys["public.things"] != 3 || last == "ROLLBACK" && keys["public.things"] != 0 {
				t.Errorf("dirty: %v, %v", keys, whole)
			}
		})
	}
}

func TestMirrorATargetThatHangs(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(fmt.Sprint("inside ", inside), func(t *testing.T) {
			n := newMirrored(t, things, things, nil, short)
			conn := n.client(t)
			do(t, conn, "INSERT INTO things (id) VALUES (1)")
			if inside {
				do(t, conn, "BEGIN")
				do(t, conn, "UPDATE things SET name = 'a' WHERE id = 1")
			}
			pid := n.backend(t)
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			stopped := true
			goOn := func() {
				if stopped {
					stopped = false
					if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
						t.Error(err)
					}
				}
			}
			defer goOn()
			began := time.Now()
			do(t, conn, "UPDATE things SET name = 'b' WHERE id = 1")
			if inside {
				do(t, conn, "COMMIT")
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("a client waited %v for a target that hangs, the budget is 300 ms", took)
			}
			if keys, whole := n.journal.dirty(); keys["public.things"] != 1 || len(whole) > 0 {
				t.Errorf("dirty: %v, %v", keys, whole)
			}
			began = time.Now()
			for i := range 5 {
				do(t, conn, fmt.Sprintf("INSERT INTO things (id) VALUES (%d)", 100+i))
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("five more writes waited %v", took)
			}
			goOn()
			n.mends(t)
			do(t, conn, "INSERT INTO things (id) VALUES (4)")
			n.written(t, 4)
			n.settled(t)
		})
	}
}

// TestMirrorATargetThatDoesNotAnswerDials: the whole server hangs, and a
// session has no leg there yet.
func TestMirrorATargetThatDoesNotAnswerDials(t *testing.T) {
	n := newMirrored(t, things, things, nil, short)
	conn := n.client(t)
	if err := syscall.Kill(pair.Target.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := conn.Exec(t.Context(), "INSERT INTO things (id) VALUES (1)")
	took := time.Since(began)
	if err := syscall.Kill(pair.Target.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err != nil || took > 2*time.Second {
		t.Errorf("%v after %v, the budget is 300 ms", err, took)
	}
	if keys, _ := n.journal.dirty(); keys["public.things"] != 1 {
		t.Errorf("dirty: %v", keys)
	}
}

// changesTheAuthority takes the lock that a change of the authority holds.
var changesTheAuthority = fmt.Sprintf("SELECT pg_advisory_lock(%d)", shadow.FenceKey)

func TestMirrorAnotherEpoch(t *testing.T) {
	for _, change := range []string{"UPDATE crossfade.epoch SET epoch = 2", "UPDATE crossfade.epoch SET side = 'target'", "DELETE FROM crossfade.epoch", "DROP TABLE crossfade.epoch", changesTheAuthority} {
		t.Run(change, func(t *testing.T) {
			fenced := make(chan struct{}, 100)
			n := newMirrored(t, things, things, nil, func(o *Options) { o.Mirror.Observer.Fenced = func() { fenced <- struct{}{} } })
			conn := n.client(t)
			do(t, conn, "INSERT INTO things (id) VALUES (1)")
			do(t, conn, "BEGIN")
			do(t, conn, "SELECT 1")
			do(t, n.direct[router.Target], change)
			do(t, conn, "INSERT INTO things (id) VALUES (2)")
			do(t, conn, "INSERT INTO things (id) VALUES (3)")
			do(t, conn, "COMMIT")
			if got := n.rows(t, router.Target, "SELECT id FROM things"); len(got) != 1 {
				t.Errorf("a writer of an older epoch has written: %v", got)
			}
			if keys, _ := n.journal.dirty(); keys["public.things"] != 2 {
				t.Errorf("dirty: %v", keys)
			}
			if len(fenced) == 0 {
				t.Error("nobody was told of the fence")
			}
		})
	}
}

func TestMirrorAJournalThatRefuses(t *testing.T) {
	n := newTwin(t, things, nil)
	speaker := speakTo(t, n.addr, map[string]string{"database": n.database})
	insert := func(id string) []say {
		return []say{parsed("INSERT INTO things (id) VALUES ($1)"), bindTo("", id), execute}
	}
	n.journal.refuse(errors.New("disk full"))
	words := func(says ...say) []string { return codesOf(speaker.exact(t, says...)) }
	for _, c := range []struct {
		name string
		says []say
		want string
	}{
		{"a simple query", []say{query("INSERT INTO things (id) VALUES (1)")}, "[E 58030 Z I]"},
		{"an extended one", append(insert("2"), syncUp), "[1 2 C E 58030 Z I]"},
		{"several in one text", []say{query("INSERT INTO things (id) VALUES (3); SELECT 1")}, "[* E 58030 Z I]"},
		{"BEGIN", []say{query("BEGIN")}, "[C Z T]"},
		{"inside", []say{query("INSERT INTO things (id) VALUES (4)")}, "[C Z T]"},
		{"COMMIT", []say{query("COMMIT")}, "[E 58030 Z *]"},
		{"ROLLBACK", []say{query("ROLLBACK")}, "*"},
		{"a pipeline with COMMIT", append(append(append([]say{parsed("BEGIN"), bind, execute}, insert("5")...), parsed("COMMIT"), bind, execute), append(insert("6"), syncUp)...), "[1 2 C 1 2 C 1 2 E 58030 Z *]"},
		{"after it", []say{query("ROLLBACK")}, "*"},
		{"a read", []say{query("SELECT 1")}, "[T D C Z I]"},
		{"a copy", []say{query("COPY things (id) FROM STDIN"), data("7\n"), done}, "*"},
	} {
		got := fmt.Sprint(words(c.says...))
		if !matches(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if c.name == "a pipeline with COMMIT" {
			speaker.exact(t, query("SELECT 'still in step'"))
		}
	}
	for side := range router.Side(router.Sides) {
		if got := n.rows(t, side, "SELECT id FROM things"); len(got) != 0 {
			t.Errorf("the %s has %v", side, got)
		}
	}
	n.journal.refuse(nil)
	if got := fmt.Sprint(words(query("INSERT INTO things (id) VALUES (8)"))); got != "[C Z I]" {
		t.Error(got)
	}
	n.written(t, 8)
}

// codesOf shortens words to their types, and the codes of errors.
func codesOf(words []string) (short []string) {
	for _, w := range words {
		switch w[0] {
		case 'E':
			short = append(short, "E "+w[len("E ERROR "):][:5])
		case 'Z', 'n':
			short = append(short, w)
		default:
			short = append(short, w[:1])
		}
	}
	return short
}

// matches compares with a pattern in which * is anything.
func matches(s, pattern string) bool {
	for i := range pattern {
		if pattern[i] == '*' {
			if i == len(pattern)-1 {
				return true
			}
			for j := i; j <= len(s); j++ {
				if matches(s[j:], pattern[i+1:]) {
					return true
				}
			}
			return false
		}
		if i >= len(s) || s[i] != pattern[i] {
			return false
		}
	}
	return len(s) == len(pattern)
}

func TestMirrorAStrictTable(t *testing.T) {
	target := []string{"CREATE TABLE things (id int PRIMARY KEY, name text CHECK (name <> 'bad'), n numeric, at timestamptz DEFAULT now(), tags text[])", "CREATE TABLE lax (id int PRIMARY KEY)"}
	n := newMirrored(t, append(things, "CREATE TABLE lax (id int PRIMARY KEY)"), target, nil, short)
	for _, p := range n.mapped.Load().Plan.Pairs {
		p.Strict = p.Name() == "public.things"
	}
	conn := n.client(t)
	do(t, conn, "INSERT INTO things (id, name) VALUES (1, 'good')")
	if _, err := conn.Exec(t.Context(), "INSERT INTO things (id, name) VALUES (2, 'bad')"); code(err) != "40001" {
		t.Errorf("%v", err)
	}
	do(t, conn, "BEGIN")
	do(t, conn, "INSERT INTO lax VALUES (1)")
	do(t, conn, "INSERT INTO things (id, name) VALUES (3, 'bad')")
	if _, err := conn.Exec(t.Context(), "COMMIT"); code(err) != "40001" {
		t.Errorf("%v", err)
	}
	_, _ = conn.Exec(t.Context(), "ROLLBACK")
	do(t, conn, "INSERT INTO things (id, name) VALUES (4, 'good')")
	n.equal(t, "things", "lax")
	n.clean(t)
	if got := n.rows(t, router.Source, "SELECT id FROM things ORDER BY 1"); fmt.Sprint(got) != "[1| 4|]" {
		t.Errorf("the source has %v", got)
	}
	n.change(func(p *router.Snapshot) { p.Off = true })
	if _, err := conn.Exec(t.Context(), "INSERT INTO things (id, name) VALUES (5, 'good')"); code(err) != "40001" {
		t.Errorf("while mirroring is off: %v", err)
	}
}
