package configs

import (
	"encoding"
	"fmt"
	"testing"
)

func TestScalarsReadAndPrint(t *testing.T) {
	cases := []struct {
		into encoding.TextUnmarshaler
		text string
		want string // empty: a fault
	}{
		{new(Duration), "250ms", "250ms"},
		{new(Duration), "90m", "1h30m"},
		{new(Duration), "720h", "720h"},
		{new(Duration), "1h0m5s", "1h0m5s"},
		{new(Duration), "10s", "10s"},
		{new(Duration), "10m", "10m"},
		{new(Duration), "0s", ""},
		{new(Duration), "-1s", ""},
		{new(Duration), "5", ""},
		{new(Duration), "999999999h", ""},
		{new(Size), "16MiB", "16MiB"},
		{new(Size), "1024", "1KiB"},
		{new(Size), "1025", "1025"},
		{new(Size), "0", "0"},
		{new(Size), "1GiB", "1GiB"},
		{new(Size), "16MB", ""},
		{new(Size), "-1", ""},
		{new(Size), "16 MiB", ""},
		{new(Size), "9223372036854775807", "9223372036854775807"},
		{new(Size), "9007199254740992KiB", ""},
		{new(Percent), "5", "5"},
		{new(Percent), "0.25", "0.25"},
		{new(Percent), "0.5", "0.5"},
		{new(Percent), "100", "100"},
		{new(Percent), "100.01", ""},
		{new(Percent), "0.001", ""},
		{new(Percent), ".5", ""},
		{new(Percent), "-1", ""},
		{new(Percent), "1e1", ""},
		{new(Address), "127.0.0.1:5432", "127.0.0.1:5432"},
		{new(Address), "[::1]:5432", "[::1]:5432"},
		{new(Address), "db_1.example.com:5432", "db_1.example.com:5432"},
		{new(Address), "/run/postgresql", "/run/postgresql"},
		{new(Address), ":0", ":0"},
		{new(Address), "db", ""},
		{new(Address), "db:65536", ""},
		{new(Address), "db:http", ""},
		{new(Address), "a b:1", ""},
		{new(Address), "x host=evil:1", ""},
		{new(Address), "postgres://db:5432", ""},
		{new(Address), "", ""},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%T %s", c.into, c.text), func(t *testing.T) {
			err := c.into.UnmarshalText([]byte(c.text))
			if (err == nil) != (c.want != "") {
				t.Fatalf("error: %v", err)
			}
			if got := printed(c.into); err == nil && got != c.want {
				t.Errorf("prints %q, want %q", got, c.want)
			}
		})
	}
}

func printed(v any) string {
	switch v := v.(type) {
	case *Address:
		return string(*v)
	default:
		return fmt.Sprint(v)
	}
}

func TestOnlyThisMachineIsLocal(t *testing.T) {
	for address, want := range map[Address]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "localhost:1": true,
		"LOCALHOST:1": true, "/run/postgresql": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "localhost.example.com:1": false, "": false,
	} {
		if address.Local() != want {
			t.Errorf("Local of %q is %v", address, !want)
		}
	}
}

func TestAnAddressHasHostAndPort(t *testing.T) {
	for address, want := range map[Address]string{
		"[::1]:5432": "::1 5432", "db:1": "db 1", ":6432": " 6432", "/run/x": " 0", "": " 0",
	} {
		if got := fmt.Sprint(address.Host(), " ", address.Port()); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
}

func TestSuggestionsAreNear(t *testing.T) {
	words := []string{"clients", "memory", "drain"}
	for got, want := range map[string]string{
		"client": `; did you mean "clients"?`, "Clients": `; did you mean "clients"?`, "menory": `; did you mean "memory"?`,
		"d": "", "zebra": "", "": "",
	} {
		if s := suggest(got, words); s != want {
			t.Errorf("suggest(%q) = %q, want %q", got, s, want)
		}
	}
}
