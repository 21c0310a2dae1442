package state_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// The tests start this program again as another server: with these variables it
// runs no tests.
const (
	helperRole = "STATE_HELPER" // what it does
	helperDir  = "STATE_HELPER_DIR"
	helperStep = "STATE_HELPER_STEP" // "3 write": before the third write
)

func TestMain(m *testing.M) {
	switch role := os.Getenv(helperRole); role {
	case "":
		os.Exit(m.Run())
	case "hold":
		helpHold()
	case "save":
		helpSave()
	case "save on":
		helpSaveOn()
	default:
		panic(role)
	}
}

// helpOpen opens the directory.
func helpOpen() *state.Dir {
	d, err := state.Open(os.Getenv(helperDir), state.Options{Version: 1})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return d
}

// helpHold has the directory until stdin ends.
func helpHold() {
	d := helpOpen()
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if d.Close() != nil {
		os.Exit(1)
	}
}

// helpSave saves the next document by Start and Close, and is killed before a step.
func helpSave() {
	number, step, _ := strings.Cut(os.Getenv(helperStep), " ")
	left, _ := strconv.Atoi(number)
	state.Interrupt(func(s string) error {
		if s == step {
			left--
		}
		if left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})
	d := helpOpen()
	var last doc
	d.Load(&last)
	d.Start(func() any { return document(last.N+1, killedSize) })
	if d.Close() != nil {
		os.Exit(1)
	}
}

// helpSaveOn saves document after document, and prints the number of each when it
// is saved.
func helpSaveOn() {
	d := helpOpen()
	var last doc
	d.Load(&last)
	for n := last.N + 1; ; n++ {
		if err := d.Save(document(n, n*7919%killedSize)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// A server is another process.
type server struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts another server on dir.
func start(t *testing.T, role, dir, step string) *server {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Cmd: exec.Command(exe)}
	s.Env = append(os.Environ(), helperRole+"="+role, helperDir+"="+dir, helperStep+"="+step)
	s.Stderr = os.Stderr
	if s.in, err = s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
	return s
}

// line returns the next line of the server, "" at its end.
func (s *server) line() string {
	s.out.Scan()
	return s.out.Text()
}

// killed reports whether the server has ended by SIGKILL.
func (s *server) killed() bool {
	_ = s.Wait()
	status, ok := s.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
