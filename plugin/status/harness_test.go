package status

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// noon is when the samples are from.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) api.Time { return api.Time{Time: t} }

// evil is a reason that a backend has chosen.
const evil = "GET /: <script>alert('x')</script>\x1b[31m\"&\u202e\xff"

// sample returns a Model of n backends, ten to a pool, as different as backends
// are, with the slices that a Model may have as nil.
func sample(n int) *Model {
	m := &Model{Status: api.Status{
		Host: "ns1.example.com", Version: "0.1.0", CoreDNS: "1.15.0",
		Started: at(noon.Add(-49 * time.Hour)), Loaded: at(noon.Add(-time.Hour)), Now: at(noon),
		Backends: api.Counts{All: n}, Problems: []string{"state: cannot be saved: no space left on device"},
	}}
	for i := range n {
		m.Backends = append(m.Backends, sampleBackend(i))
		switch m.Backends[i].Effective {
		case "down":
			m.Status.Backends.Down++
		case "unknown":
			m.Status.Backends.Unknown++
		case "held_down":
			m.Status.Backends.HeldDown++
		case "drained":
			m.Status.Backends.Drained++
		default:
			m.Status.Backends.Up++
		}
		m.Overrides = append(m.Overrides, m.Backends[i].Overrides...)
	}
	m.Overrides = append(m.Overrides, api.Override{ID: 99, Address: "192.0.2.99", Set: "down", Author: "bob", Since: at(noon), Orphaned: true})
	for i := range (n + 9) / 10 {
		m.Pools = append(m.Pools, samplePool(i, m.Backends))
	}
	m.Status.Pools, m.Status.Overrides = len(m.Pools), len(m.Overrides)
	m.Status.AllDown = 1
	return m
}

func samplePool(i int, all []api.Backend) api.Pool {
	p := api.Pool{
		Name: fmt.Sprintf("pool%d.example.com.", i), Names: []string{fmt.Sprintf("pool%d.example.com.", i), fmt.Sprintf("www.pool%d.example.com.", i)},
		Server: "dns://:53", Policy: "rotate", AllDown: "answer", MinUp: "1", State: poolStates[min(i, 3)], TTL: 7,
	}
	for _, b := range all[10*i : min(10*i+10, len(all))] {
		p.Backends = append(p.Backends, b.Address)
		p.Counts.All++
		if b.Effective == "up" {
			p.Counts.Up++
		}
	}
	return p
}

// The first five of 50 are each in another trouble; the others are up.
func sampleBackend(i int) api.Backend {
	b := api.Backend{
		Pool: fmt.Sprintf("pool%d.example.com.", i/10), Server: "dns://:53", Address: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
		CheckAddress: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), Configured: api.Configured{Weight: 1, Tier: 1 + i%2},
		Probed: "up", Effective: "up", Weight: 1, Answered: true, Why: "up", Since: at(noon.Add(-26 * time.Hour)),
		Checks:    []api.Check{{Check: "https://:443/health", State: "up", Last: at(noon.Add(-2 * time.Second)), Next: at(noon.Add(3 * time.Second)), Passed: 17000, Every: 5}},
		Day:       api.Shares{Up: 86400},
		HalfHours: strings.Repeat("9", 48),
	}
	switch i % 50 {
	case 0:
		b.Probed, b.Effective, b.Answered, b.Why, b.Reason = "down", "down", false, "down", evil
		b.Since, b.HalfHours, b.Day = at(noon.Add(-6*time.Minute)), strings.Repeat("9", 40)+"73000990", api.Shares{Up: 80000, Down: 6400}
		b.Checks[0].State, b.Checks[0].Next, b.Checks[0].Suspect = "down", api.Time{}, true
	case 1:
		b.Probed, b.Effective, b.Why, b.Checks, b.HalfHours, b.Day = "unknown", "unknown", "unknown", nil, strings.Repeat("-", 48), api.Shares{Unknown: 60}
	case 2:
		b.Effective, b.Answered, b.Why = "held_down", false, "held_down"
	case 3:
		b.Effective, b.Answered, b.Why = "drained", false, "override"
		b.Overrides = []api.Override{{
			ID: uint64(i), Pool: b.Pool, Address: b.Address, Set: "drain", Author: "alice", Reason: "kernel <update>",
			Since: at(noon.Add(-time.Minute)), Until: at(noon.Add(time.Hour)),
		}}
	case 4:
		b.Configured = api.Configured{Drain: true, Weight: 3, Tier: 1, Location: "52.5,13.4"}
		b.Effective, b.Answered, b.Why = "drained", false, "drain"
	}
	return b
}

// A site is a Server with a sample, for a test.
type site struct {
	*Server
	t        testing.TB
	model    atomic.Pointer[Model]
	registry *Registry
	control  string
	built    atomic.Int64 // Models

	mu      sync.Mutex
	changes []api.Change
	by      []string
	warned  []string
}

// service returns the functions of the site.
func (s *site) service() Service {
	return Service{
		Model:   func() *Model { s.built.Add(1); return s.model.Load() },
		History: s.history,
		Explain: func(name, qtype, client string, when time.Time) (api.Explanation, error) {
			if !strings.HasSuffix(name, "example.com.") {
				return api.Explanation{}, &api.Error{Problem: "no pool or filter for " + name}
			}
			return api.Explanation{Name: name, Type: qtype, Client: client, At: at(when), Members: []api.Reason{{Rule: "up"}}}, nil
		},
		WhatIf: func(c api.Change) (api.Effects, error) {
			switch strings.Join(c.Selectors, " ") {
			case "192.0.2.1":
				return api.Effects{}, fmt.Errorf("state: open /secret/path: token hunter2")
			case "192.0.2.2":
				return api.Effects{}, &api.Error{Problem: "selector: nothing matches"}
			case "192.0.2.3":
				panic("in the service")
			}
			return api.Effects{Matched: c.Selectors, Effects: []api.Effect{{Pool: c.Pool, Type: "A", After: c.Set}}}, nil
		},
		Change: func(c api.Change, by string) (api.Changed, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changes, s.by = append(s.changes, c), append(s.by, by)
			if c.Set == "down" && !c.Force {
				return api.Changed{}, &api.Error{Problem: "fewer than min_up", Effects: []api.Effect{{Pool: c.Pool, Type: "A", Unsafe: true}}}
			}
			return api.Changed{}, nil
		},
	}
}

func (s *site) history(pool, address string) (all []api.History) {
	m := s.model.Load()
	for i := range m.Backends {
		b := &m.Backends[i]
		if (pool == "" || b.Pool == pool) && (address == "" || b.Address == address) {
			all = append(all, api.History{Pool: b.Pool, Server: b.Server, Address: b.Address, Events: []api.Event{
				{At: at(noon.Add(-time.Duration(i) * time.Minute)), Kind: "state", State: "down", Reason: evil},
				{At: at(noon.Add(-1000 * time.Hour)), Kind: "overridden", State: "up", By: "alice", What: "drain"},
			}})
		}
	}
	return all
}

func (s *site) warn(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warned = append(s.warned, fmt.Sprintf(format, args...))
}

// newSite returns a site without listeners.
func newSite(t testing.TB, n int) *site {
	t.Helper()
	s := &site{t: t, registry: new(Registry)}
	s.model.Store(sample(n))
	s.Server = &Server{config: Config{Warn: s.warn}, service: s.service(), hosts: newHosts(nil), budget: usualBudget, registry: s.registry}
	s.cache.build = s.Server.service.Model
	return s
}

// startSite starts both servers on a sample of n backends.
func startSite(t testing.TB, n int) *site {
	t.Helper()
	s := &site{t: t, registry: new(Registry), control: filepath.Join(t.TempDir(), "control.sock")}
	s.model.Store(sample(n))
	server, err := s.registry.Start(Config{Address: "127.0.0.1:0", Control: s.control, Warn: s.warn}, s.service())
	if err != nil {
		t.Fatal(err)
	}
	server.budget = time.Hour // the machine may be busy; see TestDifferentRequestsHaveABudget
	s.Server = server
	t.Cleanup(server.Close)
	return s
}

// An answer is what a client reads.
type answer struct {
	code   int
	header http.Header
	text   string
}

// into decodes the answer.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), v); err != nil {
		t.Fatalf("%v in %s", err, a.text)
	}
}

// onSocket returns a client of the socket at path.
func onSocket(t testing.TB, path string) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// do sends a request; the header is in pairs.
func do(t testing.TB, c *http.Client, method, url, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// get asks the status port.
func (s *site) get(path string, header ...string) answer {
	s.t.Helper()
	return do(s.t, client(s.t), http.MethodGet, "http://"+s.Addr()+path, "", header...)
}

// client returns a client whose connections end with the test.
func client(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// post sends a Change to the control socket.
func (s *site) post(body string, header ...string) answer {
	s.t.Helper()
	header = append([]string{"Content-Type", "application/json"}, header...)
	return do(s.t, onSocket(s.t, s.control), http.MethodPost, "http://rrhealth"+api.PathOverrides, body, header...)
}
