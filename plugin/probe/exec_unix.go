//go:build unix

package probe

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ownGroup has cmd start as the leader of a process group.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the group that leader leads. There may be nobody left in it.
func killGroup(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGKILL) }

// reap takes leave of those that leader has left behind, now killed, where they
// have become our children: an init, which we are in many a container, would
// else collect them as zombies. Elsewhere there is nobody, and no wait.
func reap(leader *os.Process) {
	for end := time.Now().Add(drainWithin); time.Now().Before(end); {
		switch pid, err := syscall.Wait4(-leader.Pid, nil, syscall.WNOHANG, nil); {
		case err != nil: // ECHILD: nobody left
			return
		case pid == 0:
			time.Sleep(time.Millisecond) // dying
		}
	}
}
