package proxy

import "testing"

func TestADigestKeepsItsLeadingZeros(t *testing.T) {
	for i := range 1000 {
		if d := digest([]byte("SELECT " + itoa(i))); len(d) != 16 {
			t.Fatalf("the digest of text %d is %q", i, d)
		}
	}
}
