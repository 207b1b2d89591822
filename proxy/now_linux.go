package proxy

import (
	"syscall"
	"unsafe"
)

// readNow and writeNow are the system calls on a socket that does not block,
// without telling the scheduler of them: it would think that they might, and
// take the processor away (a third of a relay's time, docs/benchmarks.md). They
// are called with descriptors that the poller holds open, p is not empty.

func readNow(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if err == 0 {
			return int(n), 0
		}
		if err != syscall.EINTR {
			return 0, err
		}
	}
}

func writeNow(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, err := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if err == 0 {
			return int(n), 0
		}
		if err != syscall.EINTR {
			return 0, err
		}
	}
}
