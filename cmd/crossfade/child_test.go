package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// settings are a configuration file. What is empty has a plain value: a listener
// and an admin address on free ports, the shared server, the user app.
type settings struct {
	name     string // of the one listener
	listener string // its other keys
	source   string // the keys of source
	users    string
	more     string // whole keys of the top level
}

const appUser = `[{name: app, password: "env:APP_PASSWORD"}]`

// write makes dir/crossfade.yaml of s.
func (s settings) write(dir string) (file string, err error) {
	if s.name == "" {
		s.name = "app"
	}
	if s.listener == "" {
		s.listener = "address: 127.0.0.1:0"
	}
	if s.source == "" {
		s.source = "address: " + postgres.Addr()
	}
	if s.users == "" {
		s.users = appUser
	}
	if !strings.Contains(s.more, "admin:") {
		s.more = "admin: {address: 127.0.0.1:0}\n" + s.more
	}
	text := fmt.Sprintf("listeners: [{name: %s, %s}]\nsource: {%s}\nusers: %s\n%s\n", s.name, s.listener, s.source, s.users, s.more)
	file = filepath.Join(dir, "crossfade.yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// child is a running `crossfade serve`.
type child struct {
	*exec.Cmd
	file        string
	addr, admin string
	out, talk   output
	ended       chan struct{}
	err         error // of Wait; set when ended is closed
}

// start runs the program with s and waits until it says that it is ready. It
// ends with the test.
func start(t testing.TB, s settings, env ...string) *child {
	t.Helper()
	file, err := s.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return serveFile(t, file, env...)
}

func serveFile(t testing.TB, file string, env ...string) *child {
	t.Helper()
	c, err := launch(file, env...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	eventually(t, "crossfade is ready", func() bool {
		return c.over() || strings.HasSuffix(c.out.String(), "\n")
	})
	if c.over() {
		t.Fatalf("crossfade ended: %v\n%s", c.err, c.talk.String())
	}
	for word := range strings.FieldsSeq(c.out.String()) {
		if addr, ok := strings.CutPrefix(word, "app="); ok {
			c.addr = addr
		}
		if addr, ok := strings.CutPrefix(word, "admin="); ok {
			c.admin = addr
		}
	}
	return c
}

// launch starts the program and does not wait.
func launch(file string, env ...string) (*child, error) {
	c := &child{Cmd: exec.Command(program, "serve", "-c", file), file: file, ended: make(chan struct{})}
	c.Stdout, c.Stderr = &c.out, &c.talk
	c.Env = append([]string{"APP_PASSWORD=" + appPassword}, env...)
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start crossfade: %w", err)
	}
	go func() {
		defer close(c.ended)
		c.err = c.Wait()
	}()
	return c, nil
}

// over tells whether the process has ended.
func (c *child) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// kill is kill -9, and waits for the end.
func (c *child) kill() {
	_ = c.Process.Kill()
	<-c.ended
}

// rewrite gives the process another configuration and tells it so.
func (c *child) rewrite(t testing.TB, s settings) {
	t.Helper()
	if _, err := s.write(filepath.Dir(c.file)); err != nil {
		t.Fatal(err)
	}
	c.signal(t, syscall.SIGHUP)
}

// What the log says when a file was looked at.
const (
	reloaded = "configuration reloaded"
	refused  = "reload refused, the configuration in force stays"
)

// reload is rewrite of a file without fault, and waits until it is in force.
func (c *child) reload(t testing.TB, s settings) {
	t.Helper()
	before := c.talk.count(reloaded)
	c.rewrite(t, s)
	eventually(t, "the configuration is reloaded", func() bool { return c.talk.count(reloaded) > before })
}

func (c *child) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatalf("signal crossfade: %v", err)
	}
}

// says waits for a line of the log that has all of words.
func (c *child) says(t testing.TB, words ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the log says %q", words), func() bool { return c.said(words...) })
}

func (c *child) said(words ...string) bool {
	for line := range strings.Lines(c.talk.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

// exits waits for the end of the process and checks its exit code.
func (c *child) exits(t testing.TB, want int) {
	t.Helper()
	eventually(t, "crossfade ends", c.over)
	if got := c.ProcessState.ExitCode(); got != want {
		t.Errorf("exit code %d (%v), want %d\n%s", got, c.err, want, c.talk.String())
	}
}

// get asks the admin address.
func (c *child) get(path string) (status int, body string, err error) {
	return get("http://" + c.admin + path)
}

// door is without kept connections, which would outlive a test.
var door = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func get(url string) (status int, body string, err error) {
	answer, err := door.Get(url)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), errors.Join(err, answer.Body.Close())
}

// output collects what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) count(words string) int { return strings.Count(o.String(), words) }

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never happened: %s", what)
		}
	}
}
