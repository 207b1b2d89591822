package reconcile

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	evidenceFile = "evidence.key"
	evidenceSize = 32 // bytes of a key that we make
)

// EvidenceKey is the key of hashes in a state directory, for a configuration
// that names none. It is made when it is not there: 64 hexadecimal digits, which
// only the owner may read. Who deletes the file makes all hashes of it
// meaningless.
func EvidenceKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, evidenceFile)
	key, err := readEvidenceKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeEvidenceKey(path); err != nil {
		return nil, fmt.Errorf("make evidence key: %w", err)
	}
	return readEvidenceKey(path)
}

func readEvidenceKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read evidence key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("evidence key %s can be read by others (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read evidence key: %w", err)
	}
	key, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) < evidenceSize {
		return nil, fmt.Errorf("evidence key %s is not %d hexadecimal digits: restore it from a backup, or move it away: then hashes made so far compare no more",
			path, 2*evidenceSize)
	}
	return key, nil
}

// makeEvidenceKey writes a whole key, which is durable, or none.
func makeEvidenceKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), evidenceFile+".*") // for the owner only
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // of no effect once it has its name
	key := make([]byte, evidenceSize)
	_, _ = rand.Read(key) // never fails
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
