package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Token is a bearer token: what it is called, what it may do, and the SHA-256
// of its secret. It prints without the sum.
type Token struct {
	Name string
	Role Role
	sum  [sha256.Size]byte
}

// secretLeast is the shortest secret that is taken. Wrong tokens are counted
// but never keep the right one out, so what protects a token is its length.
const secretLeast = 16

// NewToken makes a token of its secret, which is not kept.
func NewToken(name string, role Role, secret string) (Token, error) {
	if len(secret) < secretLeast {
		return Token{}, fmt.Errorf("the token %s is shorter than %d characters: take a random one, such as openssl rand -hex 32 gives", name, secretLeast)
	}
	return Token{Name: name, Role: role, sum: sha256.Sum256([]byte(secret))}, nil
}

// Format prints the name and the role.
func (t Token) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%s(%s)", t.Name, t.Role) }

// match finds the token with the secret. It compares with all of them, and
// takes as long for any wrong one.
func match(tokens []Token, secret string) (found Token, ok bool) {
	sum := sha256.Sum256([]byte(secret))
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

// TokenFile is the file in the state directory with the token that a proxy
// without configured tokens makes at its start.
const TokenFile = "admin.token"

// LocalOperator is the name of that token.
const LocalOperator = "local"

// WriteToken puts a new random operator token into dir/admin.token, mode 0600,
// in the place of the one before. Nobody sees half a file: it is written under
// another name first. The caller logs the path and never the token.
func WriteToken(dir string) (t Token, path string, err error) {
	secret := rand.Text()
	path = filepath.Join(dir, TokenFile)
	if err := replace(path, secret+"\n"); err != nil {
		return Token{}, "", fmt.Errorf("write admin token: %w", err)
	}
	t, err = NewToken(LocalOperator, Operator, secret)
	return t, path, err
}

// RemoveToken takes away what WriteToken left, for a proxy that has tokens in
// its configuration. That there is none is no error.
func RemoveToken(dir string) error {
	if err := os.Remove(filepath.Join(dir, TokenFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove admin token: %w", err)
	}
	return nil
}

// replace writes a file that only its owner may read. CreateTemp opens with
// O_EXCL and mode 0600, so neither a link that waits there nor an open reader
// of the old file learns the content.
func replace(path, content string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = io.WriteString(file, content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
