package dbserver

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// ownerVariable makes the test program start a server, tell its process id, and
// wait to be killed.
const ownerVariable = "DBSERVER_TEST_OWNER"

func runOwner() {
	server, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(server.PID(), server.home.root)
	select {}
}

func TestAServerDoesNotOutliveAKilledOwner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux tells a child of its parent's death")
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"=1")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	number, root, _ := strings.Cut(strings.TrimSpace(line), " ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("the owner says %q", line)
	}
	defer os.RemoveAll(root)
	if !alive(pid) {
		t.Fatalf("server %d does not run", pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed
	expectGone(t, pid)
}
