package proxy

import (
	"time"

	"github.com/crossfade-db/crossfade/router"
)

// timing measures one exchange in SampleEvery, as asking for the time twice
// per statement would cost more than the rest of what we add to it. An
// exchange begins with the client's bytes and ends when the session is quiet.
type timing struct {
	seen  uint32 // exchanges
	since int64  // beginning of the one that is timed, 0 when none is
	mark  int64  // last time that bytes came in
	ours  int64  // between bytes coming in and having gone out
}

// began is the origin of the clock.
var began = time.Now()

func clock() int64 { return int64(time.Since(began)) }

// stop gives up the exchange that is timed: a second reader has begun, and
// from now on two goroutines would write here.
func (t *timing) stop() { t.since = 0 }

// asked is the client's bytes coming in. Only exchanges in turns are timed.
func (t *timing) asked(inTurns bool) {
	if t.since != 0 {
		return
	}
	t.seen++
	if t.seen%SampleEvery == 1 && inTurns {
		t.since = clock()
		t.mark = t.since
		t.ours = 0
	}
}

// sent is those bytes having gone to the leg.
func (t *timing) sent() {
	if t.since != 0 {
		t.ours += clock() - t.mark
	}
}

// heard is the leg's bytes coming in.
func (t *timing) heard() {
	if t.since != 0 {
		t.mark = clock()
	}
}

// answered is the last of them having gone to the client.
func (t *timing) answered(o *Observer, side router.Side) {
	if t.since == 0 {
		return
	}
	now := clock()
	if o.Sampled != nil {
		o.Sampled(side, time.Duration(now-t.since), time.Duration(t.ours+now-t.mark))
	}
	t.since = 0
}
