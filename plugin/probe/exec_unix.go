//go:build unix

package probe

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// ownGroup has cmd start as the leader of a process group.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the group that leader leads. There may be nobody left in it.
func killGroup(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGKILL) }

// killMarked kills the processes that have mark in their environment, which are
// those of one run that have left its group (setsid, daemons), for as long as
// new ones are found, and at most killWithin. A process whose environment
// cannot be read is not ours, or has made sure that it is not found. Where
// there is no /proc, none is found.
//
// Nothing else finds them: they have other groups, sessions and parents. A
// subreaper would have to be the whole of CoreDNS, and collect the orphans of
// other plugins; a control group takes a privilege that CoreDNS rarely has.
func killMarked(leader *os.Process, mark string) {
	room, killed := bufio.NewReader(nil), make(map[int]bool)
	for end := time.Now().Add(killWithin); time.Now().Before(end); {
		found := false
		for _, pid := range processes(leader.Pid) {
			// On a busy machine a killed process stays for a while.
			if !killed[pid] && killIfMarked(pid, mark, room) {
				killed[pid], found = true, true
			}
			if time.Now().After(end) {
				return
			}
		}
		if !found {
			return
		}
	}
}

// killWithin bounds the search: a result that is late does not count.
const killWithin = 50 * time.Millisecond

// processes lists the processes of this machine, those that were probably
// started after pid first: descendants are among them.
func processes(pid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var later, earlier []int
	for _, e := range entries {
		switch p, err := strconv.Atoi(e.Name()); {
		case err != nil || p <= 1 || p == os.Getpid():
		case p > pid:
			later = append(later, p)
		default:
			earlier = append(earlier, p)
		}
	}
	return append(later, earlier...)
}

// killIfMarked kills a process that has mark in its environment. The process is
// held before it is looked at, so that the signal cannot hit another one to
// which the kernel has given its id in between.
func killIfMarked(pid int, mark string, room *bufio.Reader) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }()
	environment, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	defer func() { _ = environment.Close() }()
	room.Reset(environment)
	return has(room, mark) && p.Signal(syscall.SIGKILL) == nil
}

// has reports whether variable, as in A=B, is in an environment. Those of other
// processes may have megabytes: none is held as a whole.
func has(environment *bufio.Reader, variable string) bool {
	for start := true; ; { // of a variable
		part, err := environment.ReadSlice(0)
		if start && string(bytes.TrimSuffix(part, []byte{0})) == variable {
			return true
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return false
		}
		start = err == nil
	}
}

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
