package rrhealth

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/live"
)

func TestServerLabel(t *testing.T) {
	for _, tc := range []struct {
		keys, hosts, want string
	}{
		{"dns://example.org.:53", "", "dns://:53"},
		{"dns://example.org.:53 dns://example.net.:53", "", "dns://:53"},
		{"tls://example.org.:853 dns://example.org.:53", "", "dns://:53,tls://:853"},
		{"dns://.:1053", "192.0.2.1 2001:db8::1", "dns://192.0.2.1:1053,dns://[2001:db8::1]:1053"},
	} {
		config := &dnsserver.Config{ListenHosts: strings.Split(tc.hosts, " ")}
		if got := serverLabel(config, strings.Fields(tc.keys)); got != tc.want {
			t.Errorf("%s on %q: %s, want %s", tc.keys, tc.hosts, got, tc.want)
		}
	}
}

func TestPerBackendSeriesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range live.MaxBackendSeries/100 + 5 {
		fmt.Fprintf(&b, "rrhealth n%02d.example.org {\nbackend", i)
		for j := range 100 {
			fmt.Fprintf(&b, " 10.0.%d.%d", i, j)
		}
		b.WriteString("\n}\n")
	}
	logged := harness.CaptureLog(t)
	harness.Start(t, harness.Corefile(b.String()))
	perBackend, perPool := 0, 0
	for name := range harness.Series(t) {
		switch {
		case strings.HasPrefix(name, "backend_up{"):
			perBackend++
		case strings.HasPrefix(name, "pool_all_down{"):
			perPool++
		}
	}
	if perBackend != live.MaxBackendSeries || perPool != 15 {
		t.Errorf("series of %d backends and %d pools, want %d and 15", perBackend, perPool, live.MaxBackendSeries)
	}
	if !strings.Contains(logged(), "1500 backends") {
		t.Errorf("log %q says nothing of the backends without series", logged())
	}
}

var metricName = regexp.MustCompile(`coredns_rrhealth_[a-z_]+`)

var metricRow = regexp.MustCompile("(?m)^\\* `(coredns_rrhealth_[a-z_]+)\\{?([a-z, _]*)\\}?`")

// docs/metrics.md lists every metric with its labels, and no other. README.md
// repeats some, and the alerts look at some.
func TestTheDocumentsListTheMetrics(t *testing.T) {
	documented, known := map[string]string{}, map[string]bool{}
	for _, m := range metricRow.FindAllStringSubmatch(document(t, "docs/metrics.md"), -1) {
		documented[m[1]] = strings.ReplaceAll(m[2], " ", "")
		known[m[1]] = true
	}
	for _, m := range metricRow.FindAllStringSubmatch(document(t, "README.md"), -1) {
		if got, ok := documented[m[1]]; !ok || got != strings.ReplaceAll(m[2], " ", "") {
			t.Errorf("README.md has %s{%s}, docs/metrics.md {%s}", m[1], m[2], got)
		}
	}
	for _, file := range documents(t) {
		for _, name := range metricName.FindAllString(document(t, file), -1) {
			if !known[name] {
				t.Errorf("%s has %s, docs/metrics.md does not list it", file, name)
			}
		}
	}
	ch := make(chan *prometheus.Desc, 100)
	for _, c := range []prometheus.Collector{&collector{lifecycle: process}, probeDuration, localErrors, probesLate, fastPathAnswers} {
		c.Describe(ch)
	}
	close(ch)
	described := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for d := range ch {
		m := described.FindStringSubmatch(d.String())
		if got, ok := documented[m[1]]; !ok || got != m[2] {
			t.Errorf("%s{%s}: docs/metrics.md says {%s} (listed: %t)", m[1], m[2], got, ok)
		}
		delete(documented, m[1])
	}
	for name := range documented {
		t.Errorf("docs/metrics.md lists %s, which does not exist", name)
	}
}
