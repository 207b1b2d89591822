package dbserver

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// account is the operating system user as whom a server runs. The zero value is
// the user of this process.
type account struct {
	name     string
	uid, gid int
	foreign  bool // this process is root and the server runs as somebody else
}

// serverAccount is the user of this process or, since PostgreSQL refuses to run
// as root, "postgres" or "nobody" in its place.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		found, err = user.Lookup("nobody")
	}
	if err != nil {
		return account{}, fmt.Errorf("find a user for PostgreSQL, which refuses to run as root: %w", err)
	}
	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return account{}, fmt.Errorf("read the id of user %s: %w", found.Username, err)
	}
	gid, err := strconv.Atoi(found.Gid)
	if err != nil {
		return account{}, fmt.Errorf("read the group of user %s: %w", found.Username, err)
	}
	return account{name: found.Username, uid: uid, gid: gid, foreign: true}, nil
}

// credential is what a child process needs to run as a; nil means unchanged.
func (a account) credential() *syscall.Credential {
	if !a.foreign {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// own gives path, a file or a directory, to a.
func (a account) own(path string) error {
	if !a.foreign {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// ownTree gives the directory root and all in it to a. Root itself comes last,
// so that until then nobody but this process can enter it.
func (a account) ownTree(root string) error {
	if !a.foreign {
		return nil
	}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		return a.own(path)
	})
	if err != nil {
		return fmt.Errorf("give %s to user %s: %w", root, a.name, err)
	}
	return a.own(root)
}

// admit sees to it that a can enter every directory above path. Those inside the
// temporary directory are opened for it (execute permission for others, nothing
// more); a closed directory elsewhere is an error.
func (a account) admit(path string) error {
	if !a.foreign {
		return nil
	}
	for _, dir := range parents(path) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at directory: %w", err)
		}
		if a.canEnter(info) {
			continue
		}
		if !temporary(dir) {
			return fmt.Errorf("directory %s is closed to user %s, as whom PostgreSQL runs in place of root: "+
				"choose a directory that others may enter", dir, a.name)
		}
		if err := os.Chmod(dir, info.Mode().Perm()|0o001); err != nil {
			return fmt.Errorf("open directory for user %s: %w", a.name, err)
		}
	}
	return nil
}

// reaches tells whether admit would succeed, and changes nothing.
func (a account) reaches(path string) bool {
	return !a.foreign || !slices.ContainsFunc(parents(path), func(dir string) bool {
		info, err := os.Stat(dir)
		return err != nil || !a.canEnter(info) && !temporary(dir)
	})
}

// parents lists the directories above path, the nearest first.
func parents(path string) []string {
	var dirs []string
	for path != filepath.Dir(path) {
		path = filepath.Dir(path)
		dirs = append(dirs, path)
	}
	return dirs
}

// temporary tells whether dir lies inside the temporary directory.
func temporary(dir string) bool {
	return strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/")
}

func (a account) canEnter(info fs.FileInfo) bool {
	needed := fs.FileMode(0o001)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case int(stat.Uid) == a.uid:
			needed = 0o100
		case int(stat.Gid) == a.gid:
			needed = 0o010
		}
	}
	return info.Mode().Perm()&needed != 0
}
