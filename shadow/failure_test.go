package shadow

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/rewrite"
)

// watched is a journal that notes also when an intent is waited for.
type watched struct {
	*fakeJournal
	intents []*Intent
}

type watchedTicket struct{ fakeTicket }

func (t watchedTicket) Wait() error {
	*t.j.log = append(*t.j.log, "durable "+spell(t.in))
	return t.fakeTicket.Wait()
}

func (w *watched) Intend(in *Intent) Ticket {
	w.intents = append(w.intents, in)
	ticket, _ := w.fakeJournal.Intend(in).(fakeTicket)
	return watchedTicket{ticket}
}

func (w *watched) Settle(t Ticket, o Outcome, why Cause) {
	w.fakeJournal.Settle(t.(watchedTicket).fakeTicket, o, why)
}

func watch(f *field) *watched {
	w := &watched{fakeJournal: f.journal}
	f.opt.Journal = w
	return w
}

func (f *field) said() string { return strings.Join(f.log, "; ") }

var errBroken = errors.New("broken")

func TestTheAuthorityCommitsBetweenTheJournalAndTheOtherSide(t *testing.T) {
	a := table("a")
	const before = "open; apply 0 1; intend s.a:1; intend s.b:all; durable s.a:1; durable s.b:all; await; "
	for _, test := range []struct {
		name   string
		errs   map[string][]error
		how    Ending
		want   Outcome
		ending string
	}{
		{"all is well", nil, Committed, Both, "authority commits; commit; later; committed; settle s.a:1 both; settle s.b:all authority uncaptured"},
		{"it cannot be asked to commit", map[string][]error{"commit": {errBroken}}, Committed, Authority, "authority commits; commit; later; settle s.a:1 authority failed; settle s.b:all authority uncaptured"},
		{"it does not say that it has", map[string][]error{"committed": {ErrRefused{CauseBudget}}}, Committed, Authority, "authority commits; commit; later; committed; settle s.a:1 authority budget; settle s.b:all authority uncaptured"},
		{"the authority rolls back", nil, RolledBack, Neither, "authority rolls back; rollback; settle s.a:1 neither; settle s.b:all neither"},
		{"the authority is lost", nil, Unknown, Uncertain, "authority is lost; rollback; settle s.a:1 uncertain lost; settle s.b:all uncertain lost"},
	} {
		commit := func(t *testing.T, is bool) {
			f := newField()
			watch(f)
			f.errs["commit"], f.errs["committed"] = slices.Clone(test.errs["commit"]), slices.Clone(test.errs["committed"])
			f.Captured(rows(a, Inserted, "1"))
			f.Whole("s.b", CauseUncaptured)
			how := f.authority(test.how)
			var rest func() Outcome
			if is {
				how.Later = func(then func() Outcome) { rest = then }
			}
			got, err := f.Commit(how)
			if is && test.how == Committed {
				if rest == nil || got != Both || strings.Contains(f.said(), "settle") {
					t.Fatalf("%v before it is known: %s", got, f.said())
				}
				f.log = append(f.log, "later")
				got = rest()
			}
			want := before + test.ending
			if !is {
				want = strings.Replace(want, "later; ", "", 1)
			}
			if err != nil || got != test.want || f.said() != want {
				t.Errorf("%v, %v:\n%s\nwant %s", got, err, f.said(), want)
			}
		}
		t.Run(test.name, func(t *testing.T) { commit(t, false) })
		t.Run(test.name+", later", func(t *testing.T) { commit(t, true) })
	}
}

func TestTheCauseOfBeingGivenUpIsTheFirst(t *testing.T) {
	a := table("a")
	for _, test := range []struct {
		name string
		do   func(f *field)
		want Cause
		sent string
	}{
		{"it cannot be opened", func(f *field) { f.opened = []error{ErrRefused{CauseOff}} }, CauseOff, "open"},
		{"it cannot be opened, of no cause", func(f *field) { f.opened = []error{errBroken} }, CauseFailed, "open"},
		{"an apply takes too long", func(f *field) { f.errs["apply"] = []error{ErrRefused{CauseBudget}} }, CauseBudget, "open; apply 0 1; rollback"},
		{"a savepoint fails", func(f *field) { f.errs["savepoint"] = []error{errBroken} }, CauseFailed, "open; apply 0 1; savepoint 0; rollback"},
		{"its end fails", func(f *field) { f.errs["release"] = []error{errBroken} }, CauseFailed, "open; apply 0 1; savepoint 0; apply 0 1; rollback to 0; release 0; rollback"},
		{"going back to it fails", func(f *field) { f.errs["rollback to"] = []error{errBroken} }, CauseFailed, "open; apply 0 1; savepoint 0; apply 0 1; rollback to 0; rollback"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField()
			test.do(f)
			f.Captured(rows(a, Inserted, "1"))
			f.Savepoint("x")
			f.Captured(rows(a, Inserted, "2"))
			f.RollbackTo("x")
			f.Release("x")
			f.Abandon(CauseUnmirrored)
			f.Captured(rows(a, Inserted, "3"))
			if got := f.said(); f.Cause() != test.want || got != test.sent || f.Open() {
				t.Errorf("%s: %s\nwant %s: %s", f.Cause(), got, test.want, test.sent)
			}
			outcome, err := f.Commit(f.authority(Committed))
			want := test.sent + "; intend s.a:3; authority commits; settle s.a:3 authority " + string(test.want)
			if err != nil || outcome != Authority || f.said() != want {
				t.Errorf("%v, %v: %s\nwant %s", outcome, err, f.said(), want)
			}
		})
	}
}

func TestNothingIsCommittedThatCannotBeRemembered(t *testing.T) {
	f := newField()
	watch(f).refuses = errBroken
	f.Captured(rows(table("a"), Inserted, "1"))
	f.Whole("s.b", CauseUncaptured)
	outcome, err := f.Commit(f.authority(Committed))
	var refused *ErrJournal
	if !errors.As(err, &refused) || !errors.Is(err, errBroken) || outcome != Neither {
		t.Errorf("%v, %v", outcome, err)
	}
	const want = "open; apply 0 1; intend s.a:1; intend s.b:all; durable s.a:1; rollback; settle s.a:1 neither; settle s.b:all neither"
	if f.said() != want {
		t.Errorf("got  %s\nwant %s", f.said(), want)
	}
}

func TestAStrictCommitIsRefusedBeforeTheAuthorityIsAsked(t *testing.T) {
	for _, test := range []struct {
		name, want string
		do         func(f *field)
		cause      Cause
	}{
		{"it was given up before", "open; intend s.a:1; settle s.a:1 neither", func(f *field) { f.opened = []error{ErrRefused{CauseBreaker}} }, CauseBreaker},
		{"the answers say no", "open; apply 0 1; intend s.a:1; await; rollback; settle s.a:1 neither", func(f *field) { f.errs["await"] = []error{ErrRefused{CauseBudget}} }, CauseBudget},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField()
			test.do(f)
			f.Captured(rows(table("a"), Inserted, "1"))
			how := f.authority(Committed)
			how.Strict = true
			outcome, err := f.Commit(how)
			var strict *ErrStrict
			var refused ErrRefused
			if !errors.As(err, &strict) || !errors.As(strict.Err, &refused) || refused.Cause != test.cause || outcome != Neither || f.said() != test.want {
				t.Errorf("%v, %v: %s", outcome, err, f.said())
			}
		})
	}
}

type behind struct{ error }

func (behind) Retry() Retry { return Behind }

type hopeless struct{ error }

func (hopeless) Retry() Retry { return Never }

func TestWhatIsTriedAgainIsSentInFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := table("a")
		f := newField()
		f.Captured(rows(a, Inserted, "1"))
		f.Savepoint("x")
		f.Captured(rows(a, Updated, "2", "3"))
		f.Release("x")
		f.Savepoint("y")
		f.Captured(rows(a, Inserted, "4"))
		f.RollbackTo("y")
		f.Captured(rows(a, Deleted, "5"))
		f.log = nil
		f.errs["await"] = []error{temporary{errBroken}, nil, nil, temporary{errBroken}}
		outcome, err := f.Commit(f.authority(Committed))
		const once = "rollback; open; apply 0 1; await; savepoint 0; await; "
		want := "intend s.a:5; await; " + once + "apply 1 2; await; " + once +
			"apply 1 2; await; release 0; await; savepoint 0; await; apply 3 1; await; authority commits; commit; committed; settle s.a:5 both"
		if err != nil || outcome != Both || f.said() != want {
			t.Errorf("%v, %v:\n%s\nwant\n%s", outcome, err, f.said(), want)
		}
	})
}

func TestHowOftenAnApplyIsTried(t *testing.T) {
	forever := func(err error) []error { return slices.Repeat([]error{err}, 50) }
	wait := func(left time.Duration) { <-time.After(left) }
	for _, test := range []struct {
		name        string
		errs        []error
		others      func(time.Duration) bool
		least, most int // times that it is opened
		want        Outcome
	}{
		{"it will never be gone", forever(hopeless{errBroken}), nil, 1, 1, Authority},
		{"it says nothing of that", forever(errBroken), nil, 1, 1, Authority},
		{"a lock that stays", forever(temporary{errBroken}), nil, 6, 8, Authority},
		{"a lock that goes", []error{temporary{errBroken}, temporary{errBroken}}, nil, 3, 3, Both},
		{"behind one that nobody knows of", forever(behind{errBroken}), nil, 2, 2, Authority},
		{"behind one that does not end", forever(behind{errBroken}), func(time.Duration) bool { return false }, 2, 2, Authority},
		{"behind one after another", forever(behind{errBroken}), func(most time.Duration) bool { wait(most); return true }, 3, 4, Authority},
		{"behind one that ends", []error{behind{errBroken}}, func(time.Duration) bool { return true }, 2, 2, Both},
		{"no lock any more, but refused", []error{temporary{errBroken}, hopeless{errBroken}}, nil, 2, 2, Authority},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newField()
				f.opt.Others = test.others
				f.errs["await"] = test.errs
				f.Captured(rows(table("a"), Inserted, "1"))
				began := time.Now()
				outcome, err := f.Commit(f.authority(Committed))
				opened := strings.Count(f.said(), "open")
				if err != nil || outcome != test.want || opened < test.least || opened > test.most {
					t.Errorf("%v, %v, opened %d times: %s", outcome, err, opened, f.said())
				}
				if rolled := strings.Count(f.said(), "rollback"); rolled != opened && outcome != Both || rolled != opened-1 && outcome == Both {
					t.Errorf("opened %d times and rolled back %d times", opened, rolled)
				}
				if took := time.Since(began); took > 2*f.opt.Budget.Wait {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestATryThatCannotBeOpenedKeepsItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField()
		f.opened = []error{nil, ErrRefused{CauseBreaker}}
		f.errs["await"] = []error{temporary{errBroken}}
		f.Captured(rows(table("a"), Inserted, "1"))
		_, err := f.Commit(f.authority(Committed))
		const want = "open; apply 0 1; intend s.a:1; await; rollback; open; authority commits; settle s.a:1 authority breaker"
		if err != nil || f.said() != want {
			t.Errorf("%v: %s", err, f.said())
		}
	})
}

func TestWhatIsTooMuchIsLeftToTheWorker(t *testing.T) {
	a := table("a")
	id := func(n int) []string { return strings.Split("1 2 3 4 5 6 7 8 9 10 11", " ")[:n] }
	for _, test := range []struct {
		name string
		do   func(f *field)
		want Cause
	}{
		{"as many rows as may be", func(f *field) { f.Captured(rows(a, Inserted, id(10)...)) }, ""},
		{"one more at once", func(f *field) { f.Captured(rows(a, Inserted, id(11)...)) }, CauseBulk},
		{"one more in two statements", func(f *field) { f.Captured(rows(a, Inserted, id(10)...)); f.Captured(rows(a, Deleted, "1")) }, CauseBulk},
		{"one more with old keys", func(f *field) {
			c := rows(a, Merged, id(10)...)
			c.Gone = []rewrite.RowKey{"k"}
			f.Captured(c)
		}, CauseBulk},
		{"one key many times is one row", func(f *field) { f.Captured(rows(a, Updated, strings.Split(strings.Repeat("1 ", 11), " ")[:11]...)) }, ""},
		{"as many bytes as may be", func(f *field) { f.Captured(rows(a, Inserted, strings.Repeat("x", 1000-24))) }, ""},
		{"one byte more", func(f *field) { f.Captured(rows(a, Inserted, strings.Repeat("x", 1000-23))) }, CauseBulk},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField()
			test.do(f)
			if f.Cause() != test.want || f.Open() != (test.want == "") {
				t.Errorf("cause %q: %s", f.Cause(), f.said())
			}
		})
	}
}

func TestTheGravestCauseOfAWholeTableStays(t *testing.T) {
	a, b := table("a"), table("b")
	empty := func(p *rewrite.Pair) *Change { return &Change{Kind: Truncated, Pair: p, Pairs: []*rewrite.Pair{p}} }
	for _, test := range []struct {
		name string
		do   func(f *field)
		want string
	}{
		{"emptied, and then written out of sight", func(f *field) { f.Captured(empty(a)); f.Whole("s.a", CauseUncaptured) }, "settle s.a:all authority uncaptured"},
		{"written out of sight, and then emptied", func(f *field) { f.Whole("s.a", CauseUncaptured); f.Captured(empty(a)) }, "settle s.a:all authority uncaptured"},
		{"one emptied beside one written", func(f *field) { f.Captured(empty(a)); f.Whole("s.b", CauseBulk) }, "settle s.a:all,s.b:all authority bulk"},
		{"both emptied", func(f *field) { f.Captured(empty(a)); f.Captured(empty(b)) }, "settle s.a:all,s.b:all both"},
		{"emptied here alone", func(f *field) { f.errs["apply"] = []error{errBroken}; f.Captured(empty(a)) }, "settle s.a:all authority failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField()
			test.do(f)
			if _, err := f.Commit(f.authority(Committed)); err != nil || f.log[len(f.log)-1] != test.want {
				t.Errorf("%v: %s", err, f.said())
			}
		})
	}
}

func TestAnIntentNamesItsTransaction(t *testing.T) {
	f := newField()
	w := watch(f)
	f.opt.Epoch, f.opt.Incarnation = 7, "life"
	f.Captured(rows(table("a"), Inserted, "1"))
	f.Whole("s.b", CauseUncaptured)
	f.Identify(9)
	f.Identify(0)
	if _, err := f.Commit(f.authority(Committed)); err != nil || !f.Identified() {
		t.Fatal(err)
	}
	key := rewrite.KeyFrom([][]byte{[]byte("1")})
	want := []*Intent{
		{Tables: []TableKeys{{Table: "s.a", Keys: []rewrite.RowKey{key}}}, Epoch: 7, TxID: 9, Incarnation: "life"},
		{Tables: []TableKeys{{Table: "s.b", Whole: true}}, Epoch: 7, TxID: 9, Incarnation: "life"},
	}
	if diff := cmp.Diff(want, w.intents); diff != "" {
		t.Error(diff)
	}
	names := f.Tables()
	slices.Sort(names)
	if diff := cmp.Diff([]string{"s.a", "s.b"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestARolledBackTransactionIsOver(t *testing.T) {
	f := newField()
	f.Captured(rows(table("a"), Inserted, "1"))
	f.Rolled()
	f.Rolled()
	f.Captured(rows(table("a"), Inserted, "2"))
	if want := "open; apply 0 1; rollback"; f.said() != want || f.Open() {
		t.Errorf("got %s\nwant %s", f.said(), want)
	}
}

func TestTheLastImageOfAKeyStandsWhereTheFirstDid(t *testing.T) {
	p := table("a")
	p.Cells = append(p.Cells, rewrite.Cell{Column: "v"})
	image := func(key, v string) rewrite.Image { return rewrite.Image{[]byte(key), []byte(v)} }
	c := &Change{Kind: Updated, Pair: p, Images: []rewrite.Image{image("1", "a"), image("2", "b"), image("1", "c"), image("3", "d"), image("2", "e")}}
	c.last()
	if diff := cmp.Diff([]rewrite.Image{image("1", "c"), image("2", "e"), image("3", "d")}, c.Images); diff != "" {
		t.Error(diff)
	}
	c.Gone = []rewrite.RowKey{"k", "kk"}
	if c.Rows() != 5 || c.Bytes() != 3*2*24+6+3 {
		t.Errorf("%d rows, %d bytes", c.Rows(), c.Bytes())
	}
}
