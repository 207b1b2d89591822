package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script, which reads like a manual: the real program
// in front of a real server. Beside the commands of package testscript there are
//
//	expand FILE              puts values in the place of $NAMES in a file
//	exits N PROGRAM [ARG…]   the program ends with exit code N
//	serve FILE               crossfade serve in the background, until the script
//	                         ends; APP and ADMIN become its addresses
//	get PATH                 asks the admin address; prints the status and the body
//	query USER SQL           logs in through the proxy, prints one value
//
// and in the environment SOURCE, the server's address; NOBODY, an address where
// nobody listens; the right password in APP_PASSWORD and the right database shop.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			t, ok := env.T().(testing.TB)
			if !ok {
				return errors.New("the script has no test")
			}
			env.Values[scriptKey{}] = &script{TB: t}
			env.Setenv("PATH", filepath.Dir(program))
			env.Setenv("SOURCE", postgres.Addr())
			env.Setenv("NOBODY", nobody(t))
			env.Setenv("APP_PASSWORD", appPassword)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand": scriptExpand, "exits": scriptExits, "serve": scriptServe, "get": scriptGet, "query": scriptQuery,
		},
	})
}

// script is what one script has: its test, and the proxy that it started.
type script struct {
	testing.TB
	*child
}

type scriptKey struct{}

func scriptOf(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

// nobody is an address of this machine that was free a moment ago.
func nobody(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func scriptExpand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended) && ended.ExitCode() == want, err == nil && want == 0:
	case err == nil:
		ts.Fatalf("exit code 0, want %d", want)
	default:
		ts.Fatalf("%v, want exit code %d", err, want)
	}
}

func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve FILE")
	}
	s := scriptOf(ts)
	s.child = serveFile(s.TB, ts.MkAbs(args[0]))
	ts.Setenv("APP", s.addr)
	ts.Setenv("ADMIN", s.admin)
	_, err := fmt.Fprint(ts.Stdout(), s.out.String())
	ts.Check(err)
	_, err = fmt.Fprint(ts.Stderr(), s.talk.String())
	ts.Check(err)
}

func scriptGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: get PATH")
	}
	status, body, err := scriptOf(ts).get(args[0])
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s", status, body)
	ts.Check(err)
}

func scriptQuery(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: query USER SQL")
	}
	s := scriptOf(ts)
	conn := s.connect(s.TB, args[0], ts.Getenv("APP_PASSWORD"), "")
	_, err := fmt.Fprintln(ts.Stdout(), value[string](s.TB, conn, strings.Join(args[1:], " ")))
	ts.Check(err)
}
