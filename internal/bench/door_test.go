package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testToken = "a-token-of-the-test"

// testDoor is a door whose program is a script, in a directory of its own.
func testDoor(t *testing.T, script string) door {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "crossfade")
	for path, text := range map[string]string{
		program: "#!/bin/sh\ncd '" + dir + "'\n" + script, filepath.Join(dir, "admin.token"): testToken + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return door{program: program, address: "127.0.0.1:1", state: dir}
}

func TestTheShareIsSetAsAnOperatorSetsIt(t *testing.T) {
	d := testDoor(t, `echo "$@" >>words; echo "$CROSSFADE_ADMIN $CROSSFADE_TOKEN" >>environment`)
	if err := d.open(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"words":       "phase set canary --reason benchmark\ncanary set 100 --reason benchmark\n",
		"environment": strings.Repeat("http://127.0.0.1:1 "+testToken+"\n", 2),
	} {
		got, err := os.ReadFile(filepath.Join(d.state, file))
		if err != nil || string(got) != want {
			t.Errorf("%s = %q, %v, want %q", file, got, err, want)
		}
	}
}

func TestARefusedCommandTellsWhyAndNotTheToken(t *testing.T) {
	d := testDoor(t, "echo no such phase >&2; exit 2")
	err := d.setShare(t.Context(), 100)
	if err == nil || !strings.Contains(err.Error(), "no such phase") || strings.Contains(err.Error(), testToken) {
		t.Errorf("error = %v, want what the command said, without the token", err)
	}
}

// testStatus says that one session is at the source, and has one leg.
const testStatus = `echo '{"phase":"canary","sessions":{"source":1,"target":0,"pending":0},"backends":{"source":1,"target":0},"pins":{"temporary":1}}'`

func TestStatusCountsSessionsAndLegs(t *testing.T) {
	now, err := testDoor(t, testStatus).status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now.Sessions != (sides{Source: 1}) || now.Backends != (sides{Source: 1}) || now.Pins["temporary"] != 1 {
		t.Errorf("status = %+v", now)
	}
}

func TestAMoveThatDidNotHappenIsAnError(t *testing.T) {
	d := testDoor(t, testStatus)
	c := &crowd{proxy: route{door: d}}
	if _, err := c.move(t.Context(), 100); err == nil || !strings.Contains(err.Error(), "temporary") {
		t.Errorf("error = %v, want one with the reason", err)
	}
}
