package proxy

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

func TestMirrorASourceThatEndsTheBackend(t *testing.T) {
	slow := append(things, "CREATE TABLE slow (i int)", "CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'",
		"CREATE CONSTRAINT TRIGGER sleeps AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sleeps()")
	for _, committing := range []bool{false, true} {
		t.Run(fmt.Sprint("committing ", committing), func(t *testing.T) {
			n := newMirrored(t, slow, slow, nil, nil)
			conn := n.client(t)
			do(t, conn, "BEGIN")
			do(t, conn, "INSERT INTO things (id) VALUES (1)")
			pid := one[int](t, conn, "SELECT pg_backend_pid()")
			done := make(chan error, 1)
			if committing {
				do(t, conn, "INSERT INTO slow VALUES (1)")
				go func() {
					_, err := conn.Exec(context.Background(), "COMMIT")
					done <- err
				}()
				eventually(t, "the source commits", func() bool {
					return n.rows(t, router.Source, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event = 'PgSleep'", pid))[0] == "1|"
				})
			} else {
				close(done)
			}
			do(t, n.direct[router.Source], fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
			if err := <-done; committing && err == nil {
				t.Error("COMMIT was answered")
			}
			if !committing {
				_, err := conn.Exec(t.Context(), "COMMIT")
				var refused *pgconn.PgError
				if !errors.As(err, &refused) && !conn.IsClosed() {
					t.Errorf("%v", err)
				}
			}
			eventually(t, "the target's transaction is gone", func() bool {
				return n.rows(t, router.Target, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'")[0] == "0|"
			})
			if got := n.rows(t, router.Target, "SELECT id FROM things"); len(got) != 0 {
				t.Errorf("the target has %v", got)
			}
			n.settled(t)
			got := n.journal.outcomes("public.things")
			if committing && len(got) != 1 || len(got) > 0 && got[0] != shadow.Uncertain {
				t.Errorf("outcomes %v", got)
			}
		})
	}
}

func TestMirrorAClientThatGoesAway(t *testing.T) {
	n := newMirrored(t, things, things, nil, nil)
	for _, how := range []string{"in a transaction", "in a statement"} {
		conn := n.client(t)
		do(t, conn, "BEGIN")
		do(t, conn, "INSERT INTO things (id) VALUES (1)")
		if how == "in a statement" {
			conn.PgConn().Frontend().SendQuery(&pgproto3.Query{String: "SELECT pg_sleep(0.2)"})
			if err := conn.PgConn().Frontend().Flush(); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.PgConn().Conn().Close()
		for side := range router.Side(router.Sides) {
			eventually(t, "the transaction is gone", func() bool {
				return n.rows(t, side, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'")[0] == "0|"
			})
			if got := n.rows(t, side, "SELECT id FROM things"); len(got) != 0 {
				t.Errorf("%s: the %s has %v", how, side, got)
			}
		}
	}
	n.clean(t)
}

func TestMirrorACancelledWrite(t *testing.T) {
	n := newMirrored(t, things, things, nil, nil)
	conn := n.client(t)
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	holder := n.direct[router.Source]
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		do(t, holder, "BEGIN")
		do(t, holder, "SELECT FROM things WHERE id = 1 FOR UPDATE")
		done := make(chan error, 1)
		go func() {
			_, err := conn.Exec(context.Background(), "UPDATE things SET name = 'x' WHERE id = 1", mode)
			done <- err
		}()
		eventually(t, "the write waits", func() bool {
			return n.rows(t, router.Source, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")[0] == "1|"
		})
		if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; code(err) != "57014" {
			t.Errorf("%v", err)
		}
		do(t, holder, "ROLLBACK")
		do(t, conn, "UPDATE things SET name = 'y' WHERE id = 1")
	}
	n.equal(t, "things")
	n.clean(t)
}

func TestMirrorADrainInATransaction(t *testing.T) {
	n := newMirrored(t, things, things, nil, nil)
	conn := n.client(t)
	do(t, conn, "BEGIN")
	do(t, conn, "INSERT INTO things (id) VALUES (1)")
	n.stop()
	do(t, conn, "INSERT INTO things (id) VALUES (2)")
	do(t, conn, "COMMIT")
	n.written(t, 1)
	n.written(t, 2)
	n.clean(t)
	<-n.done
}
