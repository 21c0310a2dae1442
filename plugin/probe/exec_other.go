//go:build !unix

package probe

import (
	"os"
	"os/exec"
)

// ownGroup does nothing: this system has no process groups.
func ownGroup(*exec.Cmd) {}

// killGroup kills the leader only.
func killGroup(leader *os.Process) { _ = leader.Kill() }

// reap does nothing: this system has no zombies.
func reap(*os.Process) {}

// killMarked does nothing: this system has no /proc.
func killMarked(*os.Process, string) {}

// closeOnExec does nothing: descriptors are not inherited by default.
func closeOnExec() {}
