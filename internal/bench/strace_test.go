package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const straceTable = `syscall              calls
---------------- ---------
read                 40291
epoll_pwait           8059
---------------- ---------
total                48350
`

func TestParseStraceLeavesTheTotalOut(t *testing.T) {
	got, err := parseStrace([]byte(straceTable))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"read": 40291, "epoll_pwait": 8059}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseStraceRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":          "",
		"a table of none":  "syscall calls\n-------\n-------\ntotal 0\n",
		"a word as count":  "syscall calls\n-------\nread many\n-------\n",
		"columns too many": "syscall calls\n-------\n10.0 read 4\n-------\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStrace([]byte(text)); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

func TestReadyAddr(t *testing.T) {
	if got, err := readyAddr("ready bench=127.0.0.1:6432 admin=127.0.0.1:7432\n", "bench"); err != nil || got != "127.0.0.1:6432" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := readyAddr("ready admin=127.0.0.1:7432\n", "bench"); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}
