package main

import (
	"fmt"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// way is how a suite's sessions go.
type way uint8

const (
	// relayed: there is a source and nothing else.
	relayed way = iota
	// moved: the share is 100 % and canary.writes is target, so that sessions
	// live whole at the target, of another version than the source.
	moved
)

// suffix is what the name of a suite ends in.
func (w way) suffix() string {
	switch w {
	case relayed:
		return ""
	case moved:
		return "-target"
	default:
		return "-unknown"
	}
}

// installs are the versions that the suite's servers have.
func (w way) installs() (source, target dbserver.Install, err error) {
	switch w {
	case relayed:
		source, err = released(dbserver.TargetMajor - 1)
		return source, target, err
	case moved:
		if source, err = dbserver.FindMajor(dbserver.SourceMajor()); err != nil {
			return source, target, err
		}
		target, err = dbserver.FindMajor(dbserver.TargetMajor)
		return source, target, err
	default:
		return source, target, fmt.Errorf("way %d is not known", w)
	}
}

// released is the newest installation up to a version: what allowed.txt says of
// the relay is true of those before 18, which do not speak protocol 3.2.
func released(most int) (dbserver.Install, error) {
	found, err := dbserver.Find()
	if err != nil {
		return dbserver.Install{}, err
	}
	for _, install := range found {
		if install.Version.Major <= most {
			return install, nil
		}
	}
	return dbserver.Install{}, fmt.Errorf("no PostgreSQL up to %d found: run sh internal/setup/setup.sh conformance", most)
}
