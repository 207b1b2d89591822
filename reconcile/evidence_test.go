package reconcile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/rewrite"
)

func TestWhatIsSeenOfAValue(t *testing.T) {
	e := Evidence{
		Policy: HMAC, Key: []byte("key"),
		Columns: map[string]Policy{"public.a.shown": Show, "public.a.masked": Mask, "public.a.dropped": Drop},
	}
	// printf '\0\0\0\0\0\0\0\010public.a\0\0\0\0\0\0\0\004mail\0\0\0\0\0\0\0\003abc' | openssl dgst -sha256 -hmac key
	const sum = "4ba9d64182650e1919b7b82e55854577795d07a6f63ed8a775ee1fd33e7115fa"
	cases := []struct {
		column, value string
		want          string
	}{
		{"mail", "abc", "hmac:" + sum + ":3"},
		{"masked", "abc", "masked:3"},
		{"masked", "", "masked:0"},
		{"dropped", "abc", ""},
		{"shown", "abc", `"abc"`},
		{"shown", "null", `"null"`},
		{"shown", "a\"\n=1", `"a\"\n=1"`},
		{"shown", "\xff\x00", `\xff00`},
	}
	for _, c := range cases {
		if got := e.Of("public.a", c.column, []byte(c.value)); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.column, c.value, got, c.want)
		}
	}
	for column, want := range map[string]string{"mail": "null", "masked": "null", "shown": "null", "dropped": ""} {
		if got := e.Of("public.a", column, nil); got != want {
			t.Errorf("NULL of %s: %q", column, got)
		}
	}
	if got := (Evidence{}).Of("public.a", "mail", []byte("abc")); got != "" {
		t.Errorf("without a policy it is seen as %q", got)
	}
	if got := (Evidence{Policy: HMAC}).Of("public.a", "mail", []byte("abc")); got != "masked:3" {
		t.Errorf("a hash without a key: %q", got)
	}
	want := Field{Column: "masked", Type: "text", Value: "masked:3", Length: 3}
	if diff := cmp.Diff(want, e.Field("public.a", "masked", "text", []byte("abc"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Field{Column: "dropped"}, e.Field("public.a", "dropped", "text", []byte("abc"))); diff != "" {
		t.Error(diff)
	}
}

// TestHashesAreOfOnePlace: equal values of one column look equal, and nothing
// else does, however table, column and value lie side by side.
func TestHashesAreOfOnePlace(t *testing.T) {
	e := Evidence{Policy: HMAC, Key: []byte("key")}
	if e.Of("public.a", "b", []byte("c")) != e.Of("public.a", "b", []byte("c")) {
		t.Error("equal values look different")
	}
	seen := map[string]string{}
	for _, at := range [][3]string{{"a", "b", "cd"}, {"a", "bc", "d"}, {"ab", "c", "d"}, {"a", "b", "cd\x00"}, {"", "ab", "cd"}, {"a", "", "bcd"}} {
		text := e.sum(at[0], at[1], []byte(at[2]))
		if other, twice := seen[text]; twice {
			t.Errorf("%q looks like %q", at, other)
		}
		seen[text] = strings.Join(at[:], "|")
	}
	if e.sum("a", "b", nil) == (Evidence{Key: []byte("other")}).sum("a", "b", nil) {
		t.Error("the key makes no difference")
	}
}

func TestWhatIsSeenOfAKey(t *testing.T) {
	e := Evidence{Policy: Mask, Columns: map[string]Policy{"public.a.id": Show}}
	k := rewrite.KeyFrom([][]byte{[]byte("7"), []byte("secret")})
	if got := e.OfKey("public.a", []KeyColumn{{Name: "id"}, {Name: "mail"}}, k); got != `"7", masked:6` {
		t.Errorf("got %s", got)
	}
	if got := e.OfKey("public.a", []KeyColumn{{Name: "id"}}, k); got != "masked" {
		t.Errorf("of a key of another shape: %s", got)
	}
}

func TestPolicies(t *testing.T) {
	for word, want := range map[string]Policy{"drop": Drop, "mask": Mask, "hmac": HMAC, "show": Show} {
		if got, err := ParsePolicy(word); got != want || err != nil {
			t.Errorf("%s: %v, %v", word, got, err)
		}
	}
	if got, err := ParsePolicy("all"); got != Drop || err == nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestTheEvidenceKey(t *testing.T) {
	dir := t.TempDir()
	key, err := EvidenceKey(dir)
	if err != nil || len(key) != 32 {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	again, err := EvidenceKey(dir)
	if err != nil || string(again) != string(key) {
		t.Errorf("the second time it is another, %v", err)
	}
	if other, _ := EvidenceKey(t.TempDir()); string(other) == string(key) {
		t.Error("another directory has the same")
	}
	path := filepath.Join(dir, "evidence.key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files are there", len(files))
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := EvidenceKey(dir); err == nil || !strings.Contains(err.Error(), "can be read by others (mode 0640): chmod 600 "+path) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, []byte("abcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := EvidenceKey(dir); err == nil || !strings.Contains(err.Error(), "64 hexadecimal digits") {
		t.Errorf("got %v", err)
	}
	if _, err := EvidenceKey(filepath.Join(dir, "none")); err == nil {
		t.Error("a key of no directory")
	}
}
