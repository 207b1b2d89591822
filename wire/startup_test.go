package wire

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// body is what follows the length word of a startup packet of version 3.0.
func body(text string) []byte { return append([]byte{0, 3, 0, 0}, text...) }

func TestV04StartupPacket(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Param
		err        error
	}{
		{"no parameters", "\x00", nil, nil},
		{"user and database", "user\x00a\x00database\x00b\x00\x00", []Param{{"user", "a"}, {"database", "b"}}, nil},
		{"empty value", "user\x00\x00\x00", []Param{{"user", ""}}, nil},
		{"name that comes twice takes its last value", "user\x00a\x00x\x00y\x00user\x00b\x00\x00", []Param{{"user", "b"}, {"x", "y"}}, nil},
		{"names differ by case", "user\x00a\x00User\x00b\x00\x00", []Param{{"user", "a"}, {"User", "b"}}, nil},
		{"bytes that are no text", "\xff\x00\xc3\x28\x00\x00", []Param{{"\xff", "\xc3\x28"}}, nil},
		{"nothing", "", nil, errUnended},
		{"no terminator", "user\x00a\x00", nil, errUnended},
		{"name without end", "user", nil, errUnended},
		{"name without value", "user\x00", nil, errUnended},
		{"value without end", "user\x00a", nil, errUnended},
		{"byte behind the terminator", "user\x00a\x00\x00x", nil, errUnnamed},
		{"NUL behind the terminator", "user\x00a\x00\x00\x00", nil, errUnnamed},
		{"parameters behind the terminator", "user\x00a\x00\x00user\x00root\x00\x00", nil, errUnnamed},
		{"empty name first", "\x00a\x00\x00", nil, errUnnamed},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseStartup(body(c.text))
			if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got.Params); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestV16StartupPacketCutAtEveryByte(t *testing.T) {
	whole := body("user\x00alice\x00database\x00shop\x00options\x00-c a=b\x00\x00")
	if _, err := ParseStartup(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		want := errUnended
		if n < 4 {
			want = errNoVersion
		}
		if got, err := ParseStartup(whole[:n]); !errors.Is(err, want) || got.Params != nil {
			t.Errorf("the first %d bytes: got %+v, %v, want %v", n, got, err, want)
		}
	}
}

func TestV04StartupPacketThatCannotBeSent(t *testing.T) {
	long := strings.Repeat("x", StartupMost)
	for _, c := range []struct {
		name  string
		param Param
		err   error
	}{
		{"NUL in a value becomes another parameter", Param{"application_name", "x\x00user\x00root"}, errNUL},
		{"NUL at the end of a value", Param{"user", "alice\x00"}, errNUL},
		{"NUL in a name", Param{"user\x00root\x00x", "y"}, errNUL},
		{"no name", Param{"", "x"}, errUnnamed},
		{"value over the limit", Param{"x", long}, errLong},
		{"name over the limit", Param{long, "x"}, errLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Startup{Version: 3 << 16, Params: []Param{{"user", "alice"}, c.param}}
			if got, err := s.Append([]byte("before")); !errors.Is(err, c.err) || got != nil {
				t.Errorf("got %d bytes, %v, want %v", len(got), err, c.err)
			}
		})
	}
}

func TestV01LongestStartupPacket(t *testing.T) {
	const frame = 4 + 4 + len("x\x00\x00\x00")
	for n, want := range map[int]error{StartupMost - frame: nil, StartupMost - frame + 1: errLong} {
		s := Startup{Version: 3 << 16, Params: []Param{{"x", strings.Repeat("y", n)}}}
		packet, err := s.Append([]byte("before"))
		if !errors.Is(err, want) {
			t.Errorf("value of %d bytes: got %v, want %v", n, err, want)
		}
		if err == nil && len(packet) != StartupMost+len("before") {
			t.Errorf("value of %d bytes: packet of %d", n, len(packet))
		}
	}
}

func TestStartupGetAndSet(t *testing.T) {
	var s Startup
	s.Set("user", "alice")
	s.Set("database", "shop")
	s.Set("user", "bob")
	if diff := cmp.Diff([]Param{{"user", "bob"}, {"database", "shop"}}, s.Params); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if user, nothing := s.Get("user"), s.Get("User"); user != "bob" || nothing != "" {
		t.Errorf("got %q and %q", user, nothing)
	}
}

// What is emitted is read back as it was, or it is not emitted: no value makes
// a parameter of its own (THREATS V4).
func TestV04EmittedStartupIsReadBack(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune{0, 'a', 'b', 'ä', '=', ' ', '\\', '\''}))
	rapid.Check(t, func(t *rapid.T) {
		s := Startup{Version: rapid.Uint32().Draw(t, "version")}
		hostile := false
		for range rapid.IntRange(0, 5).Draw(t, "parameters") {
			name, value := text.Draw(t, "name"), text.Draw(t, "value")
			s.Set(name, value)
			hostile = hostile || name == "" || strings.Contains(name+value, "\x00")
		}
		packet, err := s.Append(nil)
		if (err != nil) != hostile {
			t.Fatalf("got %v for %+v", err, s)
		}
		if err != nil {
			return
		}
		if declared := binary.BigEndian.Uint32(packet); int(declared) != len(packet) {
			t.Fatalf("declared %d bytes of %d", declared, len(packet))
		}
		got, err := ParseStartup(packet[4:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Fatalf("startup (-sent +parsed):\n%s", diff)
		}
	})
}

// What is read obeys the promises of Startup and reads the same when it is
// emitted again.
func FuzzParseStartup(f *testing.F) {
	f.Add(body("user\x00alice\x00database\x00shop\x00\x00"))
	f.Add(body("user\x00a\x00user\x00b\x00\x00"))
	f.Add(body("_pq_.x\x00\x00\x00\x00"))
	f.Add([]byte{0, 3})
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := ParseStartup(in)
		if err != nil {
			if s.Params != nil {
				t.Fatalf("an error came with %+v", s)
			}
			return
		}
		seen := map[string]bool{}
		for _, p := range s.Params {
			if p.Name == "" || seen[p.Name] || strings.Contains(p.Name+p.Value, "\x00") {
				t.Fatalf("parameter %q=%q", p.Name, p.Value)
			}
			seen[p.Name] = true
		}
		packet, err := s.Append(nil)
		if err != nil {
			if len(in) < StartupMost {
				t.Fatalf("%d bytes were read and cannot be sent: %v", len(in), err)
			}
			return
		}
		again, err := ParseStartup(packet[4:])
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Fatalf("%v (-first +second):\n%s", err, diff)
		}
	})
}
