package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is a process that answers queries.
type server struct {
	subject   *subject
	monitored bool // has prometheus and errors in its chain
	dir       string
	port      int
	cmd       *exec.Cmd
	started   time.Time
	exited    chan struct{} // closed when the process has exited

	rates           byRound
	cpu             time.Duration
	sent, completed int
	lost, failed    int
}

// name returns a name that no other server has.
func (s *server) name() string {
	if s.monitored {
		return s.subject.name + ", monitored"
	}
	return s.subject.name
}

// launch starts s. Its process is killed when ctx ends, and when this process
// exits. CPU time is read from /proc/PID/stat.
func (s *server) launch(ctx context.Context, where coreList, argv []string) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = where.command(ctx, argv)
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A process group of its own: Ctrl-C goes only to this process, which then
	// stops the servers.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.started, s.exited = time.Now(), make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	return nil
}

// stop kills s: no server here has state to save. SIGKILL also ends a frozen
// process.
func (s *server) stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// freeze and thaw suspend and resume a server that probes, while others are
// measured.
func (s *server) freeze() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) thaw() error   { return s.cmd.Process.Signal(syscall.SIGCONT) }

// lastLine returns the last line that s logged.
func (s *server) lastLine() string {
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	last := strings.ReplaceAll(lines[len(lines)-1], s.dir+string(filepath.Separator), "")
	if len(last) > 300 {
		last = last[:300] + "…"
	}
	return last
}

// used returns the CPU time that s has used.
func (s *server) used() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	return cpuTime(string(stat))
}

// tick is the unit of /proc/PID/stat: USER_HZ is 100 for every program,
// independent of the clock of the kernel.
const tick = 10 * time.Millisecond

// cpuTime adds user and system time in the text of /proc/PID/stat. The name of
// the program, in parentheses, may have any characters, also parentheses.
func cpuTime(stat string) (time.Duration, error) {
	const utime, stime = 11, 12 // counted from the end of the name
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/PID/stat: got %d fields, want more than %d", len(fields), stime)
	}
	user, err1 := strconv.Atoi(fields[utime])
	system, err2 := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}
