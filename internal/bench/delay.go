package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// farther is a relay that every byte takes some time to pass, as it does between
// machines: what arrives together leaves together, and nothing waits for what
// is behind it.
type farther struct {
	to       string
	half     time.Duration // of the round trip, each way
	listener net.Listener
	stop     context.CancelFunc
	work     sync.WaitGroup
}

// startFarther relays to an address with a longer round trip.
func startFarther(ctx context.Context, to string, trip time.Duration) (*farther, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the relay: %w", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	f := &farther{to: to, half: trip / 2, listener: listener, stop: stop}
	f.work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			f.work.Go(func() { f.relay(ctx, client) })
		}
	})
	return f, nil
}

func (f *farther) addr() string { return f.listener.Addr().String() }

// close hangs up all connections and returns when nothing of it runs.
func (f *farther) close() error {
	err := f.listener.Close()
	f.stop()
	f.work.Wait()
	return err
}

// relay returns when both directions have ended.
func (f *farther) relay(ctx context.Context, client net.Conn) {
	defer client.Close()
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", f.to)
	if err != nil {
		return // the client sees that it is hung up
	}
	defer server.Close()
	hangUp := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	defer hangUp()
	var both sync.WaitGroup
	both.Go(func() { f.pass(client, server) })
	both.Go(func() { f.pass(server, client) })
	both.Wait()
}

// parcel is what one read brought, and when it may leave.
type parcel struct {
	due   time.Time
	bytes []byte
}

// parcels is how many a direction has under way at most.
const parcels = 64

// pass carries one direction until its end, which it passes on too.
func (f *farther) pass(from, to net.Conn) {
	way := make(chan parcel, parcels)
	var work sync.WaitGroup
	work.Go(func() {
		if err := carry(way, to); err != nil {
			_, _ = from.Close(), to.Close()
			for range way { // the reader must not wait for nobody
			}
		}
	})
	buf := make([]byte, 64*kib)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			way <- parcel{time.Now().Add(f.half), append([]byte(nil), buf[:n]...)}
		}
		if err != nil {
			break
		}
	}
	close(way)
	work.Wait()
}

var errNoTCP = errors.New("close one direction: not TCP")

// carry writes each parcel when it is due, and then that there are no more.
func carry(way <-chan parcel, to net.Conn) (err error) {
	timer, err := newAlarm()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, timer.close()) }()
	for p := range way {
		if err := timer.wait(p.due); err != nil {
			return err
		}
		if _, err := to.Write(p.bytes); err != nil {
			return err
		}
	}
	tcp, ok := to.(*net.TCPConn)
	if !ok {
		return errNoTCP
	}
	return tcp.CloseWrite()
}
