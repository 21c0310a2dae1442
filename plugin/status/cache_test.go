package status

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// ask has the Server answer in this process.
func (s *site) ask(path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "localhost"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.serve(w, r, false)
	return w
}

// However many ask, one Model is built a second, and one more after a Change.
func TestOneModelASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 100)
		crowd := func() {
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() {
					for _, path := range []string{api.PathStatus, fmt.Sprintf("%s?offset=%d", api.PathBackends, i%3)} {
						if got := s.ask(path); got.Code != http.StatusOK {
							t.Errorf("%s: %d", path, got.Code)
						}
					}
				})
			}
			all.Wait()
		}
		for _, step := range []struct {
			name   string
			wait   time.Duration
			change bool
			want   int64
		}{
			{"the first", 0, false, 1},
			{"at once", 0, false, 1},
			{"within the second", modelFor - time.Millisecond, false, 1},
			{"after the second", time.Millisecond, false, 2},
			{"after a Change", 0, true, 3},
			{"at once", 0, false, 3},
			{"after a minute", time.Minute, false, 4},
		} {
			time.Sleep(step.wait)
			if step.change {
				s.cache.renew()
			}
			crowd()
			if got := s.built.Load(); got != step.want {
				t.Errorf("%s: %d models built, want %d", step.name, got, step.want)
			}
		}
		time.Sleep(idleFor)
	})
}

// A Model that a Change has overtaken is not shown to those who ask after it.
func TestAModelOlderThanAChangeIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cache
		n := 0
		c.build = func() *Model {
			n++
			if n == 1 {
				go c.renew() // the Change ends while the Model is built
			}
			return &Model{Status: api.Status{Pools: n}}
		}
		c.get()
		synctest.Wait()
		if got := c.get().model.Status.Pools; got != 2 {
			t.Errorf("model %d is shown, want the second", got)
		}
		time.Sleep(idleFor)
	})
}

// kept reports whether there is a Model.
func (s *site) kept() bool {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	return s.cache.current != nil
}

// A Model without readers is forgotten: it can be large.
func TestAnIdleModelIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 10)
		s.ask(api.PathStatus)
		time.Sleep(modelFor)
		s.ask(api.PathStatus) // the timer of the first one must not take the second
		time.Sleep(idleFor - modelFor)
		synctest.Wait()
		if !s.kept() {
			t.Error("the second model is forgotten too early")
		}
		time.Sleep(modelFor)
		synctest.Wait()
		if s.kept() {
			t.Error("a model without readers is kept")
		}
	})
}

// A URL is rendered once for a Model.
func TestAURLIsRenderedOnce(t *testing.T) {
	s := newSite(t, 10)
	calls := 0
	s.Server.service.History = func(string, string) []api.History { calls++; return []api.History{{}} }
	for range 10 {
		s.ask(api.PathHistory + "?address=10.0.0.1")
	}
	if calls != 1 {
		t.Errorf("rendered %d times, want once", calls)
	}
	s.cache.renew()
	s.ask(api.PathHistory + "?address=10.0.0.1")
	if calls != 2 {
		t.Errorf("rendered %d times after a Change, want twice", calls)
	}
}

// Requests that are all different cost at most the budget of a second. What has
// been rendered, and the pages without parameters, are answered all the same.
func TestDifferentRequestsHaveABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 10)
		s.Server.service.History = func(string, string) []api.History {
			time.Sleep(10 * time.Millisecond)
			return []api.History{{}}
		}
		count := func(from int) (ok, busy int) {
			for i := range 100 {
				switch got := s.ask(fmt.Sprintf("%s?address=10.0.%d.%d", api.PathHistory, from, i)); got.Code {
				case http.StatusOK:
					ok++
				case http.StatusServiceUnavailable:
					if got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), "too many different requests") {
						t.Errorf("answer %v %s", got.Header(), got.Body)
					}
					busy++
				}
			}
			return ok, busy
		}
		if ok, busy := count(0); ok != 25 || busy != 75 {
			t.Errorf("%d answered and %d refused, want 25 and 75: 250 ms of 10 ms", ok, busy)
		}
		for path, want := range map[string]int{
			api.PathHistory + "?address=10.0.0.3":  http.StatusOK, // rendered before
			api.PathHistory + "?address=10.0.0.99": http.StatusServiceUnavailable,
			api.PathBackends + "?search=x":         http.StatusServiceUnavailable,
			api.PathBackends:                       http.StatusOK,
			api.PathStatus:                         http.StatusOK,
		} {
			if got := s.ask(path); got.Code != want {
				t.Errorf("%s: %d, want %d", path, got.Code, want)
			}
		}
		time.Sleep(modelFor)
		if ok, _ := count(1); ok != 25 {
			t.Errorf("%d answered in the next second, want 25", ok)
		}
		time.Sleep(idleFor)
	})
}

// What is kept is bounded, and pages without parameters are kept in any case.
func TestWhatIsKeptIsBounded(t *testing.T) {
	g := &generation{bodies: make(map[string]*body)}
	for i := range 2 * mostBodies {
		g.keep(fmt.Sprint(i), &body{plain: make([]byte, 1<<10)}, 0, false)
	}
	if len(g.bodies) != mostBodies {
		t.Errorf("%d bodies kept, want %d", len(g.bodies), mostBodies)
	}
	g.keep("always", &body{}, 0, true)
	if g.find("always") == nil {
		t.Error("a page without parameters is not kept")
	}
	g = &generation{bodies: make(map[string]*body)}
	for i := range 100 {
		g.keep(fmt.Sprint(i), &body{plain: make([]byte, 1<<20)}, 0, false)
	}
	if g.size > mostBytes || len(g.bodies) < 10 {
		t.Errorf("%d bytes of %d bodies kept, want at most %d", g.size, len(g.bodies), mostBytes)
	}
}

// The log has one warning a second.
func TestWarningsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 1)
		for range 100 {
			s.Server.warn("%d", 1)
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(s.warned); n != 10 {
			t.Errorf("%d warnings in 10 s, want 10", n)
		}
	})
}
