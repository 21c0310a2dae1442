package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// An override is in the metrics from the command to its end.
func TestMetricsShowADrain(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	logged := harness.CaptureLog(t)
	corefile := operated(dir, fmt.Sprintf("backend %s\ncheck http://:%s/", strings.Join(ips, " "), port))
	s := harness.Start(t, corefile)
	s.Settled("www.example.org.", dns.TypeA, ips...)
	if n := strings.Count(logged(), "control at "+dir+"/control.sock"); n != 1 {
		t.Errorf("the log has the control socket %d times:\n%s", n, logged())
	}
	o := operate(t, filepath.Join(dir, "control.sock"))
	shown := fmt.Sprintf("{backend=%s,pool=www.example.org.,set=drain}", ips[1])

	hour := drain(ips[1])
	hour.Forever, hour.For = false, 3600
	o.must(hour)
	got := harness.Series(t)
	if got["backend_override"+shown] != 1 || got["overrides"] != 1 {
		t.Errorf("metrics of a drain: %v, %v overrides", got["backend_override"+shown], got["overrides"])
	}
	if left := got["override_ends_timestamp_seconds"+shown] - float64(time.Now().Unix()); left < 3000 || left > 3601 {
		t.Errorf("the drain of an hour ends in %v s", left)
	}
	if err := s.Reload(corefile); err != nil {
		t.Fatal(err)
	}
	if harness.Series(t)["backend_override"+shown] != 1 {
		t.Error("the drain is not shown after a reload")
	}
	if n := strings.Count(logged(), "control at "); n != 1 {
		t.Errorf("the log has the control socket %d times after a reload:\n%s", n, logged())
	}
	o.must(auto(ips[1]))
	for name, v := range harness.Series(t) {
		if strings.Contains(name, "override") && v != 0 {
			t.Errorf("%s is %v after the drain was removed", name, v)
		}
	}
}

// A state that cannot be saved shows in the metrics.
func TestMetricsShowWhetherTheStateIsSaved(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "parent", "state")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	pool := strings.Replace(operated(dir, "backend 127.0.0.1 127.0.0.2"), "state "+dir, "state "+kept, 1)
	s := harness.Start(t, pool)
	harness.Eventually(t, "the state is saved", func() bool {
		ago := float64(time.Now().Unix()) - harness.Series(t)["state_saved_timestamp_seconds"]
		return ago < 60
	})
	before := harness.Series(t)["state_errors_total"]
	if err := os.RemoveAll(kept); err != nil {
		t.Fatal(err)
	}
	operate(t, filepath.Join(dir, "control.sock")).must(drain("127.0.0.1"))
	harness.Eventually(t, "an error is counted", func() bool { return harness.Series(t)["state_errors_total"] > before })
	failed := harness.Series(t)["state_errors_total"]
	s.Stop()
	for name := range harness.Series(t) {
		if strings.HasPrefix(name, "state_") {
			t.Errorf("%s is there without a state directory", name)
		}
	}

	if err := os.RemoveAll(filepath.Dir(kept)); err != nil { // rrhealth makes no parents
		t.Fatal(err)
	}
	s = harness.Start(t, pool)
	got := harness.Series(t)
	if saved, ok := got["state_saved_timestamp_seconds"]; !ok || saved != 0 {
		t.Errorf("saved at %v (there: %t), want never", saved, ok)
	}
	if got["state_errors_total"] <= failed {
		t.Errorf("errors went from %v to %v with a directory that cannot be used", failed, got["state_errors_total"])
	}
	if err := os.Mkdir(filepath.Dir(kept), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(pool); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the state is saved after a reload", func() bool { return harness.Series(t)["state_saved_timestamp_seconds"] > 0 })
}
