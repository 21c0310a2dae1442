//go:build linux

// Package kubernetes tests the example in this folder.
package kubernetes

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
	"github.com/rrhealth/rrhealth/internal/fakekube"
)

const (
	// bound is interval + 2 × fast + timeout of the Corefile.
	bound = 5*time.Second + 2*time.Second + time.Second

	pods    = "db.prod.svc.cluster.local."
	outside = "ldap.example.org."
)

func TestTheClusterDNSSeesWhatReadinessDoesNot(t *testing.T) {
	l := lab.New(t)
	dns, client, upstream := l.Host("dns", "10.0.0.53"), l.Host("client", "10.9.0.1"), l.Host("upstream", "10.0.0.2")
	l.Host("api", "10.0.0.6").Serve(8080, fakekube.Headless("prod", "db", 5432, "10.7.0.1", "10.7.0.2", "10.7.0.3").ServeHTTP)
	var pod []*lab.Host
	for i := range 3 {
		pod = append(pod, l.Host(fmt.Sprintf("pod%d", i+1), fmt.Sprintf("10.7.0.%d", i+1)))
		pod[i].Web(5432)
	}
	server := []*lab.Host{l.Host("ldap1", "192.0.2.1"), l.Host("ldap2", "192.0.2.2")}
	for _, s := range server {
		s.Web(636)
	}
	upstream.CoreDNS(l.File("Corefile.upstream", "example.org {\n hosts {\n  192.0.2.1 ldap.example.org\n  192.0.2.2 ldap.example.org\n }\n}\n"))
	dns.Resolver(upstream.Addr())
	dns.CoreDNS(corefile(l))
	l.Hold("dig @10.0.0.53 db.prod.svc.cluster.local")

	for _, tc := range []struct {
		scenario, name string
		port           int
		down           *lab.Host
	}{
		{"7 Kubernetes, a headless service", pods, 5432, pod[1]},
		{"7 Kubernetes, a name outside", outside, 636, server[1]},
	} {
		s := client.Stream(dns.Addr(), tc.name, tc.port)
		s.Back(tc.down.Addr(), time.Now())
		s.After(5)
		cut := time.Now()
		l.Cut(tc.down)
		detection := s.Gone(tc.down.Addr(), cut)
		gone := time.Now()
		s.After(20)
		all, failed := s.Requests(gone, time.Now())
		l.Restore()
		s.Back(tc.down.Addr(), time.Now())
		s.Stop()
		lab.Report(t, lab.Row{
			Scenario: tc.scenario, Killed: "one address, packets dropped; Kubernetes keeps it",
			Detection: detection, Bound: bound, Failed: len(failed), Of: len(all),
		})
	}
}

// corefile returns the Corefile of the cluster, with the address of the API
// server, which a pod would get from its environment.
func corefile(l *lab.Lab) string {
	l.T.Helper()
	content, err := os.ReadFile("../../deploy/kubernetes/overlays/cluster-dns/Corefile")
	if err != nil {
		l.T.Fatal(err)
	}
	const stanza = "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n"
	if !strings.Contains(string(content), stanza) {
		l.T.Fatalf("the Corefile of the cluster has no %q", stanza)
	}
	return l.File("Corefile", strings.Replace(string(content), stanza, stanza+"        endpoint http://10.0.0.6:8080\n", 1))
}
