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
	exited    chan struct{} // closed when the process is gone

	rates           byRound
	cpu             time.Duration
	sent, completed int
	lost, failed    int
}

// name tells s from all others.
func (s *server) name() string {
	if s.monitored {
		return s.subject.name + ", monitored"
	}
	return s.subject.name
}

// launch starts s. Its process dies with ctx, and should this process die
// without a word, with it. CPU time is counted from /proc/PID/stat.
func (s *server) launch(ctx context.Context, where coreList, argv []string) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = where.command(ctx, argv)
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A group of its own: Ctrl-C is for us, who then end the servers.
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

// stop ends s at once: no server here has anything to lose. A frozen process
// dies of this signal, too.
func (s *server) stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// freeze and thaw let a server that works by itself rest while others are
// measured.
func (s *server) freeze() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) thaw() error   { return s.cmd.Process.Signal(syscall.SIGCONT) }

// lastWords returns the last line that s logged.
func (s *server) lastWords() string {
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

// tick is the unit of /proc/PID/stat. The kernel shows 100 a second to every
// program, whatever its own clock does.
const tick = 10 * time.Millisecond

// cpuTime adds user and system time in the text of /proc/PID/stat. The
// program's name, in brackets, may hold anything, brackets too.
func cpuTime(stat string) (time.Duration, error) {
	const utime, stime = 11, 12 // counted from behind the name
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/PID/stat: got %d fields, want more than %d", len(fields), stime)
	}
	user, err1 := strconv.Atoi(fields[utime])
	system, err2 := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}
