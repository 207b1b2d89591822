package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData is fsync without what is not needed to read the file again (fdatasync,
// POSIX.1-2017).
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
