//go:build unix

package state

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// flock takes the file for this process until it is closed, also by kill -9.
func flock(f *os.File) (taken bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
