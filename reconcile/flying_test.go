package reconcile

import (
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/shadow"
)

func TestWhatIsUnderWayExplainsADifference(t *testing.T) {
	var f flying
	key := rewrite.KeyFrom([][]byte{[]byte("1")})
	in := &shadow.Intent{Tables: []shadow.TableKeys{{Table: "a", Keys: []rewrite.RowKey{key}}, {Table: "b", Whole: true}}}
	f.add(in, 1)
	f.add(in, 1)
	f.add(in, -1)
	if !f.has("a", key) || !f.has("b", key) || f.has("a", "other") || f.has("c", key) {
		t.Error("one of two intents is over, and the rows of the other are not under way")
	}
	f.add(in, -1)
	if f.has("a", key) || f.has("b", key) || len(f.rows)+len(f.whole) > 0 {
		t.Errorf("both are over: %v %v", f.rows, f.whole)
	}
}
