package deploy_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sizeLimit is the maximum size of the image, in bytes.
const sizeLimit = 90e6

const imageVersion = "v0.0.0-test"

func testTheImage(t *testing.T) {
	files := filesOf(t, image)

	t.Run("is the same built twice", func(t *testing.T) { sameBuiltHere(t, files) })
	t.Run("describes itself", func(t *testing.T) { describesItself(t, files) })
	t.Run("binds port 53 and stops gracefully", bindsAndStops)
	t.Run("runs without any capability", runsBare)
	t.Run("runs with no-new-privileges", runsWithoutNewPrivileges)
}

// sameBuiltHere builds the programs again and compares the bytes: on this
// machine, in another folder, as another user, with another cache.
func sameBuiltHere(t *testing.T, files map[string][]byte) {
	t.Helper()
	out := t.TempDir()
	t.Setenv("VERSION", imageVersion)
	run(t, 20*time.Minute, "image/build", out)
	for _, name := range []string{"coredns", "rrhealthctl", "healthcheck"} {
		here, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := sha256.Sum256(here), sha256.Sum256(files[name]); a != b {
			t.Errorf("%s has the hash %x here and %x in the image", name, a, b)
		} else {
			t.Logf("%s: %d bytes, sha256 %x both times", name, len(here), a)
		}
	}
}

func describesItself(t *testing.T, files map[string][]byte) {
	t.Helper()
	var about []struct {
		Size   float64
		Config struct {
			User        string
			Labels      map[string]string
			Healthcheck struct{ Test []string }
		}
	}
	if err := json.Unmarshal([]byte(docker(t, "image", "inspect", image)), &about); err != nil {
		t.Fatal(err)
	}
	config := about[0].Config
	t.Logf("size %.1f MB", about[0].Size/1e6)
	if about[0].Size > sizeLimit {
		t.Errorf("size %.1f MB, want %.0f MB at most", about[0].Size/1e6, sizeLimit/1e6)
	}
	uid, _, _ := strings.Cut(config.User, ":")
	if n, err := strconv.Atoi(uid); err != nil || n == 0 {
		t.Errorf("user %q, want a number other than root's", config.User)
	}
	if got := config.Labels["org.opencontainers.image.version"]; got != imageVersion {
		t.Errorf("label version is %q, want %q", got, imageVersion)
	}
	if test := config.Healthcheck.Test; len(test) != 2 || test[0] != "CMD" {
		t.Errorf("health check %q, want one without a shell", test)
	}
	var sbom struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(files["usr/share/sbom/coredns.cdx.json"], &sbom); err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, c := range sbom.Components {
		listed[c.Name] = c.Version
	}
	for _, name := range []string{"std", "github.com/coredns/coredns", "github.com/miekg/dns"} {
		if listed[name] == "" {
			t.Errorf("%s is not in the SBOM of %d components", name, len(listed))
		}
	}
	if !bytes.Contains(files["etc/ssl/certs/ca-certificates.crt"], []byte("BEGIN CERTIFICATE")) {
		t.Error("no CA certificates")
	}
	for name := range files {
		if base := filepath.Base(name); base == "sh" || base == "busybox" {
			t.Errorf("%s is in the image, want no shell", name)
		}
	}
}

// lowPorts forbids what the engine allows by default: that any user binds ports
// below 1024. Only then does the capability of the file matter.
const lowPorts = "net.ipv4.ip_unprivileged_port_start=1024"

func bindsAndStops(t *testing.T) {
	c := startContainer(t, corefile(53), "--read-only", "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--sysctl", lowPorts)
	settled(t, c.addr(t, 53), "www.example.org.", "192.0.2.1", "192.0.2.2")
	c.eventually(t, "{{.State.Health.Status}}", "healthy")

	stopped := make(chan error, 1)
	go func() {
		_, err := try(time.Minute, "docker", "stop", c.name)
		stopped <- err
	}()
	answered := c.answersUntil(t, stopped)
	t.Logf("answered for %v of its lameduck", answered.Round(100*time.Millisecond))
	if answered < time.Second {
		t.Errorf("answered for %v after docker stop, want about the 3 s of lameduck", answered)
	}
	if code := docker(t, "inspect", "-f", "{{.State.ExitCode}}", c.name); code != "0" {
		t.Errorf("exit code %s after docker stop, want 0\n%s", code, docker(t, "logs", c.name))
	}
}

// runsBare has no capability, as under the restricted profile of Kubernetes
// without additions. With an effective file capability the program would not
// start.
func runsBare(t *testing.T) {
	c := startContainer(t, corefile(1053), "--read-only", "--cap-drop", "ALL", "--sysctl", lowPorts)
	settled(t, c.addr(t, 1053), "www.example.org.", "192.0.2.1", "192.0.2.2")
	docker(t, "exec", c.name, "/healthcheck", "127.0.0.1:1053")
	if out, err := try(time.Minute, "docker", "exec", c.name, "/healthcheck"); err == nil {
		t.Errorf("the health check passes on a port without a server: %q", out)
	}
}

// runsWithoutNewPrivileges is the documented setup if file capabilities have no
// effect: the runtime opens the low ports.
func runsWithoutNewPrivileges(t *testing.T) {
	c := startContainer(t, corefile(53), "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--sysctl", "net.ipv4.ip_unprivileged_port_start=53")
	settled(t, c.addr(t, 53), "www.example.org.", "192.0.2.1", "192.0.2.2")
}

func corefile(port int) string {
	return fmt.Sprintf(`example.org:%d {
		rrhealth www.example.org {
			backend 192.0.2.1 192.0.2.2
		}
		health :8080 {
			lameduck 3s
		}
	}`, port)
}

type container struct{ name string }

// startContainer runs the image on a Corefile. It is removed when the test ends.
func startContainer(t *testing.T, corefile string, options ...string) container {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(path, []byte(corefile), 0o644); err != nil { // #nosec G306 -- for the image's user to read
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil { // #nosec G302 -- likewise
		t.Fatal(err)
	}
	c := container{name: fmt.Sprintf("rrh-%d-%d", os.Getpid(), time.Now().UnixNano())}
	args := append([]string{"run", "--detach", "--name", c.name, "--health-interval", "1s", "--volume", path + ":/Corefile:ro"}, options...)
	t.Cleanup(func() { _, _ = try(time.Minute, "docker", "rm", "--force", c.name) })
	docker(t, append(args, image)...)
	return c
}

func (c container) addr(t *testing.T, port int) string {
	t.Helper()
	ip := docker(t, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", c.name)
	if ip == "" {
		t.Fatalf("%s has no address\n%s", c.name, docker(t, "logs", c.name))
	}
	return fmt.Sprintf("%s:%d", ip, port)
}

// eventually waits until a field of the state of the container is want.
func (c container) eventually(t *testing.T, format, want string) {
	t.Helper()
	var got string
	for range 100 {
		if got = docker(t, "inspect", "-f", format, c.name); got == want {
			return
		}
		pause(200 * time.Millisecond)
	}
	t.Fatalf("%s is %q, want %q\n%s", format, got, want, docker(t, "inspect", "-f", "{{json .State}}", c.name))
}

// answersUntil queries until stopped receives, and returns for how long answers
// came.
func (c container) answersUntil(t *testing.T, stopped <-chan error) time.Duration {
	t.Helper()
	addr := c.addr(t, 53)
	begin, last := time.Now(), time.Now()
	for {
		select {
		case err := <-stopped:
			if err != nil {
				t.Fatalf("docker stop: %v", err)
			}
			return last.Sub(begin)
		default:
		}
		if _, err := ask(addr, "www.example.org."); err == nil {
			last = time.Now()
		}
		pause(20 * time.Millisecond)
	}
}

// filesOf returns the files of an image, by their paths.
func filesOf(t *testing.T, image string) map[string][]byte {
	t.Helper()
	name := fmt.Sprintf("rrh-%d-files", os.Getpid())
	docker(t, "create", "--name", name, image)
	defer docker(t, "rm", name)
	out, err := exec.Command("docker", "export", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
