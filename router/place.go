package router

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Session is what is known of a session for life: what its client said at
// login. Its place follows from it and from nothing else.
type Session struct {
	User        string
	Application string // application_name of the startup packet
	Address     string // of the client, without port; empty on a unix socket
	Startup     []Param
}

// Param is one parameter of the startup packet.
type Param struct{ Name, Value string }

// Key names what of a session is hashed: "startup:NAME", "application_name",
// "user" or "client_address".
type Key string

const (
	keyStartup     = "startup:"
	keyApplication = "application_name"
	keyUser        = "user"
	keyAddress     = "client_address"
)

// ParseKey refuses what is not a key.
func ParseKey(text string) (Key, error) {
	switch {
	case text == keyApplication, text == keyUser, text == keyAddress:
		return Key(text), nil
	case strings.HasPrefix(text, keyStartup) && len(text) > len(keyStartup):
		return Key(text), nil
	default:
		return "", fmt.Errorf("%q is not a canary key: it is startup:NAME, application_name, user or client_address", text)
	}
}

// Parameter is the startup parameter that the key names, if it names one.
func (k Key) Parameter() (name string, ok bool) {
	return strings.CutPrefix(string(k), keyStartup)
}

// value is what a session has under a key; empty counts as not there.
func (s *Session) value(k Key) string {
	switch k {
	case keyApplication:
		return s.Application
	case keyUser:
		return s.User
	case keyAddress:
		return s.Address
	}
	name, _ := k.Parameter()
	for _, p := range s.Startup {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Pattern is one entry of a forced list: a key and what its value must look
// like, as "user=qa*" (path.Match).
type Pattern struct {
	Key  Key
	Glob string
}

// ParsePattern reads KEY=GLOB.
func ParsePattern(text string) (Pattern, error) {
	key, glob, found := strings.Cut(text, "=")
	if !found {
		return Pattern{}, fmt.Errorf("%q is not of the form KEY=PATTERN, as user=qa*", text)
	}
	k, err := ParseKey(key)
	if err != nil {
		return Pattern{}, err
	}
	if _, err := path.Match(glob, ""); errors.Is(err, path.ErrBadPattern) {
		return Pattern{}, fmt.Errorf("%q is not a pattern", glob)
	}
	return Pattern{Key: k, Glob: glob}, nil
}

// String is the form that ParsePattern reads.
func (p Pattern) String() string { return string(p.Key) + "=" + p.Glob }

func (p Pattern) matches(s *Session) bool {
	value := s.value(p.Key)
	if value == "" {
		return false
	}
	ok, err := path.Match(p.Glob, value)
	return err == nil && ok
}

// Forced says that a list decides about a session and its bucket does not.
type Forced uint8

const (
	// Free: the bucket decides.
	Free Forced = iota
	// ForcedIn and ForcedOut: the lists of the policy.
	ForcedIn
	ForcedOut
)

// Place is where a session stands: the same for the same session, salt and
// keys, on every instance and after every restart.
type Place struct {
	Bucket uint16 // 0 to Whole-1
	Forced Forced
	Key    Key // that was hashed; empty when the session has none of the keys
}

// Place computes the place of a session. A session that has none of the keys
// has the last bucket, which is in only when all are.
func (p *Policy) Place(s *Session) Place {
	place := Place{Bucket: uint16(Whole) - 1}
	for _, k := range p.Keys {
		if v := s.value(k); v != "" {
			place.Key, place.Bucket = k, Bucket(p.Salt, k, v)
			break
		}
	}
	switch {
	case anyMatches(p.ForceOut, s):
		place.Forced = ForcedOut
	case anyMatches(p.ForceIn, s):
		place.Forced = ForcedIn
	}
	return place
}

func anyMatches(patterns []Pattern, s *Session) bool {
	for _, p := range patterns {
		if p.matches(s) {
			return true
		}
	}
	return false
}

// Bucket is xxh64 (XXH64 with seed 0) of the UTF-8 bytes of
//
//	salt 0x00 key 0x00 value
//
// taken as an unsigned number modulo 10000. Anybody can compute it again; five
// vectors stand in docs/reference.md and in the tests.
func Bucket(salt string, key Key, value string) uint16 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(salt) // never fails
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(string(key))
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(value)
	return uint16(d.Sum64() % uint64(Whole))
}
