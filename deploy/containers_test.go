// Package deploy_test tests the files in the folders below: it runs the image
// and the compose file in containers, and passes the manifests and the units to
// the programs that read them.
package deploy_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The image to build in, and the tag of the images that the tests build. No
// other program uses these names, so that all images with them can be removed.
const (
	baseImage = "rrh-test-base"
	tag       = "rrh-test"
	image     = "rrhealth:" + tag
)

// TestContainers takes minutes and needs a Docker engine, so it runs only with
// CONTAINERS=1 go test ./deploy. It builds the image once, for all subtests.
func TestContainers(t *testing.T) {
	if os.Getenv("CONTAINERS") == "" {
		t.Skip("takes minutes and needs a Docker engine: set CONTAINERS=1")
	}
	t.Setenv("GO_IMAGE", goImage(t))
	run(t, 20*time.Minute, "docker", "build", "--build-arg", "GO_IMAGE="+os.Getenv("GO_IMAGE"),
		"--build-arg", "VERSION="+imageVersion, "-t", image, "..")
	t.Run("image", testTheImage)
	t.Run("compose", testTheComposeFile)
}

// goImage returns the image to build in: $GO_IMAGE, or one that is made from
// this machine's Go without a registry.
func goImage(t *testing.T) string {
	t.Helper()
	if name := os.Getenv("GO_IMAGE"); name != "" {
		return name
	}
	run(t, 2*time.Minute, "image/base/make", baseImage)
	return baseImage
}

// run runs a program to its end and returns what it printed.
func run(t *testing.T, limit time.Duration, name string, args ...string) string {
	t.Helper()
	out, err := try(limit, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// try works as run does, for programs that may fail.
func try(limit time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = "./" + name
	}
	cmd := exec.CommandContext(ctx, name, args...) // #nosec G204 -- our own arguments
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, time.Minute, "docker", args...)
}

// ask queries the server at addr for the A records of name, and returns the
// addresses sorted.
func ask(addr, name string) ([]string, error) {
	c := dns.Client{Timeout: time.Second}
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	r, _, err := c.Exchange(m, addr)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, rr := range r.Answer {
		if a, ok := rr.(*dns.A); ok {
			all = append(all, a.A.String())
		}
	}
	slices.Sort(all)
	return all, nil
}

// settled waits until the answers at addr for name have exactly the addresses
// want, and returns how long that took.
func settled(t *testing.T, addr, name string, want ...string) time.Duration {
	t.Helper()
	begin := time.Now()
	var got []string
	var err error
	for time.Since(begin) < 30*time.Second {
		if got, err = ask(addr, name); err == nil && slices.Equal(got, want) {
			return time.Since(begin).Round(time.Millisecond)
		}
		pause(20 * time.Millisecond)
	}
	t.Fatalf("%s: answers are %v (%v) after 30 s, want %v", name, got, err, want)
	return 0
}

// pause waits between two polls.
func pause(d time.Duration) { <-time.After(d) }
