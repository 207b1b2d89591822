//go:build !linux

package proxy

import (
	"errors"
	"net"

	"github.com/crossfade-db/crossfade/proxy/engine"
)

// watcher does nothing here: a session that waits for its client learns with
// its next statement that its server has hung up, and none is parked.
type watcher struct{}

func newWatcher(func(uint64, engine.End)) (*watcher, error) { return &watcher{}, nil }

func (*watcher) watch(uint64, *leg) error { return nil }

func (*watcher) await(uint64, net.Conn) error { return errors.ErrUnsupported }

func (*watcher) close() {}
