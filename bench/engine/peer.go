//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A peer is a process that is measured, or that answers probes. The processes
// of this program read commands from standard input, and answer each with a
// line.
type peer struct {
	cmd     *exec.Cmd
	command io.WriteCloser // standard input; nil for HAProxy
	answers *bufio.Reader
	errors  bytes.Buffer
	ports   string // of a backend: those for tcp and http
	stats   string // of HAProxy: the socket for statistics
	cleanup func()
}

// startSelf starts this program in another role.
func startSelf(ctx context.Context, args ...string) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &peer{cmd: exec.CommandContext(ctx, self, args...)}
	if p.command, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = bufio.NewReader(out)
	p.cmd.Stderr = os.Stderr
	return p, p.cmd.Start()
}

// ask sends a command and returns the answer.
func (p *peer) ask(command string) string {
	fmt.Fprintln(p.command, command)
	line, _ := p.answers.ReadString('\n') // after an exit the answer is empty, also in the table
	return strings.TrimSpace(line)
}

// stop ends the process and waits for it.
func (p *peer) stop() {
	if p.command != nil {
		_ = p.command.Close()
	} else {
		_ = p.cmd.Process.Kill()
	}
	_ = p.cmd.Wait()
	if p.cleanup != nil {
		p.cleanup()
	}
}

// lastError returns the last line that the process wrote to standard error.
func (p *peer) lastError() string {
	lines := strings.Split(strings.TrimSpace(p.errors.String()), "\n")
	return strings.ReplaceAll(lines[len(lines)-1], "|", "/")
}

// count returns how many connections a backend has had for checks of the kind.
func (p *peer) count(kind string) int {
	n, _ := strconv.Atoi(p.ask(kind))
	return n
}

// cpu returns the processor time that the process has used.
func (p *peer) cpu() time.Duration {
	const userHz = 100 // USER_HZ, which is 100 on every Linux that Go runs on
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / userHz
}

// rss returns the resident memory of the process in bytes.
func (p *peer) rss() int {
	kib, _ := strconv.Atoi(strings.TrimSuffix(procField(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid), "VmRSS"), " kB"))
	return kib << 10
}

// procField returns the text behind "name:" in a file of /proc.
func procField(file, name string) string {
	text, _ := os.ReadFile(file) // #nosec G304 -- below /proc
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func cpu() string {
	if name := procField("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return "processors"
}

func kernel() string { return proc("sys/kernel/osrelease") }

// proc returns the first word of a file of /proc.
func proc(file string) string {
	text, _ := os.ReadFile("/proc/" + file) // #nosec G304 -- below /proc
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return word
}
