package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// watched tells when a word has come.
type watched struct {
	output
	word string
	seen chan struct{} // closed then
	once sync.Once
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.output.Write(p)
	if strings.Contains(w.String(), w.word) {
		w.once.Do(func() { close(w.seen) })
	}
	return n, err
}

// unexpected are the lines of the proxy that are not about the target, which
// the demo kills and starts again.
func unexpected(talk string) (lines []string) {
	for line := range strings.Lines(talk) {
		if !strings.Contains(line, `msg="the target"`) && !strings.Contains(line, `msg="a server lives anew`) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestTheDemoShowsItsFiguresAndStaysUntilItIsEnded(t *testing.T) {
	t.Setenv(demoSeconds, "1")
	t.Setenv(demoExit, "")
	t.Setenv(envAdmin, "http://127.0.0.1:1") // must not matter to it
	t.Setenv(envToken, "somebody else's")
	page := filepath.Join(t.TempDir(), "report.html")
	t.Setenv(demoReport, page)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &watched{word: "Ctrl-C ends it", seen: make(chan struct{})}
	var talk output
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"demo"}, out, &talk) }()
	select {
	case <-out.seen:
		typeAsTold(t, out.String())
	case c := <-code:
		t.Fatalf("it ended with %d\n%s\n%s", c, out, &talk)
	}
	stop()
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d, want %d\n%s", c, exitDone, &talk)
	}
	text := out.String()
	if strings.Contains(text, "FAIL") || strings.Count(text, "\n  ok ") == 0 {
		t.Errorf("not all checks hold:\n%s", text)
	}
	if !strings.HasSuffix(text, "Ended; nothing is left behind.\n") {
		t.Errorf("it does not say that it has ended:\n%s", text)
	}
	for _, act := range []string{
		"check", "phase set mirror", "table list", "phase set canary", "canary set", "divergence show", "divergence waive",
		"reconcile run", "backfill", "abort", "audit verify",
	} {
		if !strings.Contains(text, "\n$ crossfade "+act) {
			t.Errorf("it does not show %s:\n%s", act, text)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(text, page) || !strings.HasPrefix(string(html), "<!doctype html>") || !strings.Contains(string(html), "few_of_each") {
		t.Errorf("the report: %v, %.100s", err, html)
	}
	if lines := unexpected(talk.String()); len(lines) > 0 {
		t.Errorf("the proxy had to warn:\n%s", lines)
	}
}

// typeAsTold types what the demo tells its visitors to type.
func typeAsTold(t *testing.T, text string) {
	t.Helper()
	lines := regexp.MustCompile(`export CROSSFADE_ADMIN=(\S+)\s+export CROSSFADE_TOKEN="\$\(cat (\S+)\)"`).FindStringSubmatch(text)
	if lines == nil {
		t.Fatalf("it does not say how to reach its proxy:\n%s", text)
	}
	secret, err := os.ReadFile(lines[2])
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(secret))
	if strings.Contains(text, token) {
		t.Error("it prints the token")
	}
	var answer, talk bytes.Buffer
	args := []string{"canary", "set", "50", "--reason", "my own", "--admin", lines[1], "--token", token}
	if c := run(t.Context(), args, &answer, &talk); c != exitDone || !strings.Contains(answer.String(), "50%") {
		t.Errorf("canary set: exit code %d\n%s\n%s", c, &answer, &talk)
	}
}

func TestTheDemoSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		variable, value string
		code            int
		want            string
	}{
		"no PostgreSQL":                 {dbserver.BinVariable, "/nonexistent", exitUnreachable, "make setup"},
		"a length that is no number":    {demoSeconds, "long", exitUsage, demoSeconds},
		"no length":                     {demoSeconds, "0", exitUsage, demoSeconds},
		"neither yes nor no for ending": {demoExit, "perhaps", exitUsage, demoExit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			var out, talk bytes.Buffer
			if code := run(t.Context(), []string{"demo", "--exit"}, &out, &talk); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(talk.String(), c.want) {
				t.Errorf("it says %q, want %q in it", &talk, c.want)
			}
		})
	}
}

func TestAnInterruptedDemoHasNotSucceeded(t *testing.T) {
	t.Setenv(demoSeconds, "60")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &watched{word: "phase, share", seen: make(chan struct{})}
	var talk output
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"demo", "--exit"}, out, &talk) }()
	select {
	case <-out.seen:
	case c := <-code:
		t.Fatalf("it ended with %d\n%s\n%s", c, out, &talk)
	}
	stop()
	if c := <-code; c != exitFound || !strings.Contains(talk.String(), "interrupted") {
		t.Errorf("exit code %d, want %d; it says %q", c, exitFound, &talk)
	}
}
