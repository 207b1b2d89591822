package dbserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// socketLimit bounds the path of the Unix socket. The kernels take 108 bytes
// (Linux, unix(7)) and 104 (macOS), the final zero included.
const socketLimit = 100

// home is the directory of one server; see the package comment for its layout.
type home struct {
	root   string
	socket string // root/s, or a directory of its own where root's path is too long
	owner  account
}

func (h home) data() string      { return filepath.Join(h.root, "data") }
func (h home) config() string    { return filepath.Join(h.root, "postgres.conf") }
func (h home) hba() string       { return filepath.Join(h.root, "hba.conf") }
func (h home) log() string       { return filepath.Join(h.root, "postgres.log") }
func (h home) tls() string       { return filepath.Join(h.root, "tls") }
func (h home) authority() string { return filepath.Join(h.tls(), "ca.pem") }

// newHome makes the directories of a server below dir, which must be absent or
// empty; "" means a fresh temporary directory.
func newHome(dir string, owner account) (home, error) {
	root, err := rootDir(dir, owner)
	if err != nil {
		return home{}, fmt.Errorf("make the server's directory: %w", err)
	}
	h := home{root: root, owner: owner}
	if err := h.makeDirs(); err != nil {
		return home{}, errors.Join(fmt.Errorf("make the server's directory: %w", err), h.remove())
	}
	return h, nil
}

func (h *home) makeDirs() error {
	if err := os.Mkdir(h.data(), 0o700); err != nil {
		return err
	}
	h.socket = filepath.Join(h.root, "s")
	if len(filepath.Join(h.socket, ".s.PGSQL.65535")) > socketLimit {
		short, err := tempDir(h.owner, "/tmp")
		if err != nil {
			return err
		}
		h.socket = filepath.Join(short, "s")
	}
	if err := os.Mkdir(h.socket, 0o700); err != nil {
		return err
	}
	return h.owner.own(h.socket)
}

// write stores one file that the server reads.
func (h home) write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("write server file: %w", err)
	}
	return h.owner.own(path)
}

// remove deletes all that newHome and the server have made.
func (h home) remove() error {
	err := os.RemoveAll(h.root)
	if h.socket != "" && filepath.Dir(h.socket) != h.root {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(h.socket)))
	}
	if err != nil {
		return fmt.Errorf("remove the server's directory: %w", err)
	}
	return nil
}

func rootDir(dir string, owner account) (string, error) {
	if dir == "" {
		return tempDir(owner, os.TempDir(), "/tmp")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty", dir)
	}
	return dir, openTo(dir, owner)
}

// tempDir makes a fresh directory in the first of bases that owner can reach: a
// root's TMPDIR is often closed to everybody else.
func tempDir(owner account, bases ...string) (string, error) {
	var errs []error
	for _, base := range bases {
		dir, err := os.MkdirTemp(base, "crossfade-pg-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err = openTo(dir, owner); err == nil {
			return dir, nil
		}
		errs = append(errs, err, os.Remove(dir))
	}
	return "", errors.Join(errs...)
}

// openTo lets owner, and nobody's listing, into dir.
func openTo(dir string, owner account) error {
	if !owner.foreign {
		return os.Chmod(dir, 0o700)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	return owner.admit(dir)
}
