package proxy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// gate holds intents back.
type gate struct {
	*ledger
	waits, opens chan struct{}
}

func (g *gate) Intend(in *shadow.Intent) shadow.Ticket { return &gated{g.ledger.Intend(in), g} }

func (g *gate) Settle(t shadow.Ticket, o shadow.Outcome, c shadow.Cause) {
	g.ledger.Settle(t.(*gated).Ticket, o, c)
}

type gated struct {
	shadow.Ticket
	g *gate
}

func (t *gated) Wait() error {
	t.g.waits <- struct{}{}
	<-t.g.opens
	return t.Ticket.Wait()
}

// The source commits nothing before the keys are durable.
func TestMirrorCopyWaitsForTheJournal(t *testing.T) {
	g := &gate{waits: make(chan struct{}), opens: make(chan struct{})}
	n := newMirrored(t, loaded, loaded, nil, func(o *Options) {
		g.ledger = o.Mirror.Journal.(*ledger)
		o.Mirror.Journal = g
	})
	n.letIn("trusted")
	for _, says := range [][]say{
		{query("COPY things (id) FROM STDIN"), data("1\n"), done},
		{parsed("COPY things (id) FROM STDIN"), bind, execute, data("2\n"), done, syncUp},
	} {
		before := n.rows(t, router.Source, "SELECT id FROM things")
		r := dialRaw(t, n.addr, map[string]string{"database": n.database})
		for _, m := range says {
			r.Send(m)
		}
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		<-g.waits
		if got := n.rows(t, router.Source, "SELECT id FROM things"); !slices.Equal(got, before) {
			t.Errorf("the source has committed before: %v", got)
		}
		g.opens <- struct{}{}
		r.until(t, 'Z')
		n.exactly(t)
	}
}

func TestMirrorCopyThatTheJournalRefuses(t *testing.T) {
	n := newLoaded(t)
	speaker := speakTo(t, n.addr, map[string]string{"database": n.database})
	n.journal.refuse(errors.New("disk full"))
	for _, says := range [][]say{
		{query("COPY things (id) FROM STDIN"), data("1\n"), done},
		{parsed("COPY things (id) FROM STDIN"), bind, execute, data("2\n"), done, syncUp},
		{query("COPY counted (v) FROM STDIN"), data("2\n"), done},
	} {
		words := strings.Join(speaker.exact(t, says...), "\n")
		if !strings.Contains(words, "proxy's journal") || !strings.HasSuffix(words, "Z I") {
			t.Errorf("told: %s", words)
		}
	}
	n.journal.refuse(nil)
	speaker.exact(t, query("INSERT INTO things VALUES (7)"))
	for side := range router.Side(router.Sides) {
		if got := n.rows(t, side, "SELECT id FROM things"); !slices.Equal(got, []string{"7|"}) {
			t.Errorf("the %s has %v", side, got)
		}
	}
	n.exactly(t)
}

func TestMirrorCopyWhoseClientLeaves(t *testing.T) {
	n := newLoaded(t)
	for _, says := range [][]say{
		{query("COPY things (id) FROM STDIN"), data("1\n")},
		{parsed("COPY things (id) FROM STDIN"), bind, execute, flush, data("1\n")},
	} {
		r := dialRaw(t, n.addr, map[string]string{"database": n.database})
		for _, m := range says {
			r.Send(m)
		}
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		r.until(t, 'G')
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the sessions are gone", func() bool { return n.Stats().Idle+n.Stats().Active == 0 })
	n.exactly(t)
	if n.journal.intents() > 0 {
		t.Error("something was noted")
	}
}

// Whether a COPY has been committed is not known when the source is lost behind
// its CopyDone.
func TestMirrorCopyWhoseSourceIsLost(t *testing.T) {
	n := newLoaded(t)
	blocks := n.dial(t, n.servers.Source.Addr())
	do(t, blocks, "BEGIN")
	do(t, blocks, "INSERT INTO things VALUES (2)")
	r := dialRaw(t, n.addr, map[string]string{"database": n.database})
	for _, m := range []say{query("COPY things (id) FROM STDIN"), data("1\n2\n"), done} {
		r.Send(m)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the COPY waits", func() bool {
		return one[int](t, n.direct[router.Source], "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY things%' AND datname = current_database()") == 1
	})
	if err := n.servers.Source.Exec(t.Context(), n.database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY things%' AND datname = current_database()"); err != nil {
		t.Fatal(err)
	}
	_ = r.rest(t)
	do(t, blocks, "ROLLBACK")
	n.settled(t)
	n.journal.mu.Lock()
	defer n.journal.mu.Unlock()
	if len(n.journal.all) != 1 || n.journal.all[0].outcome != shadow.Uncertain || len(n.journal.all[0].Tables[0].Keys) != 2 {
		t.Errorf("%d intents", len(n.journal.all))
	}
}
