//go:build !linux

package task

import "os/exec"

// asGroup does nothing here: a command is stopped alone, and what it started may outlive it.
func asGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) {}
