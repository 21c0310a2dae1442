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
