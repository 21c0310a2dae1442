package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rrhealth/rrhealth/internal/harness"
)

func TestMetrics(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	backends[1].Stop()
	stanza := fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check tcp://:%s
		interval 200ms fast 100ms
		timeout 90ms
		policy sequential
	}`, strings.Join(harness.IPs(backends...), " "), port)
	s := harness.Start(t, harness.Corefile(stanza))
	s.Settled("www.example.org.", dns.TypeA, backends[0].IP())
	harness.Eventually(t, "the other backend has had a result too", func() bool {
		return harness.Series(t)["backend_up{backend="+backends[0].IP()+",pool=www.example.org.}"] == 1
	})
	before := harness.Series(t)["answers_total{outcome=served,pool=www.example.org.}"]
	for range 5 {
		s.Ask("www.example.org.", dns.TypeA)
	}
	s.Ask("www.example.org.", dns.TypeAAAA)

	up, down := backends[0].IP(), backends[1].IP()
	got := harness.Series(t)
	for name, want := range map[string]float64{
		"backend_up{backend=" + up + ",pool=www.example.org.}":                  1,
		"backend_up{backend=" + down + ",pool=www.example.org.}":                0,
		"backend_state{backend=" + up + ",pool=www.example.org.,state=up}":      1,
		"backend_state{backend=" + down + ",pool=www.example.org.,state=down}":  1,
		"pool_backends{pool=www.example.org.,state=up}":                         1,
		"pool_backends{pool=www.example.org.,state=down}":                       1,
		"pool_all_down{pool=www.example.org.}":                                  0,
		"transitions_total{backend=" + up + ",pool=www.example.org.,to=up}":     1,
		"transitions_total{backend=" + down + ",pool=www.example.org.,to=down}": 1,
		"answers_total{outcome=served,pool=www.example.org.}":                   before + 5,
		"answers_total{outcome=nodata,pool=www.example.org.}":                   1,
		"transitions_total{backend=" + up + ",pool=www.example.org.,to=down}":   0, // for rate()
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v (there: %t), want %v", name, v, ok, want)
		}
	}
	for _, name := range []string{
		"backend_state{backend=" + up + ",pool=www.example.org.,state=down}",
		"pool_backends{pool=www.example.org.,state=unknown}",
		"probes_total{backend=" + down + ",check=tcp://:" + port + ",pool=www.example.org.,result=pass}",
		"answers_total{outcome=servfail,pool=www.example.org.}",
	} {
		if v, ok := got[name]; ok {
			t.Errorf("%s = %v, want it left out", name, v)
		}
	}
	for _, name := range []string{
		"first_answers_total{backend=" + up + ",pool=www.example.org.}",
		"probes_total{backend=" + up + ",check=tcp://:" + port + ",pool=www.example.org.,result=pass}",
		"probes_total{backend=" + down + ",check=tcp://:" + port + ",pool=www.example.org.,result=fail}",
		"probe_duration_seconds{check=tcp://:" + port + "}",
	} {
		if got[name] < 1 {
			t.Errorf("%s = %v, want at least 1", name, got[name])
		}
	}

	// A reload goes on counting; a pool that goes takes its series along.
	if err := s.Reload(harness.Corefile(stanza + "\nrrhealth new.example.org {\nbackend 192.0.2.1\n}")); err != nil {
		t.Fatal(err)
	}
	if got := harness.Series(t)["answers_total{outcome=served,pool=www.example.org.}"]; got != before+5 {
		t.Errorf("answers_total %v after a reload, want %v", got, before+5)
	}
	if err := s.Reload(harness.Corefile("rrhealth new.example.org {\nbackend 192.0.2.1\n}")); err != nil {
		t.Fatal(err)
	}
	for name := range harness.Series(t) {
		if strings.Contains(name, "www.example.org") || strings.Contains(name, port) {
			t.Errorf("%s outlived its pool", name)
		}
	}
}

// Pools of one name in several server blocks have series of their own, with the
// labels server and view that CoreDNS's own metrics have.
func TestPoolsOfOneNameAreToldApart(t *testing.T) {
	block := func(bind, view, backends string) string {
		return "example.org:0 {\nbind " + bind + "\n" + view + "\nprometheus 127.0.0.1:0\nrrhealth www.example.org {\nbackend " + backends + "\n}\n}\n"
	}
	s := harness.Start(t, block("127.0.0.1", "view txt {\nexpr type() == 'TXT' || name() == 'www.example.org.'\n}", "192.0.2.1")+
		block("127.0.0.1", "", "192.0.2.1 192.0.2.2")+
		block("127.0.0.2", "", "192.0.2.1 192.0.2.2 192.0.2.3")+
		block("127.0.0.3 127.0.0.4", "", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"))
	s.Ask("www.example.org.", dns.TypeA)
	at := func(ip string) string { return "dns://" + ip + ":" + s.Port("dns") }
	first := at("127.0.0.1")
	for _, tc := range []struct {
		server, view    string
		backends, asked float64
	}{
		{first, "txt", 1, 1},
		{first, "", 2, 0},
		{at("127.0.0.2"), "", 3, 0},
		{at("127.0.0.3") + "," + at("127.0.0.4"), "", 4, 0},
	} {
		labels := []string{"server", tc.server, "view", tc.view, "pool", "www.example.org."}
		if n := harness.MetricValues(t, "coredns_rrhealth_pool_backends", append(labels, "state", "up")...); len(n) != 1 || n[0] != tc.backends {
			t.Errorf("%s, view %q: %v backends up, want %v", tc.server, tc.view, n, tc.backends)
		}
		if n := harness.Metric(t, "coredns_rrhealth_answers_total", append(labels, "outcome", "served")...); n != tc.asked {
			t.Errorf("%s, view %q: %v answers, want %v", tc.server, tc.view, n, tc.asked)
		}
	}
	if n := harness.Metric(t, "coredns_dns_requests_total", "server", first, "view", "txt"); n < 1 {
		t.Errorf("CoreDNS counts %v queries for %s and the view: it has other labels", n, first)
	}
}

// Server blocks for a zone and its parent may listen on one address, and have
// pools of one name, of which one is asked for. They share their series.
func TestPoolsWithTheSameLabelsAreShownAsOne(t *testing.T) {
	s := harness.Start(t, `sub.example.org:0 {
    bind 127.0.0.1
    rrhealth www.sub.example.org {
        backend 192.0.2.1 192.0.2.2
    }
}
example.org:0 {
    bind 127.0.0.1
    rrhealth www.sub.example.org {
        backend 192.0.2.2 192.0.2.3
    }
}
`)
	s.Ask("www.sub.example.org.", dns.TypeA)
	got := harness.Series(t)
	if n := got["pool_backends{pool=www.sub.example.org.,state=up}"]; n != 3 {
		t.Errorf("%v backends up, want 3 different ones", n)
	}
	if n := got["answers_total{outcome=served,pool=www.sub.example.org.}"]; n != 1 {
		t.Errorf("%v answers, want the 1 that was given", n)
	}
}

func TestMetricNamesFollowTheConventions(t *testing.T) {
	dir := t.TempDir()
	harness.Start(t, operated(dir, "backend 127.0.0.1\ncheck tcp://:1\n"))
	hour := drain("127.0.0.1")
	hour.Forever, hour.For, hour.Force = false, 3600, true
	operate(t, filepath.Join(dir, "control.sock")).must(hour)
	if harness.Series(t)["overrides"] != 1 {
		t.Error("the metrics of overrides are not there to be looked at")
	}
	problems, err := testutil.GatherAndLint(prometheus.DefaultGatherer)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.Contains(p.Metric, "rrhealth") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestTheLogTellsEachTransitionOnceAndWhy(t *testing.T) {
	logged := harness.CaptureLog(t)
	backends, port := harness.Fleet(t, 2)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org other.example.org {
		backend %s
		check tcp://:%s
		%s
	}`, strings.Join(harness.IPs(backends...), " "), port, harness.Quick)))
	s.AwaitReady()
	backends[1].Stop()
	s.Settled("www.example.org.", dns.TypeA, backends[0].IP())
	backends[1].Start()
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends...)...)

	var lines []string
	for l := range strings.SplitSeq(logged(), "\n") {
		if _, text, ok := strings.Cut(l, "plugin/rrhealth: "); ok {
			lines = append(lines, text)
		}
	}
	want := []string{
		fmt.Sprintf("backend %s of www.example.org. and 1 more is down: tcp %s:%s: connection refused (3 in a row)", backends[1].IP(), backends[1].IP(), port),
		fmt.Sprintf("backend %s of www.example.org. and 1 more is up (2 in a row)", backends[1].IP()),
	}
	if got, want := strings.Join(lines, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("log\n%s\nwant\n%s", got, want)
	}
}

func TestInsecureChecksWarnAndShow(t *testing.T) {
	logged := harness.CaptureLog(t)
	harness.Start(t, harness.Corefile("rrhealth www.example.org {\nbackend 127.0.0.1\ncheck https://:1/ {\ninsecure\n}\n}\nloadbalance"))
	if got := logged(); !strings.Contains(got, "check https://:1/ of www.example.org. does not verify the certificate") {
		t.Errorf("log %q, want a warning of the insecure check", got)
	}
	if got := logged(); !strings.Contains(got, "loadbalance") {
		t.Errorf("log %q, want a warning of loadbalance", got)
	}
	if got := harness.Series(t)["check_insecure{check=https://:1/,pool=www.example.org.}"]; got != 1 {
		t.Errorf("check_insecure %v, want 1", got)
	}
}

// Secrets stand in headers and in queries. They must not come out anywhere.
func TestSecretsStayIn(t *testing.T) {
	logged := harness.CaptureLog(t)
	const canary = "c4n4ry"
	backends, port := harness.Fleet(t, 1)
	stanza := harness.Corefile(fmt.Sprintf(`debug
	rrhealth www.example.org {
		backend %s 127.0.63.1
		check http://:%s/healthz?token=%s {
			header Authorization "Bearer %s"
			status 404
		}
		%s
	}`, backends[0].IP(), port, canary, canary, harness.Quick))
	s := harness.Start(t, stanza)
	harness.Eventually(t, "both are down", func() bool { return strings.Count(logged(), "is down") == 2 })
	s.Ask("www.example.org.", dns.TypeA)
	for name := range harness.Series(t) {
		if strings.Contains(name, canary) {
			t.Errorf("series %s shows the secret", name)
		}
	}
	if strings.Contains(logged(), canary) {
		t.Errorf("the log shows the secret:\n%s", logged())
	}
	err := harness.Validate(strings.Replace(stanza, "status 404", "status 4o4", 1))
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error %v, want one without the secret", err)
	}
}
