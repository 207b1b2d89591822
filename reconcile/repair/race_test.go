package repair

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

const plain = "CREATE TABLE t (id int PRIMARY KEY, v int)"

// strict has a column that no placeholder can be given.
const strict = "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL)"

const whole = "SELECT coalesce(string_agg(t::text, ' ' ORDER BY id), '') FROM t"

func TestARowThatTheTargetLacksIsBroughtAndLookedAtAgain(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.one(Wrote)
	f.same(whole)
	f.one(Equal)
	f.clean()
	if len(f.found) != 2 || f.found[0].Kind != Missing || f.found[0].State != Repaired || f.found[1].State != Verified {
		t.Errorf("divergences are %+v", f.found)
	}
}

func TestRepairComparesBeforeItWrites(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.both("INSERT INTO t VALUES (1, 10)")
	before := f.value(router.Target, "SELECT xmin FROM t")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.one(Equal)
	f.expect(router.Target, "SELECT xmin FROM t", before)
	f.clean()
}

// Race 1: the source changes between the read and the write.
func TestTheSourcesRowIsLockedUntilTheTargetHasIt(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.both("INSERT INTO t VALUES (1, 10)")
	f.super(router.Source, "UPDATE t SET v = 20")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	client := f.person(router.Source)
	var done <-chan error
	f.at(failpoint.RepairWritten, func() {
		done = client.later("UPDATE t SET v = 30")
		client.waiting(router.Source, "Lock")
	})
	f.one(Wrote)
	f.must(<-done)
	f.expect(router.Target, "SELECT v FROM t", "20")
	f.expect(router.Source, "SELECT v FROM t", "30")
}

func TestAFrozenWorkerNeitherHoldsTheSourceNorWritesWhatItReadThere(t *testing.T) {
	f := newField(t, setup{both: plain, lock: 25 * time.Millisecond})
	f.both("INSERT INTO t VALUES (1, 10)")
	f.super(router.Source, "UPDATE t SET v = 20")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	client := f.person(router.Source)
	pid := f.hand.a().pg.PID()
	f.at(failpoint.RepairWritten, func() {
		// The source ends the worker's transaction, and the client goes on.
		f.must(<-client.later("UPDATE t SET v = 30"))
		f.until(router.Source, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", pid), "0")
	})
	f.one(Busy)
	f.expect(router.Target, "SELECT v FROM t", "10")
	f.inTheEnd(Wrote)
	f.expect(router.Target, "SELECT v FROM t", "30")
}

func TestTheServersThemselvesBoundTheWorker(t *testing.T) {
	f := newField(t, setup{both: plain, lock: 25 * time.Millisecond})
	answers, err := f.hand.a().flight(t.Context(), append(f.hand.lockTexts(f.hand.shapes.of(f.plan, "public.t")),
		query{sql: "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"},
		query{sql: "ROLLBACK"})...)
	f.must(err)
	row := answers[len(answers)-2].rows[0]
	if got := fmt.Sprintf("%s %s %s", row[0], row[1], row[2]); got != "25ms 50ms 100ms" {
		t.Errorf("the source's lock, statement and idle timeouts are %s", got)
	}
	_, err = f.hand.begin(t.Context(), f.hand.shapes.of(f.plan, "public.t"), false)
	f.must(err)
	answers, err = f.hand.s().flight(t.Context(),
		query{sql: "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"})
	f.must(err)
	row = answers[0].rows[0]
	if got := fmt.Sprintf("%s %s %s", row[0], row[1], row[2]); got != "25ms 100ms 1s" {
		t.Errorf("the target's lock, statement and idle timeouts are %s", got)
	}
	f.must(f.hand.release(t.Context()))
}

func TestALockedRowIsLeftForLater(t *testing.T) {
	for _, side := range []router.Side{router.Source, router.Target} {
		t.Run(side.String(), func(t *testing.T) {
			f := newField(t, setup{both: plain, lock: 25 * time.Millisecond})
			f.both("INSERT INTO t VALUES (1, 10)")
			f.super(router.Source, "UPDATE t SET v = 20")
			f.dirty("public.t", "", shadow.CauseRequested, key(1))
			other := f.person(side)
			other.do("BEGIN", "UPDATE t SET v = v WHERE id = 1")
			f.one(Busy)
			other.do("ROLLBACK")
			f.inTheEnd(Wrote)
			f.same(whole)
		})
	}
}

// WRITEPATH §6: the mirror of T1 has failed early, its mark is durable, the
// client keeps T1 open.
func TestAMarkWaitsForItsTransaction(t *testing.T) {
	f := newField(t, setup{both: plain})
	client := f.person(router.Source)
	client.do("BEGIN", "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", client.ask("SELECT txid_current()"), shadow.CauseFailed, key(1))
	f.one(InFlight)
	client.do("COMMIT")
	f.one(Wrote)
	f.same(whole)
}

// WRITEPATH §6: the reply to COMMIT is lost while the source waits for its
// standby: committed, and not visible.
func TestAMarkWaitsForAStalledCommit(t *testing.T) {
	f := newField(t, setup{both: plain})
	client := f.person(router.Source)
	client.do("SET synchronous_commit = on", "BEGIN", "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", client.ask("SELECT txid_current()"), shadow.CauseLost, key(1))
	done := client.later("COMMIT")
	f.until(router.Source, fmt.Sprintf("SELECT wait_event FROM pg_stat_activity WHERE pid = %d", client.conn.PID()), "SyncRep")
	f.one(InFlight)
	f.expect(router.Source, "SELECT count(*) FROM t", "0")
	f.super(router.Source, fmt.Sprintf("SELECT pg_cancel_backend(%d)", client.conn.PID()))
	f.must(<-done)
	f.one(Wrote)
	f.same(whole)
}

func TestAMarkWaitsForAPreparedTransaction(t *testing.T) {
	f := newField(t, setup{both: plain})
	client := f.person(router.Source)
	client.do("BEGIN", "INSERT INTO t VALUES (1, 10)")
	id := client.ask("SELECT txid_current()")
	client.do("PREPARE TRANSACTION 'one'")
	f.dirty("public.t", id, shadow.CauseLost, key(1))
	f.one(InFlight)
	f.hand.a().life = "another"
	f.one(InFlight)
	client.do("COMMIT PREPARED 'one'")
	f.one(Wrote)
	f.same(whole)
}

func TestMarksOfFormerLivesAreOver(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 10)")
	for name, in := range map[string]shadow.Intent{
		"a number that was never given out": {TxID: 1<<40 | 5000, Incarnation: f.life},
		"another incarnation":               {TxID: 1 << 40, Incarnation: "another"},
		"a number too old to be known":      {TxID: 3, Incarnation: f.life},
	} {
		in.Tables = []shadow.TableKeys{{Table: "public.t", Keys: nil}}
		over, err := f.hand.over(t.Context(), reconcile.Mark{TxID: in.TxID, Incarnation: in.Incarnation, Until: reconcile.Transaction})
		if err != nil || !over {
			t.Errorf("%s: over is %v, %v", name, over, err)
		}
	}
}

func TestAMarkWithoutATransactionWaitsForAllThatRun(t *testing.T) {
	f := newField(t, setup{both: plain})
	client := f.person(router.Source)
	client.do("BEGIN", "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", "", shadow.CauseUncaptured, key(1))
	f.one(InFlight)
	f.one(InFlight)
	client.do("COMMIT")
	f.one(Wrote)
	f.same(whole)
}

// Race 2: the key is absent on the source.
func TestARowThatOnlyTheTargetHasIsDeleted(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Target, "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.one(Wrote)
	f.same(whole)
	if len(f.found) != 1 || f.found[0].Kind != Extra {
		t.Errorf("divergences are %+v", f.found)
	}
}

func TestARowThatComesBackWhileItIsDeletedStays(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Target, "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.at(failpoint.RepairWritten, func() {
		// Deleted and inserted again, identical: nothing on the target tells.
		f.super(router.Source, "INSERT INTO t VALUES (1, 10)")
	})
	f.one(Equal)
	f.same(whole)
	f.clean()
}

// WRITEPATH §6: the other side's COMMIT is sent and late, the key is deleted on
// the source alone, the worker compares absent with absent.
func TestARowThatAnotherSessionHasYetToCommitIsWaitedFor(t *testing.T) {
	for name, table := range map[string]string{"by a placeholder": plain, "by its writer's end": strict} {
		t.Run(name, func(t *testing.T) {
			f := newField(t, setup{both: table})
			late := f.writer()
			late.do("INSERT INTO t VALUES (1, 10)")
			f.dirty("public.t", "", shadow.CauseRequested, key(1))
			f.at(failpoint.RepairLocked, func() {
				f.hand.hook = func(string) { t.Error("something was committed") }
			})
			f.hand.opt.LockMost = 25 * time.Millisecond
			f.one(Unproven)
			f.hand.hook = nil
			late.do("COMMIT")
			f.expect(router.Target, "SELECT count(*) FROM t", "1")
			f.turn()
			f.expect(router.Target, "SELECT count(*) FROM t", "0")
			f.turn()
			f.clean()
		})
	}
}

// A writer that ends while the worker waits is looked at once more.
func TestTheOrphanOfAWriterThatEndsMeanwhileIsDeleted(t *testing.T) {
	f := newField(t, setup{both: strict})
	late := f.writer()
	late.do("INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.hand.hook = func(point string) {
		if point != failpoint.RepairLocked {
			return
		}
		f.hand.hook = nil
		go func() { // it commits once the worker asks for its end and holds nothing itself
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			<-tick.C
			_, _ = late.conn.Exec(t.Context(), "COMMIT").ReadAll()
		}()
	}
	f.one(Wrote)
	f.expect(router.Target, "SELECT count(*) FROM t", "0")
}

func TestAWriterThatHidesNothingDoesNotKeepAKeyDirty(t *testing.T) {
	f := newField(t, setup{both: plain})
	other := f.writer()
	other.do("INSERT INTO t VALUES (2, 20)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.one(Equal)
	f.clean()
	other.do("COMMIT")
	f.expect(router.Target, "SELECT string_agg(id::text, ' ') FROM t", "2")
}

// Race 5: a crash anywhere.
func TestALostConnectionAtAnyPointLosesNothing(t *testing.T) {
	for _, point := range []string{failpoint.RepairLocked, failpoint.RepairWritten, failpoint.RepairCommitted} {
		for _, side := range []router.Side{router.Source, router.Target} {
			t.Run(point+" "+side.String(), func(t *testing.T) {
				f := newField(t, setup{both: plain})
				f.both("INSERT INTO t VALUES (1, 10)")
				f.super(router.Source, "UPDATE t SET v = 20")
				f.dirty("public.t", "", shadow.CauseRequested, key(1))
				pid := f.hand.links[side].pg.PID()
				f.at(point, func() {
					f.super(side, fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
					f.until(side, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", pid), "0")
				})
				for _, o := range f.turn() {
					if o.done() && point != failpoint.RepairCommitted {
						t.Errorf("the outcome is %s", o)
					}
				}
				if n := f.ledger.Counts("public.t").Keys; n != 1 {
					t.Fatalf("%d keys are dirty", n)
				}
				for f.anyDirty() {
					f.turn()
				}
				f.same(whole)
			})
		}
	}
}

// Race 6: the authority changes while a repair is under way.
func TestAStaleEpochWritesNothing(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.at(failpoint.RepairLocked, func() {
		f.must(Install(t.Context(), f.dial(router.Target, "service"), Fence{Epoch: 2, Side: router.Source, Instance: "two"}))
	})
	k := f.ledger.TakeKeys(1, nil)[0]
	_, err := f.hand.repairKey(t.Context(), k)
	if !errors.Is(err, ErrStale) {
		t.Errorf("the error is %v", err)
	}
	f.ledger.Release(k)
	f.expect(router.Target, "SELECT count(*) FROM t", "0")
}

func TestAnAuthorityChangeWaitsForARepairUnderWay(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 10)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	control := f.person(router.Target)
	done := make(chan error, 1)
	f.at(failpoint.RepairWritten, func() {
		go func() {
			done <- Install(t.Context(), control.conn, Fence{Epoch: 2, Side: router.Source, Instance: "two"})
		}()
		control.waiting(router.Target, "Lock")
	})
	f.one(Wrote)
	f.must(<-done)
	f.same(whole)
}

// Race 7: what a repair does must not come back by a capture of the source.
func TestRepairChangesNothingAtTheSource(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t SELECT n, n FROM generate_series(1, 50) n")
	f.super(router.Target, "INSERT INTO t SELECT n, 0 FROM generate_series(40, 60) n")
	const rows = "SELECT string_agg(xmin || ' ' || ctid || ' ' || id, ',' ORDER BY id) FROM t"
	before := f.value(router.Source, rows)
	f.super(router.Source, "SELECT pg_create_logical_replication_slot('slot', 'test_decoding')")
	f.must(f.ledger.MarkRange("public.t", "", "", shadow.Intent{Epoch: 1}, shadow.CauseRequested))
	f.drain()
	f.same(whole)
	f.expect(router.Source, rows, before)
	f.expect(router.Source, "SELECT count(*) FROM pg_logical_slot_get_changes('slot', NULL, NULL) WHERE data NOT LIKE 'BEGIN%' AND data NOT LIKE 'COMMIT%'", "0")
	f.super(router.Source, "SELECT pg_drop_replication_slot('slot')")
}

// Race 8: a row that the target changes back each time.
func TestARowThatDiffersAgainAndAgainIsGivenUp(t *testing.T) {
	f := newField(t, setup{both: plain, target: `CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.v := -1; RETURN NEW; END$$;
		CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamp()`})
	f.super(router.Source, "INSERT INTO t VALUES (1, 10)")
	flaps := 0
	f.hand.opt.Observe.Flap = func(string) { flaps++ }
	f.dirty("public.t", "", shadow.CauseFailed, key(1))
	f.one(InFlight) // the mark has no transaction
	for range 5 {
		f.one(Wrote)
	}
	if flaps == 0 {
		t.Fatal("nobody was told")
	}
	if !f.hand.worker.skip("public.t", key(1)) || f.hand.worker.Status().Flapping != 1 {
		t.Error("the key is not left alone")
	}
	if f.ledger.Counts("public.t").Keys != 1 {
		t.Error("the key is not dirty any more")
	}
	f.hand.worker.Resume()
	if f.hand.worker.skip("public.t", key(1)) {
		t.Error("the key is left alone after Resume")
	}
}
