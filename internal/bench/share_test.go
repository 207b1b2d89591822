package main

import (
	"errors"
	"strings"
	"testing"
)

func TestARouteIsProvedByWhoAnswersItsSessions(t *testing.T) {
	server, err := startDummy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.close(); err != nil {
			t.Error(err)
		}
	}()
	for name, test := range map[string]struct {
		share    int
		sessions string
		proved   bool
	}{
		"at share 0 the source answers":          {0, `{"source":1,"target":0}`, true},
		"at share 0 the target must not":         {0, `{"source":1,"target":1}`, false},
		"at share 100 the target answers":        {100, `{"source":0,"target":2}`, true},
		"at share 100 the source must not":       {100, `{"source":1,"target":0}`, false},
		"a status without sessions is no proof":  {100, `{"source":0,"target":0}`, false},
		"at share 0 no session is no proof also": {0, `{"source":0,"target":0}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			via := route{name: shareAll, addr: server.addr(), share: test.share}
			via.door = testDoor(t, `echo '{"sessions":`+test.sessions+`}'`)
			err := proveShares(t.Context(), []route{{name: direct}, via})
			if (err == nil) != test.proved {
				t.Errorf("error = %v, want proved: %v", err, test.proved)
			}
		})
	}
}

func TestARouteWhoseStatusCannotBeHadIsNotProved(t *testing.T) {
	server, err := startDummy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	via := route{name: shareAll, addr: server.addr(), door: testDoor(t, "exit 3")}
	err = proveShares(t.Context(), []route{via})
	if err = errors.Join(server.close(), err); err == nil || !strings.Contains(err.Error(), shareAll) {
		t.Errorf("error = %v, want one that names the route", err)
	}
}
