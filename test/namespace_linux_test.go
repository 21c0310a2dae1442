package test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// inNamespace is set for a test that runs in a network namespace of its own.
const inNamespace = "RRHEALTH_TEST_IN_NAMESPACE"

// apart runs the calling test again, in a process in a network namespace of its
// own, and returns false; in that process it returns true. There, port 53 and
// addresses of every kind are the test's.
func apart(t *testing.T, programs ...[2]string) bool {
	t.Helper()
	for _, p := range programs {
		harness.Program(t, p[0], p[1])
	}
	ip := harness.Program(t, "ip", "iproute2")
	if os.Getenv(inNamespace) != "" {
		harness.Run(t, "", ip, "link", "set", "lo", "up")
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v") // #nosec G204 -- a test's own
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.Process == nil && os.Getenv("CI") == "":
		t.Skipf("no network namespace: %v", err)
	case err != nil:
		t.Fatalf("in a network namespace: %v\n%s", err, out)
	}
	t.Logf("in a network namespace:\n%s", out)
	return false
}
