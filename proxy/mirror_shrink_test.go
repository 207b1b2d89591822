package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// trial is a test that only notes whether it has failed.
type trial struct {
	testing.TB
	said []string
}

func (t *trial) Helper()                   {}
func (t *trial) Failed() bool              { return len(t.said) > 0 }
func (t *trial) Error(a ...any)            { t.said = append(t.said, fmt.Sprint(a...)) }
func (t *trial) Errorf(f string, a ...any) { t.said = append(t.said, fmt.Sprintf(f, a...)) }
func (t *trial) Logf(string, ...any)       {}
func (t *trial) Fatal(a ...any)            { t.Error(a...); panic(t) }
func (t *trial) Fatalf(f string, a ...any) { t.Errorf(f, a...); panic(t) }

// tried says what fails about a script; "": nothing.
func tried(t testing.TB, run func(testing.TB)) (failed string) {
	try := &trial{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(try) {
			panic(p)
		}
		failed = strings.Join(try.said, "\n")
	}()
	run(try)
	return ""
}

// shrunk is what is left of a script that fails when all is taken away without
// which it fails in the same way.
func shrunk(script []step, fails func([]step) bool) []step {
	for again := true; again; {
		again = false
		for size := max(1, len(script)/2); size > 0; size /= 2 {
			for at := len(script) - size; at >= 0; at -= size {
				if less := slices.Delete(slices.Clone(script), at, at+size); fails(less) {
					script, again = less, true
					at = min(at, len(script))
				}
			}
		}
		for i := range script {
			for at := len(script[i]) - 2; at >= 0; at-- { // the last message says that it is over
				less := slices.Clone(script)
				less[i] = slices.Delete(slices.Clone(script[i]), at, at+1)
				if fails(less) {
					script, again = less, true
				}
			}
		}
	}
	return script
}

// wayOf is how a script fails: what is silent is not taken for what is not.
func wayOf(failed string) string {
	for _, way := range []string{"nothing of it is dirty", "differs:", "-direct +source", "no more:", "step"} {
		if strings.Contains(failed, way) {
			return way
		}
	}
	return failed
}

// asCode is a step as a test would have it.
func asCode(says step) string {
	if q, ok := says[0].(*pgproto3.Query); ok && len(says) == 1 {
		return fmt.Sprintf("q(%q)", q.String)
	}
	var out []string
	for _, m := range says {
		out = append(out, sayAsCode(m))
	}
	return "{" + strings.Join(out, ", ") + "}"
}

func sayAsCode(m say) string {
	switch m := m.(type) {
	case *pgproto3.Query:
		return fmt.Sprintf("query(%q)", m.String)
	case *pgproto3.Parse:
		return fmt.Sprintf("parseAs(%q, %q)", m.Name, m.Query)
	case *pgproto3.Bind:
		return fmt.Sprintf("bindPortal(%q, %q, %#v, %q)", m.DestinationPortal, m.PreparedStatement, m.ResultFormatCodes, m.Parameters)
	case *pgproto3.Describe:
		return fmt.Sprintf("describe%c(%q)", m.ObjectType, m.Name)
	case *pgproto3.Close:
		return fmt.Sprintf("closes%c(%q)", m.ObjectType, m.Name)
	case *pgproto3.Execute:
		return fmt.Sprintf("executesRows(%q, %d)", m.Portal, m.MaxRows)
	case *pgproto3.CopyData:
		return fmt.Sprintf("data(%q)", m.Data)
	default:
		return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
	}
}
