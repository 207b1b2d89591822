package journal

import (
	"errors"
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
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &grown{File: f}, nil
}

// grown is a file that has zeros ahead of where it is written: to make a write
// durable that does not change the file's size is one write of the disk and not
// two. What is left of them goes when it is closed, or stays after a crash.
type grown struct {
	*os.File
	at  int64 // where it is written
	end int64 // of its zeros
}

// ahead is how many zeros are written at a time.
const ahead = 256 << 10

var zeros [ahead]byte

func (g *grown) Write(p []byte) (int, error) {
	end := g.at + int64(len(p))
	if g.at > 0 && end > g.end { // a head alone stays one
		g.end = max(g.end, g.at)
		for g.end < end+ahead/2 {
			n, err := g.WriteAt(zeros[:], g.end)
			g.end += int64(n)
			if err != nil { // there is no room for them; there may be for what is written
				_ = g.Truncate(g.at)
				g.end = g.at
				break
			}
		}
	}
	n, err := g.WriteAt(p, g.at)
	g.at += int64(n)
	return n, err
}

// Sync makes durable what was written.
func (g *grown) Sync() error { return syncData(g.File) }

// Close leaves what was written.
func (g *grown) Close() error {
	var err error
	if g.end > g.at {
		err = g.Truncate(g.at)
	}
	return errors.Join(err, g.File.Close())
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
