package main

import (
	"errors"
	"sync"
	"testing"
)

// What an idle session costs, both of its connections together, once the proxy
// has found out that it is idle and the runtime has given the memory back; and
// that each of them still works then.
func TestFiveThousandIdleSessions(t *testing.T) {
	const (
		first, sessions = 100, 5_000
		most            = 6 * kib // each
	)
	c := start(t, settings{source: "address: " + startDummy(t), users: "[{name: trusted, auth: trust}]"})
	all := make([]*raw, sessions)
	defer closeAll(all)
	if err := each(all[:first], c.openAndAsk); err != nil {
		t.Fatal(err)
	}
	before := c.memory(t, "VmRSS")
	if err := each(all[first:], c.openAndAsk); err != nil {
		t.Fatal(err)
	}
	var cost int64
	defer func() { t.Logf("%d bytes per session", cost) }()
	eventually(t, "an idle session costs little", func() bool {
		idle := c.metric(t, "go_goroutines") < sessions/10 // a scrape also brings on collections
		cost = (c.memory(t, "VmRSS") - before) / (sessions - first)
		return idle && cost <= most
	})
	if err := each(all, askAgain); err != nil {
		t.Error(err)
	}
}

func (c *child) openAndAsk(r **raw) (err error) {
	if *r, err = login(c.addr, "idle"); err != nil {
		return err
	}
	return askAgain(r)
}

func askAgain(r **raw) error { return errors.Join((*r).ask("SELECT 1"), (*r).ready()) }

// each does something to all sessions, 16 at a time.
func each(all []*raw, do func(**raw) error) error {
	const workers = 16
	errs := make([]error, workers)
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			for i := w; i < len(all) && errs[w] == nil; i += workers {
				errs[w] = do(&all[i])
			}
		})
	}
	done.Wait()
	return errors.Join(errs...)
}

func closeAll(all []*raw) {
	for _, r := range all {
		if r != nil {
			_ = r.Close()
		}
	}
}
