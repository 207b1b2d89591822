package pgsql_test

import (
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
)

func TestEveryFlagHasItsWord(t *testing.T) {
	all := pgsql.Several<<1 - 1
	const want = "opaque|listens|unlistens|transaction|setsstate|names|prepares|temporary|advisory|holds|" +
		"seeds|loads|executes|catalog|serverbound|readwrite|writes|several"
	if got := all.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for i, word := range strings.Split(want, "|") {
		if got := pgsql.Effects(1 << i).String(); got != word {
			t.Errorf("flag %d is %s, want %s", i, got, word)
		}
	}
	if got := pgsql.Effects(0).String(); got != "none" {
		t.Errorf("the empty set is %q", got)
	}
}
