//go:build !failpoints

package failpoint

import (
	"os"
	"os/exec"
	"testing"
)

func TestHitCostsNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CROSSFADE_FAILPOINTS", dir)
	if n := testing.AllocsPerRun(1000, func() { Hit(Durable) }); n != 0 {
		t.Errorf("Hit allocates %v times", n)
	}
	if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
		t.Errorf("Hit made %v, %v", made, err)
	}
}

// The tests of the other build, which a plain run would leave out.
func TestHitOfTheTaggedBuild(t *testing.T) {
	for _, name := range []string{"hit_on.go", "hit_on_test.go"} { // so that a change of them runs this again
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "failpoints", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func BenchmarkHit(b *testing.B) {
	for b.Loop() {
		Hit(Durable)
	}
}
