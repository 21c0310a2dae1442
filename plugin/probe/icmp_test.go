package probe

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// needsEcho skips the test if no process may send echo requests.
func needsEcho(t *testing.T) {
	t.Helper()
	if err := mayEcho(); err != nil {
		missing(t, "the right to send echo requests: %v", err)
	}
}

func TestAnEchoReplyIsAPass(t *testing.T) {
	needsEcho(t)
	noLeaks(t)
	for _, addr := range []string{"127.0.0.1", "127.1.2.3", "::1"} {
		ctx, cancel := context.WithTimeout(t.Context(), enough)
		err := check(t, "", "icmp").Probe(ctx, netip.MustParseAddr(addr))
		cancel()
		if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) {
			continue // no IPv6 here
		}
		if err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestManyEchoesAtOnceAreNotMixedUp(t *testing.T) {
	needsEcho(t)
	noLeaks(t)
	c := check(t, "", "icmp")
	errs := make(chan error)
	for i := range 50 {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), enough)
			defer cancel()
			errs <- c.Probe(ctx, netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}))
		}()
	}
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestInANamespace is the part of the next tests that runs in a process of its
// own, in a network namespace where nothing is up unless it does so itself.
func TestInANamespace(t *testing.T) {
	switch os.Getenv("RRHEALTH_NAMESPACE") {
	case "deaf":
		loopbackUp(t)
		sysctl(t, "net/ipv4/icmp_echo_ignore_all", "1")
		t.Logf("%v", ask(t, check(t, "", "icmp"), briefs))
	case "allowed":
		loopbackUp(t)
		sysctl(t, "net/ipv4/ping_group_range", "65534 65534")
		t.Log(child(t, "unprivileged", &syscall.SysProcAttr{Credential: unprivileged}))
	case "unprivileged":
		for _, addr := range []string{"127.0.0.1", "::1"} {
			ctx, cancel := context.WithTimeout(t.Context(), enough)
			t.Logf("%s, uid %d: %v", addr, os.Getuid(), check(t, "", "icmp").Probe(ctx, netip.MustParseAddr(addr)))
			cancel()
		}
	case "ask":
		for _, c := range []Check{check(t, "", "icmp"), check(t, "80", "tcp://:PORT"), check(t, "53", "dns://:PORT/example.org")} {
			err := ask(t, c, enough)
			t.Logf("%v (%v)", err, errors.Is(err, syscall.ENETUNREACH))
		}
	case "parse":
		_, err := Parse(spec("", "icmp"))
		t.Logf("%v", err)
	default:
		t.Skip("run by other tests")
	}
}

var unprivileged = &syscall.Credential{Uid: 65534, Gid: 65534}

func loopbackUp(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func sysctl(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
}

// namespaced runs the part of TestInANamespace in a namespace of its own and
// returns what it says.
func namespaced(t *testing.T, part string, attr *syscall.SysProcAttr) string {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "root, to make a network namespace")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		missing(t, "the program ip of iproute2")
	}
	attr.Cloneflags = syscall.CLONE_NEWNET
	return child(t, part, attr)
}

// child runs the part of TestInANamespace in a process of its own.
func child(t *testing.T, part string, attr *syscall.SysProcAttr) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestInANamespace$", "-test.v")
	if attr.Credential != nil {
		// The test binary lies in a directory that others may not enter.
		cmd = exec.Command("/proc/self/fd/3", cmd.Args[1:]...)
		file, err := os.Open(self)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.ExtraFiles = []*os.File{file}
		cmd.Dir = "/"
	}
	cmd.Env = append(os.Environ(), "RRHEALTH_NAMESPACE="+part)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		if errors.Is(err, syscall.EPERM) {
			missing(t, "the right to make a network namespace")
		}
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestNoRouteIsALocalError(t *testing.T) {
	out := namespaced(t, "ask", &syscall.SysProcAttr{})
	for _, want := range []string{
		"icmp 127.0.0.1: network is unreachable (true)",
		"tcp 127.0.0.1:80: network is unreachable (true)",
		"dns 127.0.0.1:53: network is unreachable (true)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nwant %q", out, want)
		}
	}
}

func TestICMPIsRefusedIfTheProcessMayNotSendEchoRequests(t *testing.T) {
	// A new namespace allows unprivileged echo sockets to no group at all.
	out := namespaced(t, "parse", &syscall.SysProcAttr{Credential: unprivileged})
	const want = `check "icmp": this process may not send echo requests (operation not permitted); give it the capability CAP_NET_RAW, or add its group to the sysctl net.ipv4.ping_group_range`
	if !strings.Contains(out, want) {
		t.Errorf("%s\nwant %q", out, want)
	}
}

func TestAProcessWithoutPrivilegesMaySendEchoRequestsIfItsGroupMay(t *testing.T) {
	out := namespaced(t, "allowed", &syscall.SysProcAttr{})
	for _, want := range []string{"127.0.0.1, uid 65534: <nil>", "::1, uid 65534: <nil>"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nwant %q", out, want)
		}
	}
}

func TestAHostThatIgnoresEchoRequestsFails(t *testing.T) {
	out := namespaced(t, "deaf", &syscall.SysProcAttr{})
	if want := "icmp 127.0.0.1: timed out while waiting for the echo reply"; !strings.Contains(out, want) {
		t.Errorf("%s\nwant %q", out, want)
	}
}
