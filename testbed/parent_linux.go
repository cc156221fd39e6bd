package testbed

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel end the process when the test is killed and its clean-up never runs.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
