package main

import "syscall"

// dieWithParent has the kernel kill the child when this process ends in any way.
func dieWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
