package shadow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
)

// fakeLeg writes down what it is told; errs are what the calls of a name give.
type fakeLeg struct {
	log  *[]string
	errs map[string][]error
}

func (l *fakeLeg) call(name string, args ...any) error {
	*l.log = append(*l.log, strings.TrimSpace(fmt.Sprintln(append([]any{name}, args...)...)))
	if errs := l.errs[name]; len(errs) > 0 {
		l.errs[name] = errs[1:]
		return errs[0]
	}
	return nil
}

func (l *fakeLeg) Apply(c *Change) error         { return l.call("apply", c.Kind, len(c.Images)) }
func (l *fakeLeg) Send()                         {}
func (l *fakeLeg) Await(time.Duration) error     { return l.call("await") }
func (l *fakeLeg) Savepoint(depth int) error     { return l.call("savepoint", depth) }
func (l *fakeLeg) RollbackTo(depth int) error    { return l.call("rollback to", depth) }
func (l *fakeLeg) Release(depth int) error       { return l.call("release", depth) }
func (l *fakeLeg) Commit() error                 { return l.call("commit") }
func (l *fakeLeg) Committed(time.Duration) error { return l.call("committed") }
func (l *fakeLeg) Rollback()                     { _ = l.call("rollback") }

// fakeJournal keeps what was settled, by table.
type fakeJournal struct {
	log     *[]string
	refuses error
}

type fakeTicket struct {
	in *Intent
	j  *fakeJournal
}

func (t fakeTicket) Wait() error { return t.j.refuses }

func (j *fakeJournal) Intend(in *Intent) Ticket {
	*j.log = append(*j.log, "intend "+spell(in))
	return fakeTicket{in, j}
}

func (j *fakeJournal) Settle(t Ticket, o Outcome, why Cause) {
	*j.log = append(*j.log, strings.TrimSpace(fmt.Sprintln("settle", spell(t.(fakeTicket).in), [...]string{"both", "neither", "authority", "uncertain"}[o], why)))
}

func (j *fakeJournal) Mark(*Intent, Cause) error { return errors.ErrUnsupported }

func spell(in *Intent) string {
	var words []string
	for _, t := range in.Tables {
		word := fmt.Sprint(t.Table, ":", len(t.Keys))
		if t.Whole {
			word = t.Table + ":all"
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

type temporary struct{ error }

func (temporary) Retry() Retry { return Soon }

// table is a pair with a key of one cell.
func table(name string) *rewrite.Pair {
	return &rewrite.Pair{Source: &rewrite.Table{Name: rewrite.Name{Schema: "s", Name: name}}, Cells: []rewrite.Cell{{Column: "id"}}, Key: []int{0}}
}

func rows(p *rewrite.Pair, kind Kind, ids ...string) *Change {
	c := &Change{Kind: kind, Pair: p}
	for _, id := range ids {
		c.Images = append(c.Images, rewrite.Image{[]byte(id)})
	}
	return c
}

// field is a transaction with its fakes.
type field struct {
	*Tx
	log     []string
	errs    map[string][]error
	journal *fakeJournal
	opened  []error
}

func newField() *field {
	f := &field{errs: map[string][]error{}}
	f.journal = &fakeJournal{log: &f.log}
	f.Tx = Begin(Options{
		Open: func() (Leg, error) {
			f.log = append(f.log, "open")
			if len(f.opened) > 0 {
				err := f.opened[0]
				if f.opened = f.opened[1:]; err != nil {
					return nil, err
				}
			}
			return &fakeLeg{&f.log, f.errs}, nil
		},
		Journal: f.journal, Budget: Budget{Wait: 100 * time.Millisecond, Rows: 10, Bytes: 1000},
	})
	return f
}

func (f *field) authority(e Ending) Commit {
	return Commit{Authority: func() Ending {
		f.log = append(f.log, [...]string{"authority commits", "authority rolls back", "authority is lost"}[e])
		return e
	}}
}

func TestTheOrderOfACommit(t *testing.T) {
	a, b := table("a"), table("b")
	broken := errors.New("broken")
	for _, test := range []struct {
		name string
		do   func(f *field)
		how  Ending
		want string
	}{
		{
			"both commit", func(f *field) { f.Captured(rows(a, Inserted, "1", "2")) }, Committed,
			"open; apply 0 2; intend s.a:2; await; authority commits; commit; committed; settle s.a:2 both",
		},
		{"nothing was changed", func(*field) {}, Committed, "authority commits"},
		{
			"the authority rolls back", func(f *field) { f.Captured(rows(a, Inserted, "1")) }, RolledBack,
			"open; apply 0 1; intend s.a:1; await; authority rolls back; rollback; settle s.a:1 neither",
		},
		{
			"the authority is lost", func(f *field) { f.Captured(rows(a, Inserted, "1")) }, Unknown,
			"open; apply 0 1; intend s.a:1; await; authority is lost; rollback; settle s.a:1 uncertain lost",
		},
		{
			"the other side cannot be opened", func(f *field) { f.opened = []error{ErrRefused{CauseBreaker}}; f.Captured(rows(a, Inserted, "1")) }, Committed,
			"open; intend s.a:1; authority commits; settle s.a:1 authority breaker",
		},
		{
			"an apply fails", func(f *field) {
				f.errs["apply"] = []error{nil, broken}
				f.Captured(rows(a, Inserted, "1"))
				f.Captured(rows(a, Inserted, "2"))
				f.Captured(rows(b, Inserted, "3"))
			}, Committed,
			"open; apply 0 1; apply 0 1; rollback; intend s.a:2,s.b:1; authority commits; settle s.a:2,s.b:1 authority failed",
		},
		{
			"the answers say no", func(f *field) { f.errs["await"] = []error{broken}; f.Captured(rows(a, Inserted, "1")) }, Committed,
			"open; apply 0 1; intend s.a:1; await; rollback; authority commits; settle s.a:1 authority failed",
		},
		{
			"the answers say not yet", func(f *field) { f.errs["await"] = []error{temporary{broken}}; f.Captured(rows(a, Inserted, "1")) }, Committed,
			"open; apply 0 1; intend s.a:1; await; rollback; open; apply 0 1; await; authority commits; commit; committed; settle s.a:1 both",
		},
		{
			"the COMMIT there fails", func(f *field) { f.errs["committed"] = []error{broken}; f.Captured(rows(a, Inserted, "1")) }, Committed,
			"open; apply 0 1; intend s.a:1; await; authority commits; commit; committed; settle s.a:1 authority failed",
		},
		{
			"too many rows", func(f *field) {
				f.Captured(rows(a, Inserted, strings.Split(strings.Repeat("12345678901,", 1), ",")...))
				f.Captured(rows(b, Inserted, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"))
			}, Committed,
			"open; apply 0 2; rollback; intend s.a:2,s.b:11; authority commits; settle s.a:2,s.b:11 authority bulk",
		},
		{
			"a table as a whole beside keys", func(f *field) { f.Captured(rows(a, Inserted, "1")); f.Whole("s.b", CauseUncaptured) }, Committed,
			"open; apply 0 1; intend s.a:1; intend s.b:all; await; authority commits; commit; committed; settle s.a:1 both; settle s.b:all authority uncaptured",
		},
		{"a table as a whole, and rolled back", func(f *field) { f.Whole("s.b", CauseUncaptured) }, RolledBack, "intend s.b:all; authority rolls back; settle s.b:all neither"},
		{"a table as a whole, and lost", func(f *field) { f.Whole("s.b", CauseUncaptured) }, Unknown, "intend s.b:all; authority is lost; settle s.b:all uncertain lost"},
		{
			"a table is emptied on both", func(f *field) { f.Captured(&Change{Kind: Truncated, Pair: a, Pairs: []*rewrite.Pair{a}}) }, Committed,
			"open; apply 4 0; intend s.a:all; await; authority commits; commit; committed; settle s.a:all both",
		},
		{
			"a table is emptied behind what was not seen", func(f *field) {
				f.Whole("s.b", CauseUncaptured)
				f.Whole("s.b", CauseFailed) // as a cascade there does the same
				f.Captured(rows(a, Deleted, "1"))
			}, Committed,
			"open; apply 3 1; intend s.a:1; intend s.b:all; await; authority commits; commit; committed; settle s.a:1 both; settle s.b:all authority uncaptured",
		},
		{
			"two images of one key", func(f *field) { f.Captured(rows(a, Updated, "1", "2", "1")) }, Committed,
			"open; apply 1 2; intend s.a:2; await; authority commits; commit; committed; settle s.a:2 both",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField()
			test.do(f)
			if _, err := f.Commit(f.authority(test.how)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(f.log, "; "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestWhatMayNotBeCommitted(t *testing.T) {
	a := table("a")
	f := newField()
	f.journal.refuses = errors.New("full")
	f.Captured(rows(a, Inserted, "1"))
	_, err := f.Commit(f.authority(Committed))
	var refused *ErrJournal
	if got := strings.Join(f.log, "; "); !errors.As(err, &refused) || got != "open; apply 0 1; intend s.a:1; rollback; settle s.a:1 neither" {
		t.Errorf("%v: %s", err, got)
	}
	f = newField()
	f.errs["await"] = []error{errors.New("no")}
	f.Captured(rows(a, Inserted, "1"))
	how := f.authority(Committed)
	how.Strict = true
	_, err = f.Commit(how)
	var strict *ErrStrict
	if got := strings.Join(f.log, "; "); !errors.As(err, &strict) || got != "open; apply 0 1; intend s.a:1; await; rollback; settle s.a:1 neither" {
		t.Errorf("%v: %s", err, got)
	}
}

func TestSavepointsReachTheOtherSideOnceItIsOpen(t *testing.T) {
	a := table("a")
	for _, test := range []struct {
		name string
		do   func(f *field)
		want string
	}{
		{"before the first change", func(f *field) {
			f.Savepoint("x")
			f.Captured(rows(a, Inserted, "1"))
			f.RollbackTo("x")
			f.Captured(rows(a, Inserted, "2"))
		}, "open; apply 0 1; rollback; open; apply 0 1; intend s.a:2; await; commits"},
		{"after it", func(f *field) {
			f.Captured(rows(a, Inserted, "1"))
			f.Savepoint("x")
			f.Captured(rows(a, Inserted, "2"))
			f.RollbackTo("x")
			f.Release("x")
		}, "open; apply 0 1; savepoint 0; apply 0 1; rollback to 0; release 0; intend s.a:2; await; commits"},
		{"one of the same name", func(f *field) {
			f.Captured(rows(a, Inserted, "1"))
			f.Savepoint("x")
			f.Savepoint("x")
			f.Captured(rows(a, Inserted, "2"))
			f.RollbackTo("x")
			f.Release("x")
			f.RollbackTo("x")
		}, "open; apply 0 1; savepoint 0; savepoint 1; apply 0 1; rollback to 1; release 1; rollback to 0; intend s.a:2; await; commits"},
		{"one that does not exist", func(f *field) {
			f.Captured(rows(a, Inserted, "1"))
			f.RollbackTo("x")
			f.Release("x")
		}, "open; apply 0 1; rollback; intend s.a:1; authority commits; settle s.a:1 authority uncaptured"},
		{"one that is released inside of another", func(f *field) {
			f.Savepoint("x")
			f.Captured(rows(a, Inserted, "1"))
			f.Savepoint("y")
			f.Captured(rows(a, Inserted, "2"))
			f.Release("x")
			f.Savepoint("z")
			f.RollbackTo("z")
		}, "open; apply 0 1; savepoint 1; apply 0 1; savepoint 0; intend s.a:2; await; commits"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newField()
			test.do(f)
			if _, err := f.Commit(f.authority(Committed)); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(f.log, "; ")
			got = strings.Replace(got, "await; authority commits; commit; committed; settle s.a:2 both", "await; commits", 1)
			got = strings.Replace(got, "await; authority commits; commit; committed; settle s.a:1 both", "await; commits", 1)
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
