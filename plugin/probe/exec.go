package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// maxCommands is how many commands may run at once in the process.
	maxCommands = 128
	// drainWithin is how long to wait for the rest of a command's output after
	// the command has exited. A process that left its group may keep it open.
	drainWithin = 100 * time.Millisecond
)

// commands is a semaphore for the commands that run.
var commands = make(chan struct{}, maxCommands)

// parseExec reads exec COMMAND [ARG...] with the option env. The command must
// exist and be executable now.
func parseExec(s Spec) (Check, error) {
	if s.Args[0] != "exec" || len(s.Args) < 2 || s.Args[1] == "" {
		return Check{}, fmt.Errorf("check %q: no command; write check exec COMMAND [ARG...]", shown(s.Args[0]))
	}
	name := s.Args[1]
	if !printable(name) {
		return Check{}, fmt.Errorf("check exec: control characters or invalid UTF-8 in the command (got %q); write a name without them", name)
	}
	e := &execCheck{label: "exec " + name, args: s.Args[1:]}
	if slices.ContainsFunc(e.args, func(a string) bool { return strings.ContainsRune(a, 0) }) {
		return Check{}, fmt.Errorf("check %q: NUL in an argument; remove it", e.label)
	}
	err := s.each(func(o Option) (bool, error) {
		if o.Name != "env" {
			return false, nil
		}
		return true, e.addEnv(o)
	})
	if err != nil {
		return Check{}, err
	}
	file := name
	if strings.ContainsRune(name, os.PathSeparator) {
		file = path(s.Root, name)
	}
	if e.file, err = exec.LookPath(file); err != nil {
		if why, ok := errors.AsType[*exec.Error](err); ok {
			err = why.Err
		}
		return Check{}, fmt.Errorf("check %q: %v; name a program that this process may execute", firstWords(e.label, 2), plain(err))
	}
	return Check{
		Label: e.label,
		ID:    id(append([]string{"exec", e.file, optionsID(s.Options)}, e.args...)...),
		Probe: e.probe,
	}, nil
}

// An execCheck is a command with its arguments and environment.
type execCheck struct {
	label string
	file  string
	args  []string // the first is the command as in the Corefile
	env   []string
}

// addEnv reads "env NAME VALUE...". Errors contain a word only after it is clear
// that the word is not part of the value, which may be a secret.
func (e *execCheck) addEnv(o Option) error {
	if len(o.Args) < 2 {
		return o.errorf("takes a name and a value (got %d of 2); write env NAME VALUE", len(o.Args))
	}
	name, value := o.Args[0], strings.Join(o.Args[1:], " ")
	switch {
	case strings.Contains(name, "="):
		return o.errorf("the first word contains =; write env NAME VALUE, with a space between the two")
	case !printable(name) || name == "" || strings.Contains(name, " "):
		return o.errorf("the first word is not the name of a variable; write env NAME VALUE, with a NAME such as LANG")
	case name == addressVariable:
		return o.errorf("%s is set to the probed address; use another name", name)
	case name == runVariable:
		return o.errorf("%s is set to mark the processes of a run; use another name", name)
	case strings.ContainsRune(value, 0):
		return o.errorf("NUL in the value of %s; remove it", name)
	case slices.ContainsFunc(e.env, func(v string) bool { return strings.HasPrefix(v, name+"=") }):
		return o.errorf("%s given twice; write it once", name)
	}
	e.env = append(e.env, name+"="+value)
	return nil
}

const (
	addressVariable = "RRHEALTH_ADDRESS" // the address to check
	runVariable     = "RRHEALTH_RUN"     // marks the processes of one run, see killMarked
)

// probe passes if the command exits with 0. It waits until fewer than maxCommands
// run; if that takes until the timeout, it is a local error.
func (e *execCheck) probe(ctx context.Context, addr netip.Addr) error {
	select {
	case commands <- struct{}{}:
		defer func() { <-commands }()
	case <-ctx.Done():
		return &failure{kind: e.label, target: addr, reason: reasonf("%d commands were running, and none ended before the timeout", maxCommands), cause: syscall.EAGAIN}
	}
	cmd := exec.Command(e.file) // #nosec G204 -- the Corefile names the command
	cmd.Args = append(slices.Clone(e.args), addr.String())
	// Not CoreDNS's own environment: it may contain secrets.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, e.env...)
	mark := fmt.Sprintf("%s=%016x", runVariable, rand.Uint64()) // #nosec G404 -- it tells runs apart, it guards nothing
	cmd.Env = append(cmd.Env, addressVariable+"="+addr.String(), mark)
	line, err := run(ctx, cmd, mark)
	if err == nil {
		return nil
	}
	return &failure{kind: e.label, target: addr, reason: exitReason(ctx, line, err), cause: err}
}

// exitReason returns the reason of a command that did not pass and wrote line.
func exitReason(ctx context.Context, line string, err error) reason {
	var (
		exit *exec.ExitError
		text string
	)
	switch {
	case !errors.As(err, &exit):
		return explain("starting", err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		text = "timed out and was killed"
	case ctx.Err() != nil:
		text = "canceled and killed"
	case exit.Exited():
		text = fmt.Sprintf("exit status %d", exit.ExitCode())
	default:
		text = "ended by " + exit.String() // a signal's name
	}
	if line == "" {
		return reasonf("%s", text)
	}
	return reasonf("%s: %s", text, repeated(line, 200))
}

// run runs cmd in a process group of its own until it exits or ctx is done. It
// returns the first line of stderr, or of stdout if stderr is empty: most
// programs explain a failure on stderr, and Nagios plugins on stdout. Afterwards
// no process of the group is left. Processes that left the group are killed if
// ctx ended the run; if the command exited, they may stay.
func run(ctx context.Context, cmd *exec.Cmd, mark string) (line string, err error) {
	stdout, errOut := newOutput()
	stderr, errErr := newOutput()
	defer stdout.close()
	defer stderr.close()
	if err := errors.Join(errOut, errErr); err != nil {
		return "", err
	}
	cmd.Stdout, cmd.Stderr = stdout.w, stderr.w
	ownGroup(cmd)
	closeOnExec()
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stdout.read()
	stderr.read()
	// The kernel does not reuse a group's ID while the group has members. The
	// signal could hit another process only if the kernel came to the same ID
	// between the exit of the last member and the signal.
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		killGroup(cmd.Process)
		killMarked(cmd.Process, mark)
	})
	err = cmd.Wait()
	if !stop() {
		<-killed
	}
	killGroup(cmd.Process) // its children that still run
	end := time.Now().Add(drainWithin)
	line = stdout.line(end)
	if complaint := stderr.line(end); complaint != "" {
		line = complaint
	}
	reap(cmd.Process)
	return line, err
}

// An output is a pipe that a command writes to.
type output struct {
	r, w  *os.File
	first chan string
}

func newOutput() (o output, err error) {
	o.first = make(chan string, 1)
	o.r, o.w, err = os.Pipe()
	return o, err
}

// read reads what the command writes. The command has started, and so has its own
// descriptor.
func (o output) read() {
	_ = o.w.Close()
	go func() { o.first <- firstLine(o.r) }()
}

// line returns the first line written, as far as it has arrived by end.
func (o output) line(end time.Time) string {
	_ = o.r.SetReadDeadline(end)
	return <-o.first
}

func (o output) close() { _, _ = o.r.Close(), o.w.Close() }

// firstLine returns the first line of r that is not blank. It reads r to its end:
// a command must not block because its pipe is full.
func firstLine(r io.Reader) string {
	head, _ := io.ReadAll(io.LimitReader(r, 4<<10))
	_, _ = io.Copy(io.Discard, r)
	line, _, _ := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
	return strings.TrimSpace(string(line))
}
