package task

import (
	"os/exec"
	"syscall"
)

// asGroup makes a command the head of a group, so that it can be stopped with all that it started. It does not outlive
// lifeboat: after a crash nothing must run on while it is begun a second time.
func asGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
}

func killGroup(command *exec.Cmd) {
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // nothing may be left to kill
}
