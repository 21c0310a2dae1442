package deploy_test

import (
	"bufio"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rrhealth/rrhealth/internal/fakekube"
)

// TestEveryCorefileStarts starts CoreDNS on the Corefile of each ConfigMap, and
// of the chart's values.
func TestEveryCorefileStarts(t *testing.T) {
	if testing.Short() {
		t.Skip("builds CoreDNS")
	}
	coredns := buildCoreDNS(t)
	corefiles := map[string]string{"helm": chartCorefile(t)}
	for _, folder := range []string{"base", "overlays/monitored", "overlays/sidecar", "overlays/cluster-dns"} {
		_, corefiles[folder] = withKey(t, decode(t, render(t, folder)), "Corefile")
	}
	corefiles["compose"] = read(t, "compose/Corefile")
	api := httptest.NewServer(new(fakekube.Objects))
	t.Cleanup(func() {
		api.CloseClientConnections() // they have open watches
		api.Close()
	})
	for name, corefile := range corefiles {
		t.Run(name, func(t *testing.T) { starts(t, coredns, adapt(corefile, api.URL)) })
	}
}

// adapt changes a Corefile for a cluster so that it works in this test: without
// fixed ports of the machine, and with the API server of the test.
func adapt(corefile, api string) string {
	var lines []string
	for line := range strings.Lines(corefile) {
		switch words := strings.Fields(line); {
		case len(words) == 0:
		case words[0] == "loop":
			continue // depends on the resolver of this machine
		case words[0] == "prometheus":
			line = "prometheus 127.0.0.1:0\n"
		case words[0] == "ready":
			line = "ready 127.0.0.1:0\n"
		case words[0] == "health":
			line = strings.Replace(strings.Replace(line, "health :8080", "health", 1), "health", "health 127.0.0.1:0", 1)
		case words[0] == "bind":
			continue
		case words[0] == "kubernetes":
			line += "endpoint " + api + "\n"
		}
		lines = append(lines, line)
	}
	return strings.ReplaceAll(strings.ReplaceAll(strings.Join(lines, ""), ".:53 {", ". {"), "lameduck 5s", "lameduck 1s")
}

// starts starts CoreDNS, waits until it serves, reloads it, and stops it.
func starts(t *testing.T, coredns, corefile string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(path, []byte(corefile), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(coredns, "-conf", path, "-dns.port", "0") // #nosec G204 -- our own build
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()

	ended := make(chan struct{})
	var signaling sync.WaitGroup
	defer signaling.Wait()
	defer close(ended)
	reloading := make(chan struct{}, 1)

	var output strings.Builder
	serving := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&output, lines.Text())
		// CoreDNS prints its version when every server block listens.
		if strings.HasPrefix(lines.Text(), "CoreDNS-") {
			serving = true
			signaling.Go(func() { terminate(cmd.Process, reloading, ended) })
		}
		if strings.Contains(lines.Text(), "SIGUSR1: Reloading") {
			select {
			case reloading <- struct{}{}:
			default:
			}
		}
	}
	err = cmd.Wait()
	if !serving || err != nil {
		t.Errorf("serving: %v, exit: %v, of\n%s\n%s", serving, err, corefile, output.String())
	}
}

// terminate reloads p, and then stops it. Caddy listens for signals on a
// goroutine that may start later than the servers, and SIGTERM before that
// would end p without a shutdown. So terminate first repeats SIGUSR1, which is
// ignored until then, until p reloads. It repeats SIGTERM as well: one of two
// signals in quick succession may be lost.
func terminate(p *os.Process, reloading, ended <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	next := syscall.SIGUSR1
	for {
		_ = p.Signal(next)
		select {
		case <-reloading:
			next = syscall.SIGTERM
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// buildCoreDNS returns the program of this repository: $RRHEALTH_COREDNS, or
// one built for the test.
func buildCoreDNS(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("RRHEALTH_COREDNS"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "coredns")
	run(t, 10*time.Minute, "go", "build", "-o", path, "../cmd/coredns")
	return path
}

// chartCorefile returns the Corefile that the official chart makes of
// helm/values.yaml (templates/configmap.yaml and _helpers.tpl).
func chartCorefile(t *testing.T) string {
	t.Helper()
	var values struct {
		Servers []struct {
			Zones []struct {
				Zone string `json:"zone"`
			} `json:"zones"`
			Port    int `json:"port"`
			Plugins []struct {
				Name        string `json:"name"`
				Parameters  any    `json:"parameters"`
				ConfigBlock string `json:"configBlock"`
			} `json:"plugins"`
		} `json:"servers"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "kubernetes/helm/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range values.Servers {
		for _, z := range s.Zones {
			fmt.Fprintf(&b, "%s:%d ", z.Zone, s.Port)
		}
		b.WriteString("{\n")
		for _, p := range s.Plugins {
			b.WriteString(p.Name)
			if p.Parameters != nil {
				fmt.Fprintf(&b, " %v", p.Parameters)
			}
			if p.ConfigBlock != "" {
				fmt.Fprintf(&b, " {\n%s\n}", p.ConfigBlock)
			}
			b.WriteString("\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
