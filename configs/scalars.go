package configs

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	kib Size = 1 << 10
	mib Size = 1 << 20
	gib Size = 1 << 30
)

// The forms of scalars as regular expressions, for decoding and the schema.
const (
	durationForm = `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`
	sizeForm     = `^[0-9]+(KiB|MiB|GiB)?$`
	percentForm  = `^[0-9]+(\.[0-9]{1,2})?$`
	addressForm  = `^/|:[0-9]{1,5}$`
)

var (
	durationPattern = regexp.MustCompile(durationForm)
	sizePattern     = regexp.MustCompile(sizeForm)
	percentPattern  = regexp.MustCompile(percentForm)
	addressPattern  = regexp.MustCompile(addressForm)
)

// Duration is a time span, always more than zero in a loaded configuration. It
// is written as Go writes it: 250ms, 15s, 1h30m (time.ParseDuration).
type Duration time.Duration

// UnmarshalText reads 250ms.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 || !durationPattern.Match(text) {
		return errors.New(quote(string(text)) + " is not a duration such as 250ms, 15s or 1h30m, more than zero")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the duration without trailing zero units: 720h, not 720h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Size is a number of bytes, never negative. It is written 16MiB, with the
// units KiB, MiB and GiB, or as plain bytes.
type Size int64

// UnmarshalText reads 16MiB or 16777216.
func (s *Size) UnmarshalText(text []byte) error {
	digits, unit := string(text), Size(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(digits, u.name); ok {
			digits, unit = rest, u.size
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || !sizePattern.Match(text) || Size(n) > math.MaxInt64/unit {
		return errors.New(quote(string(text)) + " is not a size such as 16MiB (KiB, MiB, GiB or plain bytes)")
	}
	*s = Size(n) * unit
	return nil
}

var sizeUnits = []struct {
	name string
	size Size
}{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Percent is a share in hundredths of a percent, 0 to 10000, as the router
// counts it. It is written as a number: 5, 0.25.
type Percent int

// UnmarshalText reads 0.25.
func (p *Percent) UnmarshalText(text []byte) error {
	whole, fraction, _ := strings.Cut(string(text), ".")
	fraction += strings.Repeat("0", max(2-len(fraction), 0))
	n, err := strconv.ParseUint(whole+fraction, 10, 31)
	if err != nil || !percentPattern.Match(text) || n > 100*100 {
		return errors.New(quote(string(text)) + " is not a percentage from 0 to 100 with at most two decimals")
	}
	*p = Percent(n)
	return nil
}

// MarshalJSON writes a number.
func (p Percent) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// String is the percentage as it is written, without a sign.
func (p Percent) String() string {
	return strconv.FormatFloat(float64(p)/100, 'f', -1, 64)
}

// Address is host:port, or for a side the directory of a socket. The empty
// Address is nowhere.
type Address string

// errAddress does not repeat the address: people paste URLs with passwords.
var errAddress = errors.New("is not an address: write host:port (IPv6 as [::1]:5432) or /socket/dir, not a URL")

// UnmarshalText reads host:port or /socket/dir.
func (a *Address) UnmarshalText(text []byte) error {
	v := Address(text)
	if !v.Socket() {
		host, port, err := net.SplitHostPort(string(text))
		if err != nil || !isHost(host) || !addressPattern.Match(text) {
			return errAddress
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return errAddress
		}
	}
	*a = v
	return nil
}

// isHost accepts an IP address, a host name, or nothing (every interface).
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.IndexFunc(host, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("._-", r)
	}) < 0
}

// Socket reports whether the address is the directory of a socket.
func (a Address) Socket() bool { return strings.HasPrefix(string(a), "/") }

// Host is the host without port and brackets; empty for a socket and for
// every interface.
func (a Address) Host() string {
	host, _, err := net.SplitHostPort(string(a))
	if err != nil {
		return ""
	}
	return host
}

// Port is the port; 0 for a socket and for any free port.
func (a Address) Port() int {
	_, port, err := net.SplitHostPort(string(a))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(port)
	return n
}

// Local reports whether nobody outside this machine can be at the other end:
// a socket, a loopback address, or localhost (RFC 6761 section 6.3).
func (a Address) Local() bool {
	if a.Socket() || strings.EqualFold(a.Host(), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(a.Host())
	return err == nil && ip.Unmap().IsLoopback()
}

// Path is a file or directory. A relative one was written relative to the
// configuration file and has been joined with its directory.
type Path string

// Reserved is a list that this version does not understand: it must be empty.
type Reserved struct{}
