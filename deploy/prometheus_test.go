package deploy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// A prometheus is the program of that name, which scrapes a server once a second
// and evaluates our rules. It is the URL of its API.
type prometheus string

func startPrometheus(t *testing.T, program, target string) prometheus {
	t.Helper()
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	text := fmt.Sprintf(`global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: rrhealth
    static_configs: [{targets: [%q]}]
`, rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + lease.Port(t, "127.0.0.1")
	harness.Background(t, program, "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
	p := prometheus("http://" + addr)
	harness.Eventually(t, "Prometheus is ready", func() bool {
		r, err := http.Get(string(p) + "/-/ready")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return p
}

// get decodes the data of an answer of the API.
func (p prometheus) get(t *testing.T, path string, parameters url.Values, data any) {
	t.Helper()
	r, err := http.Get(string(p) + "/api/v1/" + path + "?" + parameters.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Status != "success" {
		t.Fatalf("%s %v: %s", path, parameters, answer.Error)
	}
}

// A sample is the labels and the value of a result.
type sample struct {
	Metric map[string]string
	Value  [2]any // when, and the number as a string
}

// query returns the result of expr as of now. An error ends the test.
func (p prometheus) query(t *testing.T, expr string) []sample {
	t.Helper()
	var data struct{ Result []sample }
	p.get(t, "query", url.Values{"query": {expr}}, &data)
	return data.Result
}

// scrapes returns how many times the server has been scraped.
func (p prometheus) scrapes(t *testing.T) string {
	t.Helper()
	if result := p.query(t, "count_over_time(up[5m])"); len(result) > 0 {
		return fmt.Sprint(result[0].Value[1])
	}
	return ""
}

// series returns the labels of everything that rrhealth has exported.
func (p prometheus) series(t *testing.T) (all []map[string]string) {
	t.Helper()
	p.get(t, "series", url.Values{"match[]": {`{__name__=~"coredns_rrhealth_.+"}`}}, &all)
	return all
}
