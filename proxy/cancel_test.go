package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

func TestACancelRequestEndsTheStatementThatRuns(t *testing.T) {
	outcomes := make(chan CancelOutcome, 10)
	proxy := newProxy(t, func(o *Options) { o.Observer.Cancel = func(c CancelOutcome) { outcomes <- c } })
	conn := proxy.connect(t)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)")
		failed <- err
	}()
	pid := conn.PgConn().PID()
	runs(t, "SELECT pg_sleep(60)")
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; code(err) != "57014" {
		t.Errorf("process %d: %v", pid, err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("after the cancel: %v", err)
	}
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first, second := <-outcomes, <-outcomes; first != CancelSent || second != CancelLate {
		t.Errorf("outcomes %q and %q, want sent, and late for one that comes after the end", first, second)
	}
}

// Cancel requests race against the end of the statements that they are meant
// for; a neighbour runs statements all the while and must never be hit.
func TestV21NoCancelRequestHitsAnotherSession(t *testing.T) {
	const rounds = 3000
	proxy := newProxy(t, nil)
	mine, neighbour := proxy.connect(t), proxy.connect(t)
	ctx, stop := context.WithCancel(t.Context())
	var requests, neighbours sync.WaitGroup
	var foreign atomic.Int64
	neighbours.Go(func() {
		for ctx.Err() == nil {
			if _, err := neighbour.Exec(context.Background(), "SELECT 1", pgx.QueryExecModeSimpleProtocol); err != nil {
				foreign.Add(1)
			}
		}
	})
	hit := 0
	for range rounds {
		asked := make(chan struct{})
		requests.Go(func() {
			close(asked)
			_ = mine.PgConn().CancelRequest(ctx) // the server may be gone in the middle of it
		})
		<-asked
		switch _, err := mine.Exec(t.Context(), "SELECT 1", pgx.QueryExecModeSimpleProtocol); code(err) {
		case "57014":
			hit++
		case "":
			if err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal(err)
		}
	}
	requests.Wait()
	stop()
	neighbours.Wait()
	if foreign.Load() != 0 {
		t.Errorf("%d statements of the neighbour were cancelled", foreign.Load())
	}
	t.Logf("%d of %d statements were hit", hit, rounds)
}

// A request that was meant for a statement that has ended is dropped, also
// when the next one runs already by the time it is sent.
func TestV21ACancelRequestIsDroppedWhenItsStatementHasEnded(t *testing.T) {
	side := make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	proxy := newProxy(t, func(o *Options) { o.Live.Sides[router.Source].Address = listener.Addr().String() })
	slot := &cancelSlot{secret: []byte("12345678")}
	l := &leg{side: router.Source, pid: 1, key: []byte{1, 2, 3, 4}}
	slot.leg.Store(l)
	proxy.cancels.add(1, slot)
	slot.began()
	meant := slot.generation.Load()
	go func() { // the statement ends and the next begins while we dial
		defer close(side)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		var got [1]byte
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, _ := conn.Read(got[:]); n > 0 {
			t.Error("a cancel request was sent")
		}
	}()
	slot.ended()
	slot.began()
	if got := proxy.sendCancel(t.Context(), slot, meant, l); got != CancelLate {
		t.Errorf("outcome %q", got)
	}
	<-side
}

func TestV21AWrongKeyIsNoKey(t *testing.T) {
	c := newCanceller()
	slot := &cancelSlot{secret: newSecret(32)}
	c.add(7, slot)
	if c.find(&pgwire.CancelKey{PID: 7, Secret: slot.secret}) != slot {
		t.Error("the right key is not found")
	}
	wrong := append([]byte(nil), slot.secret...)
	wrong[31] ^= 1
	for name, key := range map[string]pgwire.CancelKey{
		"another secret":  {PID: 7, Secret: wrong},
		"another process": {PID: 8, Secret: slot.secret},
		"half the secret": {PID: 7, Secret: slot.secret[:16]},
	} {
		if c.find(&key) != nil {
			t.Errorf("%s is found", name)
		}
	}
}

// A request that comes after its session has ended is late and no guess, for as
// long as its key is remembered; what is remembered is bounded.
func TestV21AKeyOfASessionThatHasEndedIsNoGuess(t *testing.T) {
	proxy := newProxy(t, nil)
	from := netip.MustParseAddr("192.0.2.1")
	slot := &cancelSlot{secret: newSecret(4)}
	proxy.cancels.add(7, slot)
	proxy.cancels.retire(7, slot)
	for range 2 * wrongKeysBurst {
		if got := proxy.cancel(t.Context(), &pgwire.CancelKey{PID: 7, Secret: slot.secret}, from); got != CancelLate {
			t.Fatalf("outcome %q", got)
		}
	}
	for pid := range uint32(endedKept) {
		other := &cancelSlot{secret: newSecret(4)}
		proxy.cancels.add(100+pid, other)
		proxy.cancels.retire(100+pid, other)
	}
	if got := proxy.cancel(t.Context(), &pgwire.CancelKey{PID: 7, Secret: slot.secret}, from); got != CancelUnknown {
		t.Errorf("a key ended long ago: %q", got)
	}
	if n := len(proxy.cancels.slots); n != endedKept {
		t.Errorf("%d keys are kept", n)
	}
}

func TestV21GuessingIsLimitedPerAddress(t *testing.T) {
	proxy := newProxy(t, nil)
	slot := &cancelSlot{secret: newSecret(4)}
	proxy.cancels.add(7, slot)
	guesser, honest := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	counts := map[CancelOutcome]int{}
	for range 10 * wrongKeysBurst {
		counts[proxy.cancel(t.Context(), &pgwire.CancelKey{PID: 7, Secret: []byte("nope")}, guesser)]++
	}
	if counts[CancelUnknown] > 2*wrongKeysBurst || counts[CancelLimited] < 8*wrongKeysBurst {
		t.Errorf("outcomes %v", counts)
	}
	right := &pgwire.CancelKey{PID: 7, Secret: slot.secret}
	if got := proxy.cancel(t.Context(), right, guesser); got != CancelLimited {
		t.Errorf("the right key from the guesser: %q", got)
	}
	if got := proxy.cancel(t.Context(), right, honest); got != CancelLate {
		t.Errorf("the right key from somebody else: %q", got)
	}
}

func TestAStatementThatIsCutIsCancelledAtTheServer(t *testing.T) {
	proxy := newProxy(t, nil)
	conn := proxy.connect(t)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(61)")
		failed <- err
	}()
	runs(t, "SELECT pg_sleep(61)")
	proxy.stop()
	proxy.Kill()
	if err := <-failed; code(err) != "57P01" {
		t.Errorf("the client was told %v", err)
	}
	<-proxy.done
	eventually(t, "the statement has ended", func() bool { return sleepers(t, "SELECT pg_sleep(61)") == "0" })
}
