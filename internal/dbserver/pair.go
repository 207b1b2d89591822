package dbserver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// TargetMajor is the version that the demo and the tests move to.
const TargetMajor = 18

// SourceMajor is the version that they move from: 12, or 15 where setup.sh finds
// no older one for this kind of machine.
func SourceMajor() int {
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		return 12
	}
	return 15
}

// Pair is the two servers of a move.
type Pair struct {
	Source, Target *Postgres
}

// Prepare makes what both servers of a pair have: roles, databases, tables.
type Prepare func(ctx context.Context, server *Postgres) error

// StartPair starts a server of SourceMajor and one of TargetMajor at the same
// time, both as options say; Options.Install, Dir and Port are not used. A nil
// prepare makes nothing. The caller stops the pair.
func StartPair(ctx context.Context, options Options, prepare Prepare) (Pair, error) {
	var pair Pair
	var failures [2]error
	var starts sync.WaitGroup
	starts.Go(func() { pair.Source, failures[0] = startSide(ctx, SourceMajor(), options, prepare) })
	starts.Go(func() { pair.Target, failures[1] = startSide(ctx, TargetMajor, options, prepare) })
	starts.Wait()
	if err := errors.Join(failures[:]...); err != nil {
		return Pair{}, errors.Join(err, pair.Stop(context.WithoutCancel(ctx)))
	}
	return pair, nil
}

func startSide(ctx context.Context, major int, options Options, prepare Prepare) (*Postgres, error) {
	install, err := FindMajor(major)
	if err != nil {
		return nil, err
	}
	options.Install, options.Dir, options.Port = install, "", 0
	server, err := Start(ctx, options)
	if err != nil || prepare == nil {
		return server, err
	}
	if err := prepare(ctx, server); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare PostgreSQL %d: %w", major, err), server.Stop(context.WithoutCancel(ctx)))
	}
	return server, nil
}

// Stop stops both servers at the same time, as Postgres.Stop does.
func (p Pair) Stop(ctx context.Context) error {
	var failures [2]error
	var stops sync.WaitGroup
	for i, server := range []*Postgres{p.Source, p.Target} {
		if server != nil {
			stops.Go(func() { failures[i] = server.Stop(ctx) })
		}
	}
	stops.Wait()
	return errors.Join(failures[:]...)
}
