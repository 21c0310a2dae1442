package deploy_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// fires is what an alert is about while the monitored server runs: the values of
// a label for which it fires, and those for which it may, as a busy machine
// decides.
type fires struct {
	label     string
	must, may []string
}

var firing = map[string]fires{
	"RRHealthPoolAllDown":         {label: "pool", must: []string{"none.example.org."}},
	"RRHealthPoolBelowMinUp":      {label: "pool", must: []string{"few.example.org."}},
	"RRHealthPoolDegraded":        {label: "pool", must: []string{"dry.example.org.", "few.example.org.", "www.example.org."}, may: []string{"flaps.example.org."}},
	"RRHealthPoolFlapping":        {label: "pool", must: []string{"flaps.example.org."}},
	"RRHealthPoolUnknown":         {label: "pool", must: []string{"blind.example.org."}},
	"RRHealthPoolHeldDown":        {label: "pool", must: []string{"back.example.org."}},
	"RRHealthCertificateExpires":  {label: "pool", must: []string{"tls.example.org."}},
	"RRHealthLocalErrors":         {label: "reason", must: []string{"ENOENT"}, may: []string{"late"}},
	"RRHealthMonitorBlind":        {label: "job", may: []string{"rrhealth"}},
	"RRHealthProbesLate":          {label: "job", may: []string{"rrhealth"}},
	"RRHealthServersDisagree":     {},
	"RRHealthAddressesNotWatched": {},
	"RRHealthPoolsAggregated":     {},
	"RRHealthOverrideOld":         {},
	"RRHealthStateNotSaved":       {},
	"RRHealthAbsent":              {},
}

// wrong returns what is wrong with the results of a rule's expression.
func (f fires) wrong(results []sample) []string {
	got := make(map[string]bool)
	for _, s := range results {
		got[s.Metric[f.label]] = true
	}
	var all []string
	for _, value := range f.must {
		if !got[value] {
			all = append(all, "does not fire for "+value)
		}
		delete(got, value)
	}
	for value := range got {
		if !slices.Contains(f.may, value) {
			all = append(all, fmt.Sprintf("fires for %q", value))
		}
	}
	return all
}

// TestTheDashboardAndTheAlertsSeeARealServer has Prometheus scrape a server, and
// runs every query of the dashboard and every expression of the alerts.
func TestTheDashboardAndTheAlertsSeeARealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for Prometheus to scrape a few times")
	}
	program := harness.Program(t, "prometheus", "prometheus")
	m := startMonitored(t)
	p := startPrometheus(t, program, m.metrics)
	var missing []string
	defer func() {
		if len(missing) > 0 {
			t.Logf("missing:\n%s", strings.Join(missing, "\n"))
		}
	}()
	seen := ""
	harness.Eventually(t, "every query has the results that it should have", func() bool {
		n := p.scrapes(t)
		if n == seen {
			return false // there is nothing new to see
		}
		seen = n
		m.ask()
		missing = append(withoutResult(t, p), notAsExpected(t, p)...)
		return len(missing) == 0
	})
	all := p.series(t)
	t.Run("alerts", func(t *testing.T) { describesItsReason(t, p, m) })
	t.Run("metrics of the rules", func(t *testing.T) { exportsWhatRulesUse(t, all) })
	t.Run("series of the unit tests", func(t *testing.T) { exportsTestedSeries(t, all) })
}

// withoutResult lists the queries of the dashboard that have no result. A zero
// for want of series is none.
func withoutResult(t *testing.T, p prometheus) (all []string) {
	t.Helper()
	for name, expr := range dashboardQueries(t) {
		if len(p.query(t, strings.TrimSuffix(expr, " or vector(0)"))) == 0 {
			all = append(all, "no data: "+name+": "+expr)
		}
	}
	return all
}

// notAsExpected lists the rules that fire, without their for, although they
// should not, and those that do not although they should.
func notAsExpected(t *testing.T, p prometheus) (all []string) {
	t.Helper()
	for _, r := range rules(t) {
		want, ok := firing[r.Alert]
		if !ok {
			t.Fatalf("%s: the test does not know when it fires", r.Alert)
		}
		for _, problem := range want.wrong(p.query(t, r.Expr)) {
			all = append(all, r.Alert+" ("+r.Labels["severity"]+") "+problem)
		}
	}
	return all
}

// describesItsReason checks that Prometheus could evaluate every rule, and that
// the text of an alert has the backend and the check.
func describesItsReason(t *testing.T, p prometheus, m *monitored) {
	t.Helper()
	const alert = "RRHealthPoolDegraded www.example.org."
	want := fmt.Sprintf("1 backend(s) of www.example.org. are down: %s. Failing checks: http://:%s.", m.down, m.port)
	harness.Eventually(t, "the description is "+want, func() bool { return descriptions(t, p)[alert] == want })
	for name, text := range descriptions(t, p) {
		if text == "" || strings.Contains(text, "error expanding") || strings.Contains(text, "%!") || strings.Contains(text, "<no value>") {
			t.Errorf("%s: description %q", name, text)
		}
	}
}

// descriptions returns the descriptions of all alerts that are pending or firing,
// by alert and pool.
func descriptions(t *testing.T, p prometheus) map[string]string {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct {
				Name, LastError string
				Alerts          []struct{ Labels, Annotations map[string]string }
			}
		}
	}
	p.get(t, "rules", nil, &data)
	all := make(map[string]string)
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if r.LastError != "" {
				t.Errorf("%s: %s", r.Name, r.LastError)
			}
			for _, a := range r.Alerts {
				all[r.Name+" "+a.Labels["pool"]] = a.Annotations["description"]
			}
		}
	}
	return all
}

var (
	usedMetric = regexp.MustCompile(`coredns_rrhealth_[a-z_]+`)
	testSeries = regexp.MustCompile(`(?m)^\s*- series: '?([a-z_]+)(?:\{(.*)\})?'?$`)
	testLabel  = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// exportsWhatRulesUse checks the names of metrics in rules, also in those that do
// not fire.
func exportsWhatRulesUse(t *testing.T, exported []map[string]string) {
	t.Helper()
	names := map[string]bool{"coredns_rrhealth_": true} // of runbooks
	for _, series := range exported {
		names[series["__name__"]] = true
	}
	for _, name := range usedMetric.FindAllString(read(t, rulesFile), -1) {
		if !names[name] {
			t.Errorf("%s has %s, which the server does not export", rulesFile, name)
		}
	}
}

// exportsTestedSeries checks that the input of the rules' unit tests is what a
// server exports: the names, the labels, and the words that labels have.
func exportsTestedSeries(t *testing.T, exported []map[string]string) {
	t.Helper()
	found := testSeries.FindAllStringSubmatch(read(t, rulesTestFile), -1)
	if len(found) < 20 {
		t.Errorf("%d series in %s, want those of all alerts", len(found), rulesTestFile)
	}
	for _, m := range found {
		want := map[string]string{"__name__": m[1]}
		for _, label := range testLabel.FindAllStringSubmatch(m[2], -1) {
			want[label[1]] = label[2]
		}
		if !slices.ContainsFunc(exported, func(have map[string]string) bool { return sameKind(have, want) }) {
			t.Errorf("%s: the server exports no such series: %s", rulesTestFile, m[0])
		}
	}
}

// sameKind reports whether two series are of one metric, have the same labels,
// and the same words in those of a few words. Only blocks with a view have that
// label.
func sameKind(a, b map[string]string) bool {
	words := []string{"__name__", "state", "to", "result", "outcome", "set"}
	for _, pair := range [][2]map[string]string{{a, b}, {b, a}} {
		for label, value := range pair[0] {
			other, ok := pair[1][label]
			if label != "view" && (!ok || slices.Contains(words, label) && value != other) {
				return false
			}
		}
	}
	return true
}
