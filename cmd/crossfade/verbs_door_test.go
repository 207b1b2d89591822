package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/crossfade-db/crossfade/internal/admin"
)

func TestWhereACommandFindsItsProxyAndItsToken(t *testing.T) {
	b := openBridge(t, ready())
	host := strings.TrimPrefix(b.address, "http://")
	dir := t.TempDir()
	for _, name := range []string{"var", "elsewhere"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "crossfade.yaml")
	leave := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leave("crossfade.yaml", fmt.Sprintf("users: [{name: app, password: \"env:NOT_SET\"}]\nadmin: {address: %q}\n", host))
	leave("other.yaml", fmt.Sprintf("state: {dir: elsewhere}\nadmin: {address: %q}\n", host))
	leave("faulty.yaml", "admin: [}")
	leave("var/admin.token", b.secrets[admin.Viewer]+"\n")
	leave("elsewhere/admin.token", b.secrets[admin.Auditor]+"\n")
	viewer, auditor := b.secrets[admin.Viewer], b.secrets[admin.Auditor]
	tests := []struct {
		name  string
		env   [2]string // CROSSFADE_ADMIN, CROSSFADE_TOKEN
		args  []string
		codes [2]int // of status, which takes a viewer, and of audit list
	}{
		{"flags", [2]string{}, []string{"--admin", b.address, "--token", viewer}, [2]int{exitDone, exitUsage}},
		{"environment", [2]string{b.address, auditor}, nil, [2]int{exitDone, exitDone}},
		{"a flag before the environment", [2]string{b.address, auditor}, []string{"--token", viewer}, [2]int{exitDone, exitUsage}},
		{"the token in ./var", [2]string{b.address, ""}, nil, [2]int{exitDone, exitUsage}},
		{"the configuration", [2]string{}, []string{"-c", config}, [2]int{exitDone, exitUsage}},
		{"another state directory", [2]string{}, []string{"-c", filepath.Join(dir, "other.yaml")}, [2]int{exitDone, exitDone}},
		{"the environment before a file", [2]string{"", auditor}, []string{"-c", config}, [2]int{exitDone, exitDone}},
		{"no such configuration", [2]string{}, []string{"-c", "nowhere.yaml"}, [2]int{exitUsage, exitUsage}},
		{"a faulty configuration", [2]string{}, []string{"-c", filepath.Join(dir, "faulty.yaml")}, [2]int{exitUsage, exitUsage}},
		{"in the clear to elsewhere", [2]string{"http://192.0.2.1:7432", viewer}, nil, [2]int{exitUsage, exitUsage}},
	}
	t.Chdir(dir)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(envAdmin, test.env[0])
			t.Setenv(envToken, test.env[1])
			for i, args := range [][]string{{"status"}, {"audit", "list"}} {
				if got := command(t, append(args, test.args...)...); got.code != test.codes[i] {
					t.Errorf("%q: exit code %d, want %d: %s", args, got.code, test.codes[i], got.talk)
				}
			}
		})
	}
}

func TestAFilesTokenStaysOnThisMachine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, admin.TokenFile), []byte("secret-of-this-machine"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "crossfade.yaml")
	text := "state: {dir: .}\nadmin: {address: \"proxy.example:7432\", tls: {cert: a, key: b}}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, address string
		want          bool
	}{
		{"the address of the configuration", "", true},
		{"this machine", "http://127.0.0.1:1", true},
		{"elsewhere", "https://other.example:7432", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(envAdmin, test.address)
			t.Setenv(envToken, "")
			flags := doorFlags{config: config}
			_, token, err := flags.reach()
			if err != nil || (token != "") != test.want {
				t.Errorf("the token is sent: %t, %v", token != "", err)
			}
		})
	}
}

// page collects what a command that goes on prints.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func TestWatchPrintsWhatHasChanged(t *testing.T) {
	b := openBridge(t, ready())
	b.phase(t, "canary")
	for _, test := range []struct{ form, before, after string }{
		{"table", "share    0%\nversion  1\n", "share    0%\nversion  1\n\nshare    5%\nversion  2\n"},
	} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var out, talk page
		ended := make(chan int, 1)
		go func() {
			args := []string{"canary", "get", "--watch", "-o", test.form, "--admin", b.address, "--token", b.secrets[admin.Viewer]}
			ended <- run(ctx, args, &out, &talk)
		}()
		eventually(t, "the share is printed", func() bool { return out.String() == test.before })
		b.share(t, "5")
		eventually(t, "the new share is printed", func() bool { return out.String() == test.after })
		stop()
		if code := <-ended; code != exitDone || talk.String() != "" {
			t.Errorf("exit code %d: %s", code, talk.String())
		}
	}
}
