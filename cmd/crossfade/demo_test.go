package main

import (
	"bytes"
	"context"
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

func TestTheDemoShowsItsFiguresAndStaysUntilItIsEnded(t *testing.T) {
	t.Setenv(demoSeconds, "1")
	t.Setenv(demoExit, "")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &watched{word: "psql -h 127.0.0.1", seen: make(chan struct{})}
	var talk output
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"demo"}, out, &talk) }()
	select {
	case <-out.seen:
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
	if talk.String() != "" {
		t.Errorf("the proxy had to warn:\n%s", &talk)
	}
}

func TestTheDemoCanEndAfterItsFigures(t *testing.T) {
	t.Setenv(demoSeconds, "1")
	t.Setenv(demoExit, "1")
	var out, talk bytes.Buffer
	if c := run(t.Context(), []string{"demo"}, &out, &talk); c != exitDone {
		t.Errorf("exit code %d, want %d\n%s\n%s", c, exitDone, &out, &talk)
	}
	if strings.Contains(out.String(), "psql") || !strings.Contains(out.String(), "What the server itself says") {
		t.Errorf("want the figures and no more:\n%s", &out)
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
	out := &watched{word: "shop through the proxy for", seen: make(chan struct{})}
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
