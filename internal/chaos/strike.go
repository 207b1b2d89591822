package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/failpoint"
)

// striker carries out the strikes of a round.
type striker struct {
	stage *stage
	crowd *crowd
	under []int64        // transactions under way, at each kill
	kills map[string]int // by point
	lives int            // of the proxy that were ended
}

// pointTime is how long a point may take to be met.
const pointTime = 20 * time.Second

func (k *striker) strike(ctx context.Context, s strike) error {
	pause(ctx, s.after)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch s.kind {
	case kill:
		return k.kill(ctx, s.victim, s.hold)
	case freeze:
		return k.freeze(ctx, s.victim, s.hold)
	case killAt:
		return k.killAt(ctx, s.point)
	case stallAll:
		return k.stall(ctx, s)
	}
	return fmt.Errorf("strike %d is not known", s.kind)
}

// busy waits until a transaction is under way, and notes how many are.
func (k *striker) busy(ctx context.Context) error {
	for range 1000 {
		if c := k.stage.alive(); c.ended() {
			return c.endedEarly()
		}
		if n := k.crowd.under.Load(); n > 0 {
			k.under = append(k.under, n)
			return nil
		}
		pause(ctx, 5*time.Millisecond)
	}
	return errors.New("no transaction is under way: nothing would be struck")
}

func (k *striker) server(v victim) *dbserver.Postgres {
	if v == sourceVictim {
		return k.stage.pair.Source
	}
	return k.stage.pair.Target
}

// kill ends the victim at once, and starts it again after a while.
func (k *striker) kill(ctx context.Context, v victim, down time.Duration) error {
	if err := k.busy(ctx); err != nil {
		return err
	}
	if v == proxyVictim {
		k.lives++
		if err := k.stage.alive().kill(); err != nil {
			return err
		}
		pause(ctx, down)
		return k.stage.startProxy()
	}
	if err := k.server(v).Kill(); err != nil {
		return fmt.Errorf("kill the %s: %w", v, err)
	}
	pause(ctx, down)
	if err := k.server(v).Restart(ctx); err != nil {
		return fmt.Errorf("start the %s again: %w", v, err)
	}
	return nil
}

// freeze lets the victim stand still for a while.
func (k *striker) freeze(ctx context.Context, v victim, still time.Duration) error {
	if v == proxyVictim {
		c := k.stage.alive()
		if err := c.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		pause(ctx, still)
		return c.signal(syscall.SIGCONT)
	}
	if err := k.server(v).Pause(); err != nil {
		return errors.Join(fmt.Errorf("stop the %s: %w", v, err), k.server(v).Continue())
	}
	pause(ctx, still)
	if err := k.server(v).Continue(); err != nil {
		return fmt.Errorf("continue the %s: %w", v, err)
	}
	return nil
}

// killAt lets the proxy die at a point. Those of the worker are met when it has
// something to repair: the mirror is switched off for a moment.
func (k *striker) killAt(ctx context.Context, point string) error {
	if err := k.stage.arm(point); err != nil {
		return fmt.Errorf("arm %s: %w", point, err)
	}
	began := k.crowd.cut.Load()
	c := k.stage.alive()
	if c.ended() {
		return c.endedEarly()
	}
	met, cancel := context.WithTimeout(ctx, pointTime)
	defer cancel()
	for ofRepair(point) && met.Err() == nil && !c.ended() {
		k.dirtySome(met, c)
	}
	select {
	case <-c.done:
	case <-met.Done():
		return errors.Join(fmt.Errorf("point %s was not met in %v", point, pointTime), k.stage.disarm(point))
	}
	k.kills[point]++
	k.lives++
	if err := k.stage.startProxy(); err != nil {
		return err
	}
	k.under = append(k.under, k.cutSince(ctx, began))
	if ofRepair(point) { // it may have died with the mirror off, which stays so
		return k.mirrorOn(ctx)
	}
	return nil
}

// cutSince waits for the sessions to notice what they have lost, and counts the
// transactions among that.
func (k *striker) cutSince(ctx context.Context, began int64) int64 {
	for range 100 {
		if n := k.crowd.cut.Load() - began; n > 0 {
			pause(ctx, 20*time.Millisecond)
			return k.crowd.cut.Load() - began
		}
		pause(ctx, 20*time.Millisecond)
	}
	return 0
}

func ofRepair(point string) bool {
	switch point {
	case failpoint.RepairLocked, failpoint.RepairWritten, failpoint.RepairCommitted, failpoint.RepairSubtracted:
		return true
	default:
		return false
	}
}

// dirtySome makes rows dirty: they are written while the mirror is off. Errors
// are those of a proxy that dies meanwhile.
func (k *striker) dirtySome(ctx context.Context, c *child) {
	_, off := k.stage.door.do(ctx, "mirror", "off", "--reason", "chaos")
	pause(ctx, 100*time.Millisecond)
	_, on := k.stage.door.do(ctx, "mirror", "on", "--reason", "chaos")
	if off != nil || on != nil {
		pause(ctx, 100*time.Millisecond)
	}
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// stall lets commits that ask for a standby wait for one that never comes.
func (k *striker) stall(ctx context.Context, s strike) error {
	source := k.stage.pair.Source
	begin := "ALTER SYSTEM SET synchronous_standby_names = 'nosuch'"
	if err := errors.Join(source.Exec(ctx, "postgres", begin), source.Exec(ctx, "postgres", "SELECT pg_reload_conf()")); err != nil {
		return fmt.Errorf("stall commits: %w", err)
	}
	pause(ctx, s.hold)
	var err error
	if s.victim != nobody {
		err = k.kill(ctx, s.victim, 0)
		pause(ctx, s.hold/2)
	}
	end := "ALTER SYSTEM RESET synchronous_standby_names"
	return errors.Join(err, source.Exec(ctx, "postgres", end), source.Exec(ctx, "postgres", "SELECT pg_reload_conf()"))
}

// restore brings everything up again, whatever has been left.
func (k *striker) restore(ctx context.Context) error {
	for _, point := range failpoint.Points() {
		if err := k.stage.disarm(point); err != nil {
			return err
		}
	}
	if c := k.stage.alive(); c.ended() {
		return errors.Join(c.endedEarly(), k.stage.startProxy())
	}
	return k.mirrorOn(ctx)
}

func (k *striker) mirrorOn(ctx context.Context) error {
	_, err := k.stage.door.do(ctx, "mirror", "on", "--reason", "chaos")
	return err
}
