package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 3 4 5 6 7 8 9 10 125 75 0 0 20 0 6 0 100"
	for name, line := range map[string]string{
		"an ordinary name":                   "42 (crossfade)" + tail,
		"a name with brackets and blanks":    "42 (a) R 9 (b))" + tail,
		"a line with the newline it ends by": "42 (x)" + tail + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			if want := 2 * time.Second; got != want {
				t.Errorf("processor time = %v, want %v: 125 + 75 ticks", got, want)
			}
		})
	}
}

func TestParseStatRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"nothing":           "",
		"a line that ends":  "42 (x) S 1 2 3 4 5 6 7 8 9 10 125",
		"times in words":    "42 (x) S 1 2 3 4 5 6 7 8 9 10 many few",
		"times below zero":  "42 (x) S 1 2 3 4 5 6 7 8 9 10 -1 -1",
		"times beyond life": "42 (x) S 1 2 3 4 5 6 7 8 9 10 99999999999999999999 1",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStat([]byte(line)); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

func TestStatusFieldReadsTheFieldOfExactlyThatName(t *testing.T) {
	status := []byte("Name:\tVmRSS\nnonvoluntary_ctxt_switches:\t7\nVmRSS:\t    5196 kB\nvoluntary_ctxt_switches:\t150\n")
	for name, want := range map[string]int64{"VmRSS": 5196, "voluntary_ctxt_switches": 150, "nonvoluntary_ctxt_switches": 7} {
		got, err := statusField(status, name)
		if err != nil || got != want {
			t.Errorf("%s = %d, %v, want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"VmHWM", "Name", "vmrss"} {
		if got, err := statusField(status, name); err == nil {
			t.Errorf("%s = %d, want an error", name, got)
		}
	}
}

func TestUsageOfThisProcessIsThere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	got, err := readUsage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if got.rss <= 0 || got.peak < got.rss/2 || got.switches <= 0 || got.cpu < 0 {
		t.Errorf("usage = %+v, want memory and switches of a living process", got)
	}
}

func FuzzParseProc(f *testing.F) {
	f.Add([]byte("42 (a) b) S 1 2 3 4 5 6 7 8 9 10 125 75 0"))
	f.Add([]byte("Name:\tx\nVmRSS:\t    5196 kB\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if spent, err := parseStat(text); err == nil && spent < 0 {
			t.Errorf("processor time = %v", spent)
		}
		if _, err := statusField(text, "VmRSS"); err == nil && len(text) < len("VmRSS:0") {
			t.Error("a field was found where there is no room for it")
		}
	})
}
