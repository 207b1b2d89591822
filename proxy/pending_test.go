package proxy

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-db/crossfade/rewrite"
)

// TestAReadWaitsForCommitsThatBeganBeforeIt, for those of its tables and no
// longer than it may.
func TestAReadWaitsForCommitsThatBeganBeforeIt(t *testing.T) {
	a := &rewrite.Pair{Source: &rewrite.Table{Name: rewrite.Name{Schema: "public", Name: "a"}}}
	b := &rewrite.Pair{Source: &rewrite.Table{Name: rewrite.Name{Schema: "public", Name: "b"}}}
	synctest.Test(t, func(t *testing.T) {
		var p pending
		tables := []string{a.Name()}
		under := p.begin(nil, tables)
		began := time.Now()
		if p.wait([]*rewrite.Pair{b, a}, time.Second) || time.Since(began) != time.Second {
			t.Errorf("it has not waited for a commit that is under way, but %v", time.Since(began))
		}
		if !p.wait([]*rewrite.Pair{b}, time.Second) || p.waitAll(time.Millisecond) {
			t.Error("it waits for a commit of another table, or not for all")
		}
		go func() {
			<-time.After(time.Millisecond)
			p.end(under, tables)
		}()
		began = time.Now()
		if !p.wait([]*rewrite.Pair{a}, time.Second) || time.Since(began) != time.Millisecond {
			t.Errorf("it has waited %v for a commit of a millisecond", time.Since(began))
		}
		if began = time.Now(); !p.wait([]*rewrite.Pair{a}, time.Second) || !time.Now().Equal(began) {
			t.Error("it waits for a commit that has ended")
		}
	})
}
