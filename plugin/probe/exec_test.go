package probe

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// script writes a shell script and returns its name.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func execRows(t *testing.T) []row {
	t.Helper()
	// The scripts' names differ from run to run, those of commands do not.
	sh := func(name, text string, options ...string) row {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "script"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return row{name: "exec: " + name, check: "exec sh " + filepath.Join(dir, "script"), options: options}
	}
	slow := sh("runs for ever", "echo still looking >&2; sleep 1000")
	slow.silent = true
	return []row{
		sh("exits with 0", "exit 0"),
		sh("exits with 0, and complains", "echo odd >&2; exit 0"),
		sh("exits with 2, and explains", "echo 'CRITICAL - no heartbeat' >&2; echo more >&2; exit 2"),
		sh("exits with 1, without output", "exit 1"),
		sh("exits with 1, after blank lines", `printf '\n  \n disk full \n' >&2; exit 1`),
		sh("explains on stdout, as Nagios plugins do", "echo 'DISK CRITICAL - free space: / 12 MiB | /=12MB'; echo more; exit 2"),
		sh("explains on stderr, with other text on stdout", "echo working; echo 'cannot connect' >&2; exit 1"),
		sh("writes a lot on stdout", `i=0; while [ $i -lt 2000 ]; do echo "$i 012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"; i=$((i+1)); done; exit 3`),
		sh("is killed", "kill -9 $$"),
		sh("writes binary text", `printf '\033[31m\377\000' >&2; exit 1`),
		sh("writes a lot", `i=0; while [ $i -lt 2000 ]; do echo "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" >&2; i=$((i+1)); done; exit 3`),
		sh("writes one long line", `i=0; while [ $i -lt 2000 ]; do printf "0123456789" >&2; i=$((i+1)); done; exit 3`),
		{name: "exec: shows a secret of its arguments", check: "exec sh " + script(t, "echo \"unrecognized option '$1'\"; exit 3") + " --token=hunter2hunter2"},
		{name: "exec: cannot find a file among its arguments", check: "exec sh " + script(t, `echo "cannot open ${0##*/}"; exit 3`)},
		sh("shows a secret of its environment", `echo "cannot log in with $PASSWORD" >&2; exit 1`, "env PASSWORD hunter2 hunter2"),
		slow,
	}
}

func TestTheCommandGetsTheAddressAndAnEnvironmentOfItsOwn(t *testing.T) {
	t.Setenv("COREDNS_SECRET", "hunter2")
	out := filepath.Join(t.TempDir(), "out")
	file := script(t, `{ echo "$#|$1|$2"; env | grep -v '^PWD=\|^_=\|^SHLVL=' | sort; } > `+out)
	if err := ask(t, check(t, "", "exec "+file+" -x", "env LANG C", "env B two words"), enough); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := "2|-x|127.0.0.1\nB=two words\nLANG=C\nPATH=" + os.Getenv("PATH") + "\nRRHEALTH_ADDRESS=127.0.0.1\nRRHEALTH_RUN=MARK\n"
	if mark := regexp.MustCompile("RUN=[0-9a-f]{16}"); mark.ReplaceAllString(string(got), "RUN=MARK") != want {
		t.Errorf("the command saw\n%swant\n%s", got, want)
	}
}

// TestTheWholeGroupIsKilled looks for what a command has started and left.
func TestTheWholeGroupIsKilled(t *testing.T) {
	for _, tc := range []struct {
		name, end string
		within    time.Duration
		passes    bool
	}{
		{"at the timeout", "wait", briefs, false},
		{"when it has exited", "exit 0", enough, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pid")
			file := script(t, "sleep 1000 & echo $! > "+pids+"\n"+tc.end)
			noLeaks(t)
			began := time.Now()
			err := ask(t, check(t, "", "exec "+file), tc.within)
			if (err == nil) != tc.passes {
				t.Errorf("%v, want a pass: %v", err, tc.passes)
			}
			if took := time.Since(began); took > enough {
				t.Errorf("took %v: what was left behind was waited for", took)
			}
			text, err := os.ReadFile(pids)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(enough); !exited(pid); {
				if time.Now().After(deadline) {
					t.Fatalf("process %d still lives", pid)
				}
			}
		})
	}
}

// exited reports whether a process has ended, reaped or not.
func exited(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// TestProcessesThatLeaveTheGroupAreNotWaitedFor has a grandchild hold stderr open.
func TestProcessesThatLeaveTheGroupAreNotWaitedFor(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pid")
	file := script(t, `setsid sh -c 'echo $$ > `+pids+`; exec sleep 1000' & 
while ! [ -s `+pids+` ]; do :; done
echo gone >&2; exit 1`)
	t.Cleanup(func() {
		text, _ := os.ReadFile(pids)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	err := ask(t, check(t, "", "exec "+file), enough)
	if err == nil || !strings.HasSuffix(err.Error(), `exit status 1: "gone"`) {
		t.Errorf("%v, want exit status 1", err)
	}
}

// TestProcessesThatLeaveTheGroupAreKilledAtTheTimeout looks for what has a session of
// its own, a new parent, and no part in the command's output.
func TestProcessesThatLeaveTheGroupAreKilledAtTheTimeout(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		missing(t, "/proc: %v", err)
	}
	pids := filepath.Join(t.TempDir(), "pids")
	file := script(t, `for i in 1 2 3; do (setsid sh -c 'echo $$ >> `+pids+`; sleep 1000 & echo $! >> `+pids+`; wait' <&- >&- 2>&- &); done
sleep 1000`)
	noLeaks(t)
	err := ask(t, check(t, "", "exec "+file), 2*time.Second)
	if err == nil || !strings.Contains(err.Error(), "timed out and was killed") {
		t.Errorf("%v, want a timeout", err)
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(string(text))
	if len(all) != 6 {
		t.Fatalf("processes %v, want 6", all)
	}
	for _, word := range all {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(enough); !exited(pid); {
			if time.Now().After(deadline) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				t.Errorf("process %d is left", pid)
				break
			}
		}
	}
}

// TestWhatIsMeantToStayIsLeftAlone: a command that ends by itself may start a
// daemon, such as ssh's of ControlPersist.
func TestWhatIsMeantToStayIsLeftAlone(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pid")
	file := script(t, `setsid sh -c 'echo $$ > `+pids+`; exec sleep 1000' <&- >&- 2>&- &
while ! [ -s `+pids+` ]; do :; done`)
	if err := ask(t, check(t, "", "exec "+file), enough); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(pids)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if exited(pid) {
		t.Errorf("process %d was killed, want it running", pid)
	}
}

// leaky returns a descriptor that lacks the mark that Go gives its own, as those
// do that CoreDNS inherits.
func leaky(t *testing.T) int {
	t.Helper()
	var pair [2]int
	if err := syscall.Pipe(pair[:]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = syscall.Close(pair[0]), syscall.Close(pair[1]) })
	return pair[0]
}

func TestCommandsInheritNoDescriptor(t *testing.T) {
	own, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(leaky(t)))
	if err != nil {
		missing(t, "/proc: %v", err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := ask(t, check(t, "", "exec "+script(t, "readlink /proc/self/fd/* > "+out+"; exit 0")), enough); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), own) || !strings.Contains(string(got), "/dev/null") {
		t.Errorf("the command has %s:\n%s", own, got)
	}
}

// TestDescriptorsAreMarkedOneByOne is for kernels that have no close_range.
func TestDescriptorsAreMarkedOneByOne(t *testing.T) {
	fd := leaky(t)
	markOpen("/proc/self/fd")
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags of the descriptor: %#x, %v, want FD_CLOEXEC", flags, err)
	}
}

func TestAnEnvironmentThatIsTooLongIsALocalError(t *testing.T) {
	err := ask(t, Check{Probe: func() Func {
		s := spec("", "exec true")
		s.Options = []Option{{Name: "env", Args: []string{"A", strings.Repeat("x", 4<<20)}}}
		c, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return c.Probe
	}()}, enough)
	if !errors.Is(err, syscall.E2BIG) || !strings.HasSuffix(err.Error(), "the arguments and the environment of the command are too long") {
		t.Errorf("%v, want E2BIG inside", err)
	}
}

func TestOnlySoManyCommandsRunAtOnce(t *testing.T) {
	for range maxCommands {
		commands <- struct{}{}
	}
	defer func() {
		for range maxCommands {
			<-commands
		}
	}()
	err := ask(t, check(t, "", "exec true"), briefs)
	if !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("%v, want EAGAIN inside: it is a local error", err)
	}
}

func TestACommandThatIsGoneIsALocalError(t *testing.T) {
	file := script(t, "exit 0")
	c := check(t, "", "exec "+file)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := ask(t, c, enough); !errors.Is(err, syscall.ENOENT) || !strings.HasSuffix(err.Error(), "the command cannot be started: no such file or directory") {
		t.Errorf("%v, want ENOENT inside", err)
	}
}

func TestTheCommandMustBeThere(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, line, want string }{
		{"nothing given", "exec", "no command; write check exec COMMAND"},
		{"not in the PATH", "exec no-such-check --password=hunter2", `check "exec no-such-check": executable file not found`},
		{"no such file", "exec /no/such/check", "no such file"},
		{"not executable", "exec " + plain, "permission denied"},
		{"a directory", "exec /tmp", "is a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(spec("", tc.line))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestARelativeCommandStartsFromTheRoot(t *testing.T) {
	file := script(t, "exit 0")
	s := spec("", "exec ./check")
	s.Root = filepath.Dir(file)
	c, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(t, c, enough); err != nil {
		t.Error(err)
	}
}

// TestReaping is the part of the next test that runs in a process of its own,
// to which orphans are given as they are to an init.
func TestReaping(t *testing.T) {
	if os.Getenv("RRHEALTH_REAPING") == "" {
		t.Skip("run by another test")
	}
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER of prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
	for _, end := range []string{"exit 0", "wait"} {
		_ = ask(t, check(t, "", "exec "+script(t, "sleep 1000 & sleep 1000 & "+end)), briefs)
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(text), ") ")
		if words := strings.Fields(rest); len(words) > 1 && words[1] == strconv.Itoa(os.Getpid()) {
			t.Errorf("a child is left: %s", text)
		}
	}
}

func TestAnInitIsNotLeftWithZombies(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestReaping$", "-test.v")
	cmd.Env = append(os.Environ(), "RRHEALTH_REAPING=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestReaping") {
		t.Errorf("%v\n%s", err, out)
	}
}
