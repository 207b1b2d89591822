package admin

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWrongTokensAreOneActAMinute(t *testing.T) {
	h := open(t)
	for i := range strikesAllowed + 5 {
		want := http.StatusUnauthorized
		if i >= strikesAllowed {
			want = http.StatusTooManyRequests
		}
		if got := h.send(t, "GET", "/api/v1/status", fmt.Sprintf("guess-%d", i), ""); got.status != want {
			t.Errorf("guess %d: %d, want %d", i, got.status, want)
		}
	}
	want := []Note{{Change: Change{Door: DoorHTTP, Address: "127.0.0.1", Reason: "wrong token"}, Act: "login", Result: ResultRefused}}
	if diff := cmp.Diff(want, h.notes); diff != "" {
		t.Error(diff)
	}
	if got := h.send(t, "POST", "/api/v1/abort", secrets[Operator], ""); got.status != http.StatusOK {
		t.Errorf("the right token after the wrong ones: %d", got.status)
	}
}

func TestNoTokenIsNoAct(t *testing.T) {
	h := open(t)
	h.send(t, "GET", "/api/v1/status", "", "")
	h.send(t, "GET", "/", "", "")
	if len(h.notes) != 0 {
		t.Errorf("acts: %+v", h.notes)
	}
}

func TestReadingTheChainIsAnAct(t *testing.T) {
	h := open(t)
	for range 3 {
		h.send(t, "GET", "/api/v1/audit", secrets[Auditor], "")
		h.send(t, "GET", "/api/v1/audit", secrets[Operator], "")
		h.send(t, "GET", "/api/v1/audit/verify", secrets[Auditor], "")
		h.send(t, "GET", "/api/v1/status", secrets[Auditor], "")
	}
	if list, verify, all := h.noted("audit list"), h.noted("audit verify"), len(h.notes); list != 2 || verify != 1 || all != 3 {
		t.Errorf("%d audit list, %d audit verify, %d in all: %+v", list, verify, all, h.notes)
	}
}

func TestStrikesAreBoundedAndForgotten(t *testing.T) {
	now := time.Unix(0, 0)
	s := newStrikes(func() time.Time { return now })
	if got := s.strike("a"); got != (struck{first: true}) {
		t.Errorf("the first: %+v", got)
	}
	for range strikesAllowed - 1 {
		if got := s.strike("a"); got != (struck{}) {
			t.Errorf("one of those that are allowed: %+v", got)
		}
	}
	if got := s.strike("a"); got != (struck{over: true}) {
		t.Errorf("one too many: %+v", got)
	}
	if got := s.strike("b"); !got.first || got.over {
		t.Errorf("another address: %+v", got)
	}
	now = now.Add(strikeTime)
	if got := s.strike("a"); got != (struck{first: true}) {
		t.Errorf("a minute later: %+v", got)
	}
	acts := 0
	for i := range 100 * strikeAddresses {
		if s.strike(fmt.Sprint(i)).first {
			acts++
		}
	}
	if most := strikeAddresses + 1; len(s.since) > most || acts > most {
		t.Errorf("%d addresses kept, %d acts, and %d is the most", len(s.since), acts, most)
	}
	now = now.Add(strikeTime)
	if got := s.strike("new"); !got.first || len(s.since) > 2 {
		t.Errorf("a minute later: %+v, %d kept", got, len(s.since))
	}
}

func TestAnIPv6AddressCountsAsItsSubnet(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64",
		"2001:db8:1:3::9": "2001:db8:1:3::/64", "fe80::1%eth0": "fe80::/64", "": "",
	} {
		if got := network(address); got != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
}

func TestTheTokenFileIsForItsOwnerAndNewEachTime(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, TokenFile)
	if err := os.WriteFile(path, []byte("left by somebody"), 0o666); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	seen := map[string]bool{}
	for range 2 {
		token, where, err := WriteToken(dir)
		if err != nil || where != path || token.Role != Operator || token.Name != LocalOperator {
			t.Fatalf("%v %s %v", token, where, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v %v", info.Mode(), err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		secret := strings.TrimSpace(string(text))
		if found, ok := match([]Token{token}, secret); !ok || found.Name != LocalOperator || seen[secret] {
			t.Errorf("the file does not hold the token, or the one before: %t %t", ok, seen[secret])
		}
		seen[secret] = true
	}
	old := make([]byte, 64)
	if n, _ := reader.Read(old); string(old[:n]) != "left by somebody" {
		t.Errorf("who had the old file open reads %q", old[:n])
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files left: %v %v", files, err)
	}
	for range 2 {
		if err := RemoveToken(dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestALinkInThePlaceOfTheTokenFileLeadsNowhere(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := os.Symlink(elsewhere, filepath.Join(dir, TokenFile)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := WriteToken(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(elsewhere); !os.IsNotExist(err) {
		t.Errorf("the token was written through the link: %v", err)
	}
	if _, _, err := WriteToken(filepath.Join(dir, "nowhere")); err == nil || !strings.Contains(err.Error(), "write admin token") {
		t.Errorf("no directory: %v", err)
	}
}

func TestATokenDoesNotPrint(t *testing.T) {
	token, err := NewToken("ops", Operator, secrets[Operator])
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, token); got != "ops(operator)" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if _, err := NewToken("ops", Operator, "too short"); err == nil || strings.Contains(err.Error(), "too short") {
		t.Errorf("a short secret: %v", err)
	}
}

func TestWithoutTokensNobodyGetsIn(t *testing.T) {
	d := newDoor(Options{Control: newFake()}, nil)
	for _, secret := range []string{"", " ", "x"} {
		r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		if _, err := d.login(r); err == nil {
			t.Errorf("%q gets in", secret)
		}
	}
}
