package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rrhealth/rrhealth/internal/harness"
)

const (
	rulesFile     = "prometheus/rules.yml"
	rulesTestFile = "prometheus/rules_test.yml"
	alertsPage    = "../docs/alerts.md"
	runbook       = "https://github.com/rrhealth/rrhealth/blob/main/docs/alerts.md#"
)

// A rule is an alert.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// A ruleGroup is a group of them, in a file of rules and in a PrometheusRule.
type ruleGroup struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

func ruleGroups(t *testing.T) []ruleGroup {
	t.Helper()
	var file struct {
		Groups []ruleGroup `json:"groups"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	return file.Groups
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	for _, g := range ruleGroups(t) {
		all = append(all, g.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("%d rules in %s, want all", len(all), rulesFile)
	}
	return all
}

var (
	alertName    = regexp.MustCompile(`^RRHealth([A-Z][a-z]+)+$`)
	alertSection = regexp.MustCompile(`(?m)^## (\w+)$`)
	aggregation  = regexp.MustCompile(`\b(?:sum|min|max|count) by \(([^)]*)\)`)
)

// TestAlertsFollowTheConventions holds the names, labels and annotations that
// Prometheus and the mixins for Kubernetes have.
func TestAlertsFollowTheConventions(t *testing.T) {
	for _, r := range rules(t) {
		if !alertName.MatchString(r.Alert) {
			t.Errorf("%s: the name is not RRHealth and words in CamelCase", r.Alert)
		}
		if len(r.Labels) != 1 || !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: labels %v, want a severity", r.Alert, r.Labels)
		}
		// The summary is one for all alerts of the rule, so that they can be grouped.
		if s := r.Annotations["summary"]; s == "" || !strings.HasSuffix(s, ".") || strings.Contains(s, "{{") {
			t.Errorf("%s: summary %q, want a sentence without labels", r.Alert, s)
		}
		if d := r.Annotations["description"]; !strings.HasSuffix(d, ".") || strings.Contains(d, "\n") {
			t.Errorf("%s: description %q, want sentences in one line", r.Alert, d)
		}
		if got, want := r.Annotations["runbook_url"], runbook+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s: runbook_url %s, want %s", r.Alert, got, want)
		}
		if len(r.Annotations) != 3 {
			t.Errorf("%s: annotations %v, want three", r.Alert, r.Annotations)
		}
		// A rack that fails is one alert for each pool, and a job is a set of name servers.
		for i, m := range aggregation.FindAllStringSubmatch(r.Expr, -1) {
			labels := strings.Split(m[1], ", ")
			if i == 0 && slices.Contains(labels, "backend") || !slices.Contains(labels, "job") {
				t.Errorf("%s: by %v, want one alert for each job, and none for each backend", r.Alert, labels)
			}
		}
	}
}

// TestEveryAlertHasASection compares the alerts with the page on what to do.
func TestEveryAlertHasASection(t *testing.T) {
	var alerts, sections []string
	for _, r := range rules(t) {
		alerts = append(alerts, r.Alert)
	}
	page := read(t, alertsPage)
	for _, m := range alertSection.FindAllStringSubmatch(page, -1) {
		sections = append(sections, m[1])
		_, section, _ := strings.Cut(page, m[0]+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for _, part := range []string{"*Means:*", "*Look at:*", "*Do:*"} {
			if strings.Count(section, part) != 1 {
				t.Errorf("%s: %s has no part %s, or two", alertsPage, m[1], part)
			}
		}
	}
	if alerts = slices.Compact(alerts); !slices.Equal(sections, alerts) {
		t.Errorf("%s has the alerts\n%v, want those of %s in the same order:\n%v", alertsPage, sections, rulesFile, alerts)
	}
	// The page has the names of panels.
	titles := make(map[string]bool)
	for _, p := range readDashboard(t).Panels {
		titles[p.Title] = true
	}
	for _, m := range regexp.MustCompile(`(?:panel|table)\s+"([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if title := strings.Join(strings.Fields(m[1]), " "); !titles[title] {
			t.Errorf("%s has the panel %q, which the dashboard does not", alertsPage, title)
		}
	}
}

// TestPromtoolAcceptsTheRules has promtool check the rules, run their unit tests,
// and read the configuration of the demonstration, which loads them.
func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool := harness.Program(t, "promtool", "prometheus")
	run(t, time.Minute, promtool, "check", "rules", "--lint=all", "--lint-fatal", rulesFile)
	run(t, time.Minute, promtool, "test", "rules", rulesTestFile)
	dir := t.TempDir()
	for _, file := range []string{rulesFile, "compose/prometheus.yml"} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(read(t, file)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, time.Minute, promtool, "check", "config", filepath.Join(dir, "prometheus.yml"))
	if !strings.Contains(out, "1 rule files found") {
		t.Errorf("the demonstration loads no rules:\n%s", out)
	}
}

// TestEveryAlertIsTested checks that the unit tests have each alert fire, in each
// severity, and have it not fire.
func TestEveryAlertIsTested(t *testing.T) {
	type expected struct {
		Labels map[string]string `json:"exp_labels"`
	}
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name     string     `json:"alertname"`
				Expected []expected `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, rulesTestFile)), &file); err != nil {
		t.Fatal(err)
	}
	tested := make(map[string]bool)
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			if len(a.Expected) == 0 {
				tested[a.Name+" quiet"] = true
			}
			for _, e := range a.Expected {
				tested[a.Name+" "+e.Labels["severity"]] = true
			}
		}
	}
	for _, r := range rules(t) {
		for _, word := range []string{r.Labels["severity"], "quiet"} {
			if !tested[r.Alert+" "+word] {
				t.Errorf("%s: no test in which it is %s", r.Alert, word)
			}
		}
	}
}

// TestThePrometheusRuleIsTheRules makes the manifest again.
func TestThePrometheusRuleIsTheRules(t *testing.T) {
	made := run(t, time.Minute, "prometheus/generate")
	if made != strings.TrimSpace(read(t, "prometheus/prometheusrule.yaml")) {
		t.Error("deploy/prometheus/prometheusrule.yaml differs from rules.yml: run make rules")
	}
	var object prometheusRule
	if err := yaml.UnmarshalStrict([]byte(made), &object); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(object.Spec.Groups)
	if want, _ := json.Marshal(ruleGroups(t)); string(got) != string(want) {
		t.Errorf("the manifest has the groups\n%s, want\n%s", got, want)
	}
}
