package ctl

import (
	"os/exec"
	"strings"
	"testing"
)

// rrhealthctl starts at each completion of a shell, and is copied to machines
// without CoreDNS. So it has nothing of CoreDNS but the parser of Corefiles.
func TestRrhealthctlDoesNotContainCoreDNS(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../../cmd/rrhealthctl").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "github.com/spf13/cobra") {
		t.Fatalf("not the packages of rrhealthctl:\n%s", out)
	}
	for _, foreign := range []string{"github.com/coredns/coredns", "github.com/coredns/caddy\n", "github.com/prometheus/", "k8s.io/", "go.etcd.io/"} {
		if strings.Contains(string(out), foreign) {
			t.Errorf("rrhealthctl contains %s", strings.TrimSpace(foreign))
		}
	}
}
