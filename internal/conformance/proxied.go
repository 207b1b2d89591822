package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// place is where clients connect: the server itself, or the proxy.
type place struct {
	port int    // of 127.0.0.1
	ca   string // file of the authority of its certificate
}

// account is a user of the proxy. Its name and password are the same at the
// server.
type account struct {
	name, password string
	auth           string // as in the proxy's configuration
}

// side is one of a proxy's databases.
type side struct {
	address string
	tls     map[string]any // towards it; nil: none
}

func (s side) config() map[string]any {
	config := map[string]any{"address": s.address}
	if s.tls != nil {
		config["tls"] = s.tls
	}
	return config
}

// canary is the part of a configuration that says who goes to the target.
type canary struct {
	writes string // refuse or target
	keys   []string
}

// proxyOptions are what the proxies of the suites differ in.
type proxyOptions struct {
	binary    string
	source    side
	target    *side // with canary
	canary    canary
	clientCA  string // who signs client certificates, "" for none
	cert, key string // what it presents; "": its own, of an authority of its own
	plain     bool   // it offers no encryption
	accounts  []account
}

// proxied is a running proxy.
type proxied struct {
	place
	cmd   *exec.Cmd
	log   string // path
	admin string // its address
}

// startProxy starts a proxy in a directory of its own below dir and waits for
// its ready line.
func startProxy(ctx context.Context, dir string, o proxyOptions) (*proxied, error) {
	dir, err := os.MkdirTemp(dir, "proxy-")
	if err != nil {
		return nil, fmt.Errorf("make the proxy's directory: %w", err)
	}
	signer, err := newAuthority(dir)
	if err != nil {
		return nil, err
	}
	env, err := o.write(dir, signer)
	if err != nil {
		return nil, err
	}
	p := &proxied{place: place{ca: signer.file()}, log: filepath.Join(dir, "log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("make the proxy's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = command(ctx, dir, o.binary, "serve", "-c", filepath.Join(dir, "crossfade.yaml"))
	p.cmd.Env, p.cmd.Stderr = append(p.cmd.Env, env...), log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	if err := p.ready(out); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// ready reads the proxy's first line, "ready NAME=ADDR…".
func (p *proxied) ready(out io.Reader) error {
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		said, _ := os.ReadFile(p.log)
		return fmt.Errorf("wait for the proxy: %w: %s", err, said)
	}
	for _, word := range strings.Fields(line) {
		name, address, _ := strings.Cut(word, "=")
		switch name {
		case "tcp":
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return fmt.Errorf("read the ready line: %w", err)
			}
			if p.port, err = strconv.Atoi(port); err != nil {
				return fmt.Errorf("read the ready line: %w", err)
			}
		case "admin":
			p.admin = address
		}
	}
	if p.port == 0 || p.admin == "" {
		return fmt.Errorf("read the ready line: no address in %q", line)
	}
	return nil
}

// operate runs a command as an operator does. The token is in the proxy's own
// directory.
func (p *proxied) operate(ctx context.Context, words ...string) error {
	args := append(words, "--reason", "conformance", "-c", p.cmd.Args[len(p.cmd.Args)-1], "--admin", "http://"+p.admin)
	if _, err := output(ctx, p.cmd.Dir, p.cmd.Path, args...); err != nil {
		return fmt.Errorf("operate the proxy: %w", err)
	}
	return nil
}

// canaryOf moves the proxy to phase canary, with a share in percent.
func (p *proxied) canaryOf(ctx context.Context, share string) error {
	if err := p.operate(ctx, "phase", "set", "canary"); err != nil {
		return err
	}
	return p.operate(ctx, "canary", "set", share)
}

// drainLimit is how long a proxy waits for open transactions, stopLimit how
// long it may take to end.
const (
	drainLimit = 2 * time.Second
	stopLimit  = 5 * drainLimit
)

// stop ends the proxy as an operator does.
func (p *proxied) stop() error {
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case err := <-done:
		return err
	case <-limit.C:
		_ = p.cmd.Process.Kill()
		return errors.Join(errors.New("stop the proxy: it did not end by itself"), <-done)
	}
}

// backends are the local ports of all connections that it made to the server.
func (p *proxied) backends() (map[string]bool, error) {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return nil, fmt.Errorf("read the proxy's log: %w", err)
	}
	return backendPorts(string(log)), nil
}

// write stores the configuration, as JSON, which is YAML. The passwords are in
// the environment that it returns.
func (o proxyOptions) write(dir string, signer *authority) (env []string, err error) {
	listener, err := o.listener(signer)
	if err != nil {
		return nil, err
	}
	var users []map[string]any
	for i, a := range o.accounts {
		user := map[string]any{"name": a.name, "auth": a.auth}
		if a.password != "" {
			name := "CONFORMANCE_PASSWORD_" + strconv.Itoa(i)
			env = append(env, name+"="+a.password)
			user["password"] = "env:" + name
		}
		users = append(users, user)
	}
	config := map[string]any{
		"listeners": []any{listener},
		"source":    o.source.config(),
		"users":     users,
		"state":     map[string]any{"dir": filepath.Join(dir, "state")},
		"admin":     map[string]any{"address": "127.0.0.1:0"},
		"limits":    map[string]any{"drain": drainLimit.String()},
		"log":       map[string]any{"level": "debug", "format": "json"},
	}
	if o.target != nil {
		config["target"] = o.target.config()
		config["canary"] = map[string]any{"writes": o.canary.writes, "key": o.canary.keys, "salt": "conformance"}
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the proxy's configuration: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "crossfade.yaml"), text, 0o600); err != nil {
		return nil, fmt.Errorf("write the proxy's configuration: %w", err)
	}
	return env, nil
}

// listener is the one that clients of TCP come to.
func (o proxyOptions) listener(signer *authority) (map[string]any, error) {
	listener := map[string]any{"name": "tcp", "address": "127.0.0.1:0"}
	if o.plain {
		return listener, nil
	}
	cert, key := o.cert, o.key
	if cert == "" {
		var err error
		if cert, key, err = signer.issue("localhost"); err != nil {
			return nil, err
		}
	}
	listener["tls"] = map[string]any{"mode": "prefer", "cert": cert, "key": key, "client_ca": o.clientCA}
	return listener, nil
}
