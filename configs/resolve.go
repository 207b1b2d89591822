package configs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// secret resolves env:NAME and file:PATH, and takes a literal where the key
// allows one. No fault repeats what is written.
func (d *decoder) secret(n ast.Node, f field, path string) Secret {
	text, ok := d.text(n, path)
	if !ok {
		return Secret{}
	}
	value, err := d.reveal(text, f)
	if err != nil {
		d.add(path, "%v", err)
		return Secret{}
	}
	if strings.ContainsRune(value, 0) {
		d.add(path, "what it refers to contains a NUL byte")
		return Secret{}
	}
	return newSecret(value)
}

func (d *decoder) reveal(text string, f field) (string, error) {
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		return d.fromEnv(name)
	}
	if file, ok := strings.CutPrefix(text, "file:"); ok {
		return d.fromFile(d.resolve(file))
	}
	if f.literal == "" {
		return "", errors.New("is not written in this file: give env:NAME or file:PATH")
	}
	if !strings.HasPrefix(text, f.literal) {
		return "", fmt.Errorf("must start with %s, or be env:NAME or file:PATH", f.literal)
	}
	return text, nil
}

func (d *decoder) fromEnv(name string) (string, error) {
	if !isEnvName(name) {
		return "", errors.New("after env: the name of an environment variable is expected (letters, digits, _)")
	}
	value, ok := d.env(name)
	if !ok {
		return "", fmt.Errorf("the environment variable %s is not set", name)
	}
	if value == "" {
		return "", fmt.Errorf("the environment variable %s is empty", name)
	}
	return value, nil
}

func isEnvName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// fromFile drops one newline at the end, which editors and echo write.
func (d *decoder) fromFile(path string) (string, error) {
	if path == "" {
		return "", errors.New("after file: a path is expected")
	}
	data, err := d.read(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("the file %s is empty", path)
	}
	return value, nil
}

// readFile reads a regular file of at most maxBytes. Devices and pipes could
// block forever or never end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return readBounded(path)
}

// readBounded reads at most one byte more than maxBytes, and it is a fault if
// that byte is there.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%s is larger than %v", path, Size(maxBytes))
	}
	return data, nil
}
