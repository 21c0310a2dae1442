//go:build linux

package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestABlackholeIsALocalError asks an address whose route is a blackhole, in a
// network namespace of its own: the kernel says EINVAL.
func TestABlackholeIsALocalError(t *testing.T) {
	lacking := make(chan string, 1)
	go func() {
		defer close(lacking)
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			lacking <- "a network namespace: " + err.Error()
			return
		}
		for _, line := range []string{"link set lo up", "route add blackhole 192.0.2.0/24"} {
			if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
				lacking <- fmt.Sprintf("ip %s: %v %s", line, err, out)
				return
			}
		}
		for _, line := range []string{"tcp://:80", "http://:80"} {
			ctx, cancel := context.WithTimeout(t.Context(), enough)
			err := check(t, "", line).Probe(ctx, netip.MustParseAddr("192.0.2.7"))
			cancel()
			if !errors.Is(err, syscall.EINVAL) || !strings.HasSuffix(err.Error(), "192.0.2.7:80: invalid argument while connecting: the route to it is a blackhole") {
				t.Errorf("%s: %v, want EINVAL inside", line, err)
			}
		}
	}()
	if what, ok := <-lacking; ok {
		missing(t, "%s", what)
	}
}
