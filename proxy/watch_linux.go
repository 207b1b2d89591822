package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/crossfade-db/crossfade/proxy/engine"
)

// watcher hears the sockets that no goroutine waits on: servers that hang up
// on sessions that wait for their client, and clients of parked sessions. Every
// leg stands in one epoll instance, once, for the end of its stream only and
// edge triggered, so that a statement costs nothing for it.
type watcher struct {
	file  *os.File
	raw   syscall.RawConn
	heard func(session uint64, end engine.End)
	done  chan struct{}
}

// endShift is where the end of an event stands; session numbers stay below.
const endShift = 60

// watchBatch is how many ends are fetched at once.
const watchBatch = 64

func newWatcher(heard func(session uint64, end engine.End)) (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch sockets: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch sockets: %w", err)
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "sockets"), heard: heard, done: make(chan struct{})}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, fmt.Errorf("watch sockets: %w", err)
	}
	go w.run()
	return w, nil
}

// run tells of ends until close.
func (w *watcher) run() {
	defer close(w.done)
	var events [watchBatch]unix.EpollEvent
	for {
		n := 0
		err := w.raw.Read(func(fd uintptr) bool {
			got, err := unix.EpollWait(int(fd), events[:], 0)
			n = max(0, got)
			return n > 0 || (err != nil && err != unix.EINTR)
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			id := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
			w.heard(id&(1<<endShift-1), engine.End(id>>endShift))
		}
	}
}

// watch tells when the server of a leg hangs up; closing the leg ends it.
func (w *watcher) watch(session uint64, l *leg) error {
	return w.control(unix.EPOLL_CTL_ADD, l.Conn, unix.EPOLLRDHUP|unix.EPOLLET, session|uint64(engine.EndOf(l.side))<<endShift)
}

// await tells once when a client has sent something or hung up.
func (w *watcher) await(session uint64, client net.Conn) error {
	const once = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT
	err := w.control(unix.EPOLL_CTL_MOD, client, once, session|uint64(engine.Client)<<endShift)
	if errors.Is(err, unix.ENOENT) { // the first time
		err = w.control(unix.EPOLL_CTL_ADD, client, once, session|uint64(engine.Client)<<endShift)
	}
	return err
}

func (w *watcher) control(op int, conn net.Conn, events uint32, id uint64) error {
	sc, ok := under(conn).(syscall.Conn)
	if !ok {
		return errors.New("watch socket: it has no descriptor")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch socket: %w", err)
	}
	event := unix.EpollEvent{Events: events, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	var errs [2]error
	err = raw.Control(func(fd uintptr) {
		errs[0] = w.raw.Control(func(epoll uintptr) {
			errs[1] = unix.EpollCtl(int(epoll), op, int(fd), &event)
		})
	})
	if err := errors.Join(err, errs[0], errs[1]); err != nil {
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

func (w *watcher) close() {
	_ = w.file.Close()
	<-w.done
}
