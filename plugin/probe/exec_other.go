//go:build !unix

package probe

import (
	"os"
	"os/exec"
)

// ownGroup does nothing where there are no process groups.
func ownGroup(*exec.Cmd) {}

// killGroup kills the leader alone.
func killGroup(leader *os.Process) { _ = leader.Kill() }

// reap does nothing where children are nobody's duty.
func reap(*os.Process) {}

// killMarked finds nobody where there is no /proc.
func killMarked(*os.Process, string) {}

// closeOnExec does nothing where descriptors are not inherited by default.
func closeOnExec() {}
