package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const testMetrics = `# TYPE crossfade_mirror_writes_total counter
crossfade_mirror_writes_total{table="account",outcome="both",cause=""} 1000
crossfade_mirror_writes_total{table="account",outcome="authority_only",cause="budget"} 2
# TYPE crossfade_dirty_keys gauge
crossfade_dirty_keys{table="account"} 3
# TYPE crossfade_journal_open_intents gauge
crossfade_journal_open_intents 1
# TYPE crossfade_journal_fsync_seconds histogram
crossfade_journal_fsync_seconds_bucket{le="0.0001"} 0
crossfade_journal_fsync_seconds_bucket{le="0.0003"} 80
crossfade_journal_fsync_seconds_bucket{le="+Inf"} 100
crossfade_journal_fsync_seconds_sum 0.05
crossfade_journal_fsync_seconds_count 100
`

func testLedger(t *testing.T, text string) (ledger, error) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return ledgerOf(families)
}

func TestWhatBecameOfTheWritesIsReadFromTheMetrics(t *testing.T) {
	l, err := testLedger(t, testMetrics)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ledger{}.until(l, 1002)
	if err != nil {
		t.Fatal(err)
	}
	if got.Before != 0 || got.After != 4 || got.Inline != 1000.0/1002 {
		t.Errorf("got %+v, want a backlog of 3 keys and an intent, and 1000 of 1002 at once", got)
	}
	// 50 of 100 are 5/8 of what lies between 100 and 300 µs.
	if got.Fsync < 224.9 || got.Fsync > 225.1 || got.Mean != 500 {
		t.Errorf("fsync %v and %v µs, want 225 and 500", got.Fsync, got.Mean)
	}
}

func TestARunThatWasNotMirroredIsAnError(t *testing.T) {
	l, err := testLedger(t, testMetrics)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]float64{"one that was relayed in part": 2000, "one with writes of others": 900} {
		if got, err := (ledger{}).until(l, n); err == nil {
			t.Errorf("%s: %+v, want an error", name, got)
		}
	}
	if _, err := testLedger(t, "other 1\n"); err == nil {
		t.Error("a proxy without a mirror: no error")
	}
}

func TestOnlyWritesOnBothSidesCountAsMirrored(t *testing.T) {
	never, err := ledger{}.until(ledger{}, 100)
	if err != nil || never != nil {
		t.Errorf("a run without writes is %+v, %v, want no share", never, err)
	}
}

// mirrorReport has a cell where a mirrored write takes ratio times what it takes
// on both sides.
func mirrorReport(ratio float64) *report {
	c := cell{kind: update, clients: 1}
	r := round{
		Before: sample{Rate: 1000, P50: 200}, After: sample{Rate: 1000, P50: 200},
		Proxies: map[string]sample{
			directTarget: {Rate: 900, P50: 300}, unmapped: {Rate: 900, P50: 240},
			mirrored: {Rate: 500, P50: 500 * ratio, Mirror: &mirrorShare{Inline: 1}},
			answered: {Rate: 500, P50: 500, Mirror: &mirrorShare{Inline: 1, Before: 1, After: 2}},
		},
	}
	return &report{Cells: []cellResult{summarise(c, []round{r, r, r})}}
}

func TestAMirroredWriteIsComparedWithBothSides(t *testing.T) {
	for _, test := range []struct {
		ratio float64
		want  state
	}{{2.2, met}, {2.3, missed}} {
		for _, v := range judgeAll(mirrorReport(test.ratio)) {
			if v.What == "p50 / (source + target), "+mirrored && v.State != test.want {
				t.Errorf("%s, want %s", v, test.want)
			}
		}
	}
}

func TestABacklogThatGrewMissesTheGoal(t *testing.T) {
	for _, v := range judgeAll(mirrorReport(1)) {
		if grew := v.What == "growth of the backlog, "+answered; v.failed() != grew {
			t.Errorf("%s: failed is %v, want %v", v, v.failed(), grew)
		}
	}
}

func TestAFamilyKeepsTheTimeOfChildrenThatHaveEnded(t *testing.T) {
	parent, got, err := parseFamily([]byte("7 (post (gres) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0 5 6 7"))
	if err != nil || parent != 3 || got != (processorTime{310 * tick, 4020 * tick}) {
		t.Errorf("parent %d, %v, %v, want 3 and 310 and 4020 ticks", parent, got, err)
	}
	if _, _, err := parseFamily([]byte("7 (postgres) S 3 7")); err == nil {
		t.Error("a short line: no error")
	}
}

func TestIdleIncludesWaitingForTheDisk(t *testing.T) {
	idle, all, err := parseMachine([]byte("cpu  10 1 20 400 50 2 3 4 0 0\ncpu0 1\n"))
	if err != nil || idle != 450*tick || all != 490*tick {
		t.Errorf("idle %v of %v, %v, want 450 of 490 ticks", idle, all, err)
	}
	if _, _, err := parseMachine([]byte("intr 1 2 3")); err == nil {
		t.Error("another line: no error")
	}
}

// echo answers each connection with what it reads, until it is closed.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}

func TestAFartherServerAnswersAfterTheRoundTripAndWithTheSameBytes(t *testing.T) {
	const trip = 40 * time.Millisecond
	f, err := startFarther(t.Context(), echo(t), trip)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	}()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	if _, err := conn.Write([]byte("there and back")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if took := time.Since(begin); err != nil || string(got) != "there and back" || took < trip {
		t.Errorf("%q after %v, %v, want the same bytes and the end after at least %v", got, took, err, trip)
	}
}

func TestClosingARelayHangsUp(t *testing.T) {
	f, err := startFarther(context.Background(), echo(t), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still there")
	}
}
