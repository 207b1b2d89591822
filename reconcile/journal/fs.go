package journal

import (
	"io"
	"os"
)

// FS is the disk under a journal. Errors name the operation and the file.
type FS interface {
	MkdirAll(dir string) error
	// List gives the names in a directory, without order.
	List(dir string) ([]string, error)
	// Read gives the first limit bytes of a file, or all it has.
	Read(name string, limit int64) ([]byte, error)
	// Create makes a file that is not there yet.
	Create(name string) (File, error)
	Remove(name string) error
	// Sync makes durable what a file holds, or the names of a directory.
	Sync(name string) error
}

// File is a segment that is written.
type File interface {
	io.WriteCloser
	// Sync makes durable what was written.
	Sync() error
}

// disk is the real one.
type disk struct{}

func (disk) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (disk) Remove(name string) error { return os.Remove(name) }

func (disk) Create(name string) (File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (disk) List(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (disk) Read(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(info.Size(), limit))
	n, err := io.ReadFull(f, b)
	if err != nil && n < len(b) && err != io.ErrUnexpectedEOF { //nolint:errorlint // ReadFull returns it bare
		return nil, err
	}
	return b[:n], nil
}

func (disk) Sync(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
