package repair

import (
	"testing"
	"time"
)

func TestAnETAIsARangeAndNotGivenTooEarly(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	p := &progress{}
	p.begin(start, 100_000)
	p.more(at(1), 500)
	if w := p.status("t", at(1)); w.Soonest != 0 || w.Latest != 0 {
		t.Errorf("a guess after half a hundredth: %+v", w)
	}
	p.more(at(2), 1500)
	p.more(at(4), 2000)
	w := p.status("t", at(4))
	if w.Rows != 4000 || w.PerSec != 1000 || w.Soonest != 64*time.Second || w.Latest != 192*time.Second {
		t.Errorf("the progress is %+v", w)
	}
	p.more(at(5), 97_000)
	if w := p.status("t", at(5)); w.Soonest != 0 || w.Latest != 0 {
		t.Errorf("a guess beyond the estimate: %+v", w)
	}
}

func TestAWalkThatGoesOnCountsItsOwnTimeOnly(t *testing.T) {
	p := &progress{done: 50_000}
	p.begin(time.Unix(1000, 0), 100_000)
	p.more(time.Unix(1010, 0), 1000)
	if w := p.status("t", time.Unix(1010, 0)); w.Rows != 51_000 || w.PerSec != 100 {
		t.Errorf("the progress is %+v", w)
	}
}
