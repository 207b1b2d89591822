package proxy

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// admission bounds logins (THREATS V24). A connection that has not sent a byte
// yet costs a place among the silent, where the oldest gives way to the newest;
// with its first byte it waits for one of the places to log in, of which each
// address has its share. Waiting ends with the login's deadline. Neither the
// silent nor those who wait are ever more than the clients that may be there.
type admission struct {
	mu      sync.Mutex
	silent  list.List // of net.Conn, oldest first
	address map[netip.Addr]*share
	inside  int // waiting, or logging in
	most    int
	places  chan struct{}
	each    int
}

var errCrowd = errors.New("too many connections wait to log in")

// share is the part of the places that one address may take.
type share struct {
	places chan struct{}
	users  int
}

func newAdmission(total, each, most int) *admission {
	return &admission{address: map[netip.Addr]*share{}, places: make(chan struct{}, total), each: each, most: max(total, most)}
}

// hush counts a new connection among the silent; the returned func ends that.
func (a *admission) hush(conn net.Conn) (speaks func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.silent.Len() >= a.most {
		oldest := a.silent.Remove(a.silent.Front())
		_ = oldest.(net.Conn).Close() // wakes its login, which ends
	}
	e := a.silent.PushBack(conn)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.silent.Remove(e)
	}
}

// closeSilent hangs up on all that have not sent a byte.
func (a *admission) closeSilent() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for e := a.silent.Front(); e != nil; e = e.Next() {
		_ = e.Value.(net.Conn).Close()
	}
}

// enter waits for a place to log in and returns how to leave it.
func (a *admission) enter(ctx context.Context, from netip.Addr) (leave func(), err error) {
	mine, err := a.join(from)
	if err != nil {
		return nil, err
	}
	select {
	case mine.places <- struct{}{}:
	case <-ctx.Done():
		a.part(from, mine)
		return nil, context.Cause(ctx)
	}
	select {
	case a.places <- struct{}{}:
	case <-ctx.Done():
		<-mine.places
		a.part(from, mine)
		return nil, context.Cause(ctx)
	}
	return func() {
		<-a.places
		<-mine.places
		a.part(from, mine)
	}, nil
}

func (a *admission) join(from netip.Addr) (*share, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inside >= a.most {
		return nil, errCrowd
	}
	a.inside++
	s := a.address[from]
	if s == nil {
		s = &share{places: make(chan struct{}, a.each)}
		a.address[from] = s
	}
	s.users++
	return s, nil
}

func (a *admission) part(from netip.Addr, s *share) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside--
	s.users--
	if s.users == 0 && a.address[from] == s {
		delete(a.address, from)
	}
}
