package dbserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// locales are tried in turn: C.UTF-8 is missing on older systems.
var locales = []string{"C.UTF-8", "C"}

// template is the directory of a cluster fresh from initdb, owned by the user of
// this process. It is made on first use, by one process at a time.
//
// The superuser's password in it is random and known to nobody: every server
// gets its own before it listens.
func template(ctx context.Context, install Install, owner account) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "templates")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the template directory: %w", err)
	}
	path := filepath.Join(dir, templateName(install))
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	return path, makeTemplate(ctx, install, owner, path)
}

// templateName differs wherever initdb may give something else.
func templateName(install Install) string {
	identity := strings.Join(append([]string{install.Bin, install.Version.Text}, initArguments("", "", "")...), "\x00")
	sum := sha256.Sum256([]byte(identity))
	return fmt.Sprintf("postgres-%d.%d-%x", install.Version.Major, install.Version.Minor, sum[:4])
}

// makeTemplate runs initdb where owner can write, and publishes the result at
// path by one rename, so that a template is whole or absent.
func makeTemplate(ctx context.Context, install Install, owner account, path string) error {
	h, err := newHome("", owner)
	if err != nil {
		return err
	}
	if err = initialise(ctx, install, h); err == nil {
		err = publish(h.data(), path)
	}
	return errors.Join(err, h.remove())
}

func publish(data, path string) error {
	draft := path + ".draft"
	if err := os.RemoveAll(draft); err != nil {
		return fmt.Errorf("remove an unfinished template: %w", err)
	}
	if err := copyCluster(draft, data); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("publish the template: %w", err)
	}
	return nil
}

func initialise(ctx context.Context, install Install, h home) error {
	passwordFile := filepath.Join(h.root, "password")
	if err := h.write(passwordFile, []byte(rand.Text()+"\n")); err != nil {
		return err
	}
	if err := h.owner.own(h.data()); err != nil {
		return err
	}
	var output []byte
	for _, locale := range locales {
		cmd := command(ctx, install, h.owner, "initdb", initArguments(h.data(), passwordFile, locale)...)
		var err error
		if output, err = cmd.CombinedOutput(); err == nil {
			return nil
		}
		if !strings.Contains(string(output), "invalid locale name") {
			return fmt.Errorf("run initdb: %w: %s", err, tail(string(output)))
		}
	}
	return fmt.Errorf("run initdb: %s", tail(string(output)))
}

func initArguments(data, passwordFile, locale string) []string {
	return []string{
		"-D", data, "-U", Superuser, "-A", "scram-sha-256", "--pwfile=" + passwordFile,
		"--no-sync", "-E", "UTF8", "--locale=" + locale,
	}
}

// copyCluster copies the data directory from to the directory to, which is
// absent or empty, and keeps it closed: PostgreSQL refuses an open one.
func copyCluster(to, from string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	return nil
}

// lock takes the lock file at path, or waits for it until ctx ends. The kernel
// gives it back when the process ends in any way.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	err = poll(ctx, func() (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}
