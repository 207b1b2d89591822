package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func (f *fake) ExplainStatement(_ context.Context, q StatementQuery) (Explained, error) {
	f.remember(q.SQL, q.User, q.Shape, q.Side)
	one := Understood{Kind: "read", Tables: []string{}, Digest: "d1", Side: "target", Reason: "none", Treated: Treated{Class: "pass", Dirty: []string{}, Advice: []string{}}}
	return Explained{Understood: one, User: "app", SearchPath: []string{"public"}}, f.ask("explain")
}

func TestAStatementArrivesAsItWasTyped(t *testing.T) {
	h := open(t)
	sql := "SELECT '100% + \"é\" & more', $1\n-- two lines;"
	args := map[string]string{"sql": sql, "user": "app", "shape": "source", "as-side": "source"}
	if _, err := client(t, h.base, secrets[Viewer]).Do(t.Context(), verb(t, "explain"), Call{Args: args}); err != nil {
		t.Fatal(err)
	}
	if want := []string{sql, "app", "source", "source"}; strings.Join(h.given, "|") != strings.Join(want, "|") {
		t.Errorf("given %q", h.given)
	}
	if strings.Contains(h.log.String(), "more") {
		t.Errorf("the statement is in the log:\n%s", h.log)
	}
}

func TestWhatIsPromisedIsRefusedBeforeAnybodyIsAsked(t *testing.T) {
	h := open(t)
	c := client(t, h.base, secrets[Viewer])
	for _, test := range []struct {
		name, value string
		why         Why
	}{
		{"shape", "target", NotYet},
		{"as-side", "target", NotYet},
		{"shape", "both", Invalid},
		{"as-side", "", Invalid},
		{"sql", strings.Repeat("x", textBytes+1), Invalid},
	} {
		args := map[string]string{"sql": "SELECT 1"}
		args[test.name] = test.value
		_, err := c.Do(t.Context(), verb(t, "explain"), Call{Args: args})
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Why() != test.why {
			t.Errorf("%s %.20q: %v", test.name, test.value, err)
		}
	}
	if n := h.count("explain"); n != 0 {
		t.Errorf("the control was asked %d times", n)
	}
}

func TestTheLongestStatementFitsIntoARequest(t *testing.T) {
	h := open(t)
	sql := strings.Repeat("é", textBytes/2) // six bytes each in a query
	got := h.send(t, http.MethodGet, Root+"/explain?sql="+url.QueryEscape(sql), secrets[Viewer], "")
	if got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}
