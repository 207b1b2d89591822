//go:build failpoints && linux

package failpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// directory is where tests say what is to happen.
var directory = os.Getenv("CROSSFADE_FAILPOINTS")

// Hit is where the process may end in a test. A control directory that cannot
// be used ends the process as well, so that no test passes without its faults.
func Hit(name string) {
	if directory == "" {
		return
	}
	must(count(name))
	delay(name)
	if taken("kill", name) {
		strike(syscall.SIGKILL)
	}
	if taken("stop", name) {
		strike(syscall.SIGSTOP)
	}
}

func count(name string) error {
	f, err := os.OpenFile(control("count", name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte{'.'}); err != nil {
		return err
	}
	return f.Close()
}

func delay(name string) {
	text, err := os.ReadFile(control("delay", name))
	if os.IsNotExist(err) {
		return
	}
	must(err)
	d, err := time.ParseDuration(strings.TrimSpace(string(text)))
	must(err)
	<-time.After(d)
}

// taken says that the file was there and is this call's: of several that look
// at the same time, one renames it.
func taken(what, name string) bool {
	from := control(what, name)
	to := control(fmt.Sprintf("taken-%d-%s", os.Getpid(), what), name)
	err := os.Rename(from, to)
	if os.IsNotExist(err) {
		return false
	}
	must(err)
	must(os.Remove(to))
	return true
}

// strike signals this very thread: it does not come back before the process has
// ended, or was stopped and goes on.
func strike(signal syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(syscall.Tgkill(os.Getpid(), syscall.Gettid(), signal))
}

func control(what, name string) string { return filepath.Join(directory, what+"-"+name) }

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("failpoint: %v", err))
	}
}
