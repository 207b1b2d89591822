package state

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// InUseError says that another store has the directory.
type InUseError struct {
	Dir string
	PID int // 0 when it has not said yet
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("state directory %s is in use by %s: stop that instance, or give this one a state.dir of its own", e.Dir, who)
}

// takeDir takes a directory until the file is closed. The file stays, since
// one that is removed could be locked by two.
func takeDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	taken, err := flock(f)
	if err == nil && !taken {
		err = &InUseError{Dir: dir, PID: holder(f)}
	}
	if err == nil { // always as long, so that a full disk does not keep anybody from starting
		_, err = f.WriteAt(fmt.Appendf(nil, "%-10d\n", os.Getpid()), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

func holder(f *os.File) int {
	var text [20]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return 0
	}
	return pid
}

// makeDir makes the directory, for its owner only. One that exists stays as it
// is, but others may not write into it.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(dir, err)
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return unwritable(dir, err)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("state directory %s can be written by others (mode %04o): chmod 700 %s", dir, info.Mode().Perm(), dir)
	default:
		return nil
	}
}

func unwritable(dir string, err error) error {
	return fmt.Errorf("state directory %s cannot be used: %w: make it a directory that this user may write, or name another as state.dir", dir, err)
}
