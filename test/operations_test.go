package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// The JSON of the control socket, as far as these tests read it. It is written down
// here once more on purpose: other programs have it from the documents.
type (
	change struct {
		Set       string   `json:"set"`
		Selectors []string `json:"selectors"`
		Reason    string   `json:"reason"`
		Forever   bool     `json:"forever"`
		For       float64  `json:"for"`
		Force     bool     `json:"force"`
	}
	changed struct {
		Overrides []struct {
			Reason string `json:"reason"`
		} `json:"overrides"`
		QuietAt string `json:"quiet_at"` // RFC 3339, or the empty string
	}
	refusal struct {
		Error   string `json:"error"`
		Effects []struct {
			Up   int `json:"up"`
			Need int `json:"need"`
		} `json:"effects"`
	}
	histories struct {
		Histories []struct {
			Events []event `json:"events"`
		} `json:"histories"`
	}
	event struct {
		Kind  string `json:"kind"`
		State string `json:"state"`
	}
	explanation struct {
		Order   bool     `json:"order"`
		Answer  []string `json:"answer"`
		Members []member `json:"members"`
	}
	member struct {
		Address  string `json:"address"`
		Answered bool   `json:"answered"`
		Rule     string `json:"rule"`
		Text     string `json:"text"`
	}
)

// An operator is at the control socket of a server.
type operator struct {
	t      testing.TB
	client http.Client
}

// operate returns an operator at the control socket path.
func operate(t testing.TB, path string) *operator {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &operator{t: t, client: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// get reads the answer to GET into v.
func (o *operator) get(path string, query url.Values, v any) {
	o.t.Helper()
	if code := o.do(http.MethodGet, path+"?"+query.Encode(), nil, v); code != http.StatusOK {
		o.t.Fatalf("GET %s: code %d", path, code)
	}
}

// change asks for c and reads the answer, which is an error if the code is not 200.
func (o *operator) change(c change) (done changed, refused refusal, code int) {
	o.t.Helper()
	body, err := json.Marshal(c)
	if err != nil {
		o.t.Fatal(err)
	}
	var raw json.RawMessage
	code = o.do(http.MethodPost, "/api/v1/overrides", body, &raw)
	var into any = &refused
	if code == http.StatusOK {
		into = &done
	}
	if err := json.Unmarshal(raw, into); err != nil {
		o.t.Fatal(err)
	}
	return done, refused, code
}

// must is change for one that is not refused.
func (o *operator) must(c change) changed {
	o.t.Helper()
	done, refused, code := o.change(c)
	if code != http.StatusOK {
		o.t.Fatalf("%+v: code %d, %s", c, code, refused.Error)
	}
	return done
}

func (o *operator) do(method, path string, body []byte, v any) int {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, "http://control"+path, bytes.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := o.client.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		o.t.Fatalf("%s %s: %v in %q", method, path, err, text)
	}
	return res.StatusCode
}

// drain returns a change that drains addresses until it is removed.
func drain(addrs ...string) change {
	return change{Set: "drain", Selectors: addrs, Forever: true, Reason: "maintenance"}
}

// auto returns the change that removes it.
func auto(addrs ...string) change { return change{Set: "auto", Selectors: addrs} }

// operated is a Corefile with a process stanza that has the socket and the state
// directory in dir, and a pool.
func operated(dir, pool string) string {
	return fmt.Sprintf(`.:0 {
		bind 127.0.0.1
		rrhealth {
			control %s
			state %s
		}
		rrhealth www.example.org {
			%s
			%s
		}
	}`, filepath.Join(dir, "control.sock"), dir, pool, harness.Quick)
}

// A drained backend leaves the answers before the command returns, and is back when
// the drain is removed. A reload keeps the drain.
func TestADrainTakesABackendOutUntilItIsRemoved(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	corefile := operated(dir, fmt.Sprintf("backend %s\ncheck http://:%s/", strings.Join(ips, " "), port))
	s := harness.Start(t, corefile)
	s.Settled("www.example.org.", dns.TypeA, ips...)
	o := operate(t, filepath.Join(dir, "control.sock"))

	done := o.must(drain(ips[1]))
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !harness.IsShift(got, []string{ips[0], ips[2]}) {
		t.Errorf("answer %v after the drain of %s", got, ips[1])
	}
	quiet, err := time.Parse(time.RFC3339, done.QuietAt)
	if wait := time.Until(quiet); err != nil || wait <= 0 || wait > time.Minute {
		t.Errorf("caches forget the address in %v (%v)", wait, err)
	}
	if err := s.Reload(corefile); err != nil {
		t.Fatal(err)
	}
	s.Settled("www.example.org.", dns.TypeA, ips[0], ips[2])

	removed := o.must(auto(ips[1]))
	if len(removed.Overrides) != 1 || removed.Overrides[0].Reason != "maintenance" {
		t.Errorf("removed %+v", removed.Overrides)
	}
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !harness.IsShift(got, ips) {
		t.Errorf("answer %v after the drain was removed", got)
	}
}

// min_up protects a pool from operators, unless they insist.
func TestADrainThatLeavesTooFewIsRefused(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	s := harness.Start(t, operated(dir, fmt.Sprintf("backend %s\ncheck http://:%s/\nmin_up 2", strings.Join(ips, " "), port)))
	s.Settled("www.example.org.", dns.TypeA, ips...)
	o := operate(t, filepath.Join(dir, "control.sock"))

	o.must(drain(ips[0]))
	_, refused, code := o.change(drain(ips[1]))
	if code != http.StatusConflict || len(refused.Effects) != 1 || refused.Effects[0].Up != 1 || refused.Effects[0].Need != 2 {
		t.Errorf("code %d, %+v, want 409 with 1 up of 2", code, refused)
	}
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !harness.IsShift(got, ips[1:]) {
		t.Errorf("answer %v after a drain that was refused", got)
	}
	force := drain(ips[1])
	force.Force = true
	o.must(force)
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); slices.Contains(got, ips[0]) && len(got) == 3 {
		t.Errorf("answer %v after a drain that was forced", got)
	}
}

// Overrides survive a restart, and an edit of the Corefile wins.
func TestOverridesSurviveARestartAndTheCorefileWins(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	pool := func(weight int) string {
		return operated(dir, fmt.Sprintf("backend %s %s\nbackend %s weight %d\npolicy rotate\ncheck http://:%s/", ips[0], ips[1], ips[2], weight, port))
	}
	s := harness.Start(t, pool(1))
	s.Settled("www.example.org.", dns.TypeA, ips...)
	o := operate(t, filepath.Join(dir, "control.sock"))
	o.must(drain(ips[2]))
	s.Stop()

	s = harness.Start(t, pool(1))
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !harness.IsShift(got, ips[:2]) {
		t.Errorf("first answer %v after a restart with %s drained", got, ips[2])
	}
	logged := harness.CaptureLog(t)
	if err := s.Reload(pool(7)); err != nil {
		t.Fatal(err)
	}
	s.Settled("www.example.org.", dns.TypeA, ips...)
	if text := logged(); !strings.Contains(text, "override dropped: drain of "+ips[2]) {
		t.Errorf("logged %q", text)
	}
}

// A backend that was down stays unanswered after a restart until its first probe.
func TestABackendThatWasDownStaysOutAfterARestart(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	// The second interval is so long that its first probe may come late, and the
	// first answer is asked for at once.
	corefile := operated(dir, fmt.Sprintf("backend %s\ncheck http://:%s/", strings.Join(ips, " "), port))
	s := harness.Start(t, corefile)
	s.AwaitReady()
	backends[1].Stop()
	s.Settled("www.example.org.", dns.TypeA, ips[0])
	s.Stop()
	if _, err := os.Stat(filepath.Join(dir, "rrhealth.json")); err != nil {
		t.Fatal(err)
	}
	s = harness.Start(t, corefile)
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, ips[:1]) {
		t.Errorf("first answer %v after a restart with %s down", got, ips[1])
	}
	backends[1].Start()
	s.Settled("www.example.org.", dns.TypeA, ips...)

	var all histories
	operate(t, filepath.Join(dir, "control.sock")).get("/api/v1/history", url.Values{"address": {ips[1]}}, &all)
	if len(all.Histories) != 1 {
		t.Fatalf("histories %+v", all)
	}
	var states []string
	for _, e := range slices.Backward(all.Histories[0].Events) {
		states = append(states, e.State)
	}
	if n := len(states); n < 3 || !slices.Equal(states[n-3:], []string{"down", "unknown", "up"}) {
		t.Errorf("history across the restart: %v", states)
	}
}

// What explain says is answered next is answered next, in that order.
func TestExplainSaysTheNextAnswer(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	s := harness.Start(t, operated(dir, fmt.Sprintf("backend %s\ncheck http://:%s/", strings.Join(ips, " "), port)))
	s.AwaitReady()
	backends[2].Stop()
	s.Settled("www.example.org.", dns.TypeA, ips[:2]...)
	o := operate(t, filepath.Join(dir, "control.sock"))
	for range 5 {
		var e explanation
		o.get("/api/v1/explain", url.Values{"name": {"WWW.example.org"}}, &e)
		if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !e.Order || !slices.Equal(got, e.Answer) {
			t.Errorf("answer %v, explain said %v", got, e.Answer)
		}
		for _, m := range e.Members {
			if m.Address == ips[2] && (m.Answered || m.Rule != "down" || !strings.Contains(m.Text, "down: http "+ips[2])) {
				t.Errorf("%+v, want it left out because it is down, with the reason", m)
			}
		}
		if len(e.Members) != 3 {
			t.Errorf("%d members explained, want 3", len(e.Members))
		}
	}
}
