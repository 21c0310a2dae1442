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

// ownGroup makes cmd the leader of a new process group.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the group of leader. The group may be empty.
func killGroup(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGKILL) }

// killMarked kills the processes with mark in their environment: those of one
// run that left its group (setsid, daemons). It searches until it finds no new
// one, for at most killWithin. It does not find processes whose environment it
// cannot read, and none without /proc.
//
// Nothing else finds them: they have other groups, sessions and parents. To be
// their subreaper, CoreDNS would have to collect the orphans of other plugins as
// well; a control group takes a privilege that CoreDNS rarely has.
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

// killWithin bounds the search: a probe that ends late does not count.
const killWithin = 50 * time.Millisecond

// processes returns the IDs of all processes, the higher than pid first: most
// descendants of pid are among these.
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

// killIfMarked kills a process with mark in its environment. It opens the process
// before it reads the environment, so that the signal cannot hit another process
// that got the same ID in between.
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

// has reports whether an environment contains variable, as in A=B. It does not hold
// the whole environment: that of another process may have megabytes.
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

// reap waits for killed processes of leader's group that have become children of
// this process. That happens if CoreDNS is a container's init: without the wait
// they would stay as zombies. Elsewhere there are none, and it returns at once.
func reap(leader *os.Process) {
	for end := time.Now().Add(drainWithin); time.Now().Before(end); {
		switch pid, err := syscall.Wait4(-leader.Pid, nil, syscall.WNOHANG, nil); {
		case err != nil: // ECHILD: none left
			return
		case pid == 0:
			time.Sleep(time.Millisecond) // not exited yet
		}
	}
}
