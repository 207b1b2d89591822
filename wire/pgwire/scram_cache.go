package pgwire

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// scramCacheSize is the number of (password, salt, iterations) that a KeyCache
// holds: 256 users on two sides, in about 150 KiB.
const scramCacheSize = 512

// KeyCache remembers derived keys, so that PBKDF2 (milliseconds of a core) runs
// once for each verifier and not for each backend login. It is looked up by a
// hash of password, salt and iterations, and forgets the oldest entry first.
// The zero value is ready, a nil one caches nothing. It is safe for concurrent
// use. It holds what logs in: it prints as ***.
type KeyCache struct {
	scramHidden
	mu    sync.Mutex
	keys  map[[sha256.Size]byte]Keys
	order [scramCacheSize][sha256.Size]byte // ring of the entries' names
	next  int
}

func (c *KeyCache) derive(password string, salt []byte, iterations int) (Keys, error) {
	if c == nil {
		return deriveKeys(password, salt, iterations)
	}
	id := scramCacheID(password, salt, iterations)
	if keys, ok := c.lookup(id); ok {
		return keys, nil
	}
	keys, err := deriveKeys(password, salt, iterations)
	if err != nil {
		return Keys{}, err
	}
	c.store(id, keys)
	return keys, nil
}

func (c *KeyCache) lookup(id [sha256.Size]byte) (Keys, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys, ok := c.keys[id]
	return keys, ok
}

// store replaces the oldest entry. Two logins may derive the same keys at once;
// the second finds them there.
func (c *KeyCache) store(id [sha256.Size]byte, keys Keys) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.keys[id]; ok {
		return
	}
	if c.keys == nil {
		c.keys = make(map[[sha256.Size]byte]Keys)
	}
	delete(c.keys, c.order[c.next])
	c.keys[id] = keys
	c.order[c.next] = id
	c.next = (c.next + 1) % len(c.order)
}

// scramCacheID hashes lengths too, so that no two triples run together.
func scramCacheID(password string, salt []byte, iterations int) [sha256.Size]byte {
	hash := sha256.New()
	for _, n := range []int{len(password), len(salt), iterations} {
		_ = binary.Write(hash, binary.BigEndian, uint64(n))
	}
	hash.Write([]byte(password))
	hash.Write(salt)
	return [sha256.Size]byte(hash.Sum(nil))
}
