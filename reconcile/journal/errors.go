package journal

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

var (
	// ErrStopped says that the disk refuses: no intent is durable until it takes
	// a fresh segment, which is tried again and again.
	ErrStopped = errors.New("journal: stopped")
	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("journal: closed")
	// ErrTooLarge says that an intent has too many keys for one record.
	ErrTooLarge = errors.New("journal: the intent is too large")
	// ErrCorrupt says that what was durable cannot be read; see Corruption.
	ErrCorrupt = errors.New("journal: corrupt")
)

// Corruption is the first fault that no crash can have caused. Intents that
// were durable may be lost with it.
type Corruption struct {
	File   string
	Offset int64
	Reason string
	// Tables are those that any readable record of the journal names.
	Tables []string
}

func (c *Corruption) Error() string {
	tables := strings.Join(c.Tables, ", ")
	if tables == "" {
		tables = "none that can be read"
	}
	return fmt.Sprintf("%v: %s at byte %d: %s: restore the disk, or run crossfade journal recover, which sets it aside and has "+
		"every mapped table walked as a whole (it names: %s)", ErrCorrupt, c.File, c.Offset, c.Reason, tables)
}

// Is makes a Corruption an ErrCorrupt.
func (c *Corruption) Is(target error) bool { return target == ErrCorrupt } //nolint:errorlint // what errors.Is calls

func stopped(err error) error {
	advice := "check the disk and the kernel's log"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "free space on its disk"
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = "this user must be able to write it and its directory"
	}
	return fmt.Errorf("%w: %w: %s; it goes on by itself", ErrStopped, err, advice)
}

func tooLarge(size int) error {
	return fmt.Errorf("%w: %d bytes of keys, at most %d: remember its tables as a whole", ErrTooLarge, size, intentMax)
}
