package pgwire

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/wire"
)

func TestV06Options(t *testing.T) {
	shape := []wire.Param{{Name: "crossfade.shape", Value: "source"}}
	for _, c := range []struct {
		name, text string
		own        []wire.Param
		rest       string
	}{
		{"nothing", "", nil, ""},
		{"white space only", " \t\n\v\f\r", nil, ""},
		{"a setting in two words", "-c crossfade.shape=source", shape, ""},
		{"a setting in one word", "-ccrossfade.shape=source", shape, ""},
		{"a long setting", "--crossfade.shape=source", shape, ""},
		{"a quoted setting", `-c cross\fade.shape=sour\ce`, shape, ""},
		{"a setting between those of the server", `-c a=1 -c crossfade.shape=source --b=2`, shape, "-c a=1 --b=2"},
		{"several of ours", "--crossfade.a=1 --crossfade.b=2", []wire.Param{{Name: "crossfade.a", Value: "1"}, {Name: "crossfade.b", Value: "2"}}, ""},
		{"value with an equals sign and a space", `--crossfade.a=x=\ y`, []wire.Param{{Name: "crossfade.a", Value: "x= y"}}, ""},
		{"setting without a value", "-c crossfade.shape", []wire.Param{{Name: "crossfade.shape"}}, ""},
		{"quoted words of the server stay quoted", `-c search_path=a\ b\\c -c x=\-c`, nil, `-c search_path=a\ b\\c -c x=\-c`},
		{"a name that only begins like ours", "-c crossfader=1 --crossfade=2", nil, "-c crossfader=1 --crossfade=2"},
		{"our name as a value", "-c a=crossfade.shape=source", nil, "-c a=crossfade.shape=source"},
		{"our name without a switch", "crossfade.shape=source", nil, "crossfade.shape=source"},
		{"empty name", "-c=", nil, "-c="},
		{"empty names", "-c= -c = -- --=", nil, "-c= -c = -- --="},
		{"switch without a setting", "-c", nil, "-c"},
		{"backslash at the end", `-c a=\`, nil, `-c a=\`},
		{"a switch as the value of a switch", "-c -ccrossfade.shape=source", nil, "-c -ccrossfade.shape=source"},
		{"nothing of ours comes together from what is left", "-c -ccrossfade.a=1 crossfade.b=2", nil, "-c -ccrossfade.a=1 crossfade.b=2"},
		{"bytes that are no text", "-c a=\xff\x85\xa0 --crossfade.a=\xff", []wire.Param{{Name: "crossfade.a", Value: "\xff"}}, "-c a=\xff\x85\xa0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			own, rest := SplitOptions(c.text)
			if diff := cmp.Diff(c.own, own); diff != "" || rest != c.rest {
				t.Errorf("rest %q, want %q; ours (-want +got):\n%s", rest, c.rest, diff)
			}
		})
	}
}

// CVE-2026-107349: an empty name kept a parser where it stood.
func TestV06OptionsOfOneKindManyTimes(t *testing.T) {
	for _, unit := range []string{"-c=", "-c= ", " -c", " -c ", "--", " -- ", "=", " = ", `\`, `\ `, "\t", "-c \\", "--crossfade.= ", "-c crossfade. "} {
		text := strings.Repeat(unit, wire.StartupMost/len(unit))
		if words := optionWords(text); len(words) > len(text) {
			t.Errorf("%q: %d words of %d bytes", unit, len(words), len(text))
		}
		own, rest := SplitOptions(text)
		if len(own) > len(text) || len(rest) > len(text) {
			t.Errorf("%q: %d settings and %d bytes left of %d", unit, len(own), len(rest), len(text))
		}
	}
}

// Every text ends, in words that hold its bytes; those that are not for us stay
// as they were written, and in what stays nothing is for us.
func FuzzOptions(f *testing.F) {
	f.Add("-c a=b --c=d -ce=f")
	f.Add("-c=")
	f.Add(`-c crossfade.shape=source -c search_path=a\ b`)
	f.Add("-c -ccrossfade.a=1 crossfade.b=2")
	f.Fuzz(func(t *testing.T, text string) {
		words := optionWords(text)
		bytesOf, raw := 0, make([]string, len(words))
		for i, word := range words {
			raw[i] = word.raw
			bytesOf += len(word.raw)
			if word.raw == "" || len(word.value) > len(word.raw) || strings.ContainsAny(word.raw[:1], optionSpace) {
				t.Fatalf("word %q means %q", word.raw, word.value)
			}
		}
		if len(words) > len(text) || bytesOf > len(text) {
			t.Fatalf("%d words of %d bytes in a text of %d", len(words), bytesOf, len(text))
		}
		own, rest := SplitOptions(text)
		if joined := strings.Join(raw, " "); len(own) == 0 && rest != joined {
			t.Fatalf("nothing was ours: got %q, want %q", rest, joined)
		}
		again, same := SplitOptions(rest)
		if len(again) > 0 || same != rest {
			t.Fatalf("what was left has %v and leaves %q, want %q", again, same, rest)
		}
		for _, p := range own {
			if !strings.HasPrefix(p.Name, ownPrefix) {
				t.Fatalf("%q is not ours", p.Name)
			}
		}
		if left := optionWords(rest); !inOrder(left, words) {
			t.Fatalf("%q has words that %q has not", rest, text)
		}
	})
}

// inOrder says that some are words of all, in the same order.
func inOrder(some, all []optionWord) bool {
	for _, word := range some {
		at := slices.Index(all, word)
		if at < 0 {
			return false
		}
		all = all[at+1:]
	}
	return true
}
