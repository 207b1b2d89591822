package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// find looks for a peer's program, also where Debian puts what it takes for
// administration, and notes its version.
func (s *stage) find(ctx context.Context, peer, versionFlag string) (string, error) {
	for _, candidate := range []string{peer, "/usr/sbin/" + peer, "/usr/local/sbin/" + peer} {
		path, err := exec.LookPath(candidate)
		if err != nil {
			continue
		}
		output, err := exec.CommandContext(ctx, path, versionFlag).Output()
		if err != nil {
			return "", fmt.Errorf("ask %s for its version: %w", peer, err)
		}
		s.versions[peer], _, _ = strings.Cut(strings.TrimSpace(string(output)), "\n")
		return path, nil
	}
	return "", fmt.Errorf("%s is not installed: run \"internal/setup/setup.sh bench\"", peer)
}

// startPeer runs a peer's command until it listens on addr.
func (s *stage) startPeer(ctx context.Context, name, addr string, cmd *exec.Cmd) (route, error) {
	c, err := launch(name, s.dir, cmd)
	if err != nil {
		return route{}, err
	}
	s.children = append(s.children, c)
	return route{name: name, addr: addr, pid: c.process.Pid}, c.await(ctx, addr)
}

const pgbouncerConfig = `[databases]
%[1]s = host=%[2]s port=%[3]s dbname=%[1]s
[pgbouncer]
listen_addr = %[4]s
listen_port = %[5]s
unix_socket_dir =
auth_type = hba
auth_hba_file = %[6]s
auth_file = %[7]s
pool_mode = session
default_pool_size = 100
max_client_conn = 1000
log_connections = 0
log_disconnections = 0
`

// startPgbouncer starts session pooling with the methods of login that the
// server has. It is given the server's own SCRAM secret, so that it neither
// derives keys for each login nor is unable to log in at the server.
func (s *stage) startPgbouncer(ctx context.Context) (route, error) {
	program, err := s.find(ctx, pgbouncer, "--version")
	if err != nil {
		return route{}, err
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return route{}, err
	}
	secret, err := s.server.Query(ctx, "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = '"+lockedUser+"'")
	if err != nil {
		return route{}, err
	}
	hba := filepath.Join(s.dir, "pgbouncer.hba")
	users := filepath.Join(s.dir, "pgbouncer.users")
	config := filepath.Join(s.dir, "pgbouncer.ini")
	host, port, _ := net.SplitHostPort(addr)
	serverHost, serverPort, _ := net.SplitHostPort(s.server.Addr())
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, config)
	owner, err := s.ordinaryUser()
	if err != nil {
		return route{}, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	for path, text := range map[string]string{
		hba:    fmt.Sprintf("host all %s 127.0.0.1/32 trust\nhost all %s 127.0.0.1/32 scram-sha-256\n", loadUser, lockedUser),
		users:  fmt.Sprintf("%q \"\"\n%q %q\n", loadUser, lockedUser, secret),
		config: fmt.Sprintf(pgbouncerConfig, loadName, serverHost, serverPort, host, port, hba, users),
	} {
		if err := writeFor(owner, path, text); err != nil {
			return route{}, err
		}
	}
	return s.startPeer(ctx, pgbouncer, addr, cmd)
}

// ordinaryUser is as whom pgbouncer runs, which refuses to run as root: as whom
// the server runs. nil: as whom this process runs.
func (s *stage) ordinaryUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	info, err := os.Stat(s.server.SocketDir())
	if err != nil {
		return nil, fmt.Errorf("find a user for pgbouncer: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("find a user for pgbouncer: no owner of %s", s.server.SocketDir())
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}

// writeFor stores a file that only owner can read.
func writeFor(owner *syscall.Credential, path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write a peer's file: %w", err)
	}
	if owner == nil {
		return nil
	}
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("give away a peer's file: %w", err)
	}
	return nil
}

const haproxyConfig = `global
	nbthread 1
	maxconn 1000
defaults
	mode tcp
	timeout connect 5s
	timeout client 1h
	timeout server 1h
listen bench
	bind %s
	server postgres %s
`

// startHaproxy starts a TCP relay that knows nothing of PostgreSQL.
func (s *stage) startHaproxy(ctx context.Context) (route, error) {
	program, err := s.find(ctx, haproxy, "-v")
	if err != nil {
		return route{}, err
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return route{}, err
	}
	config := filepath.Join(s.dir, "haproxy.cfg")
	if err := writeFor(nil, config, fmt.Sprintf(haproxyConfig, addr, s.server.Addr())); err != nil {
		return route{}, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "-db", "-f", config)
	return s.startPeer(ctx, haproxy, addr, cmd)
}
