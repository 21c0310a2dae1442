package status

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// 10,000 requests at once are answered from what is kept, and leave neither
// goroutines nor memory behind.
func TestABurstLeavesNothingBehind(t *testing.T) {
	s := startSite(t, 1000)
	goroutines, heap := resources()
	var all sync.WaitGroup
	var answered atomic.Int64
	start := time.Now()
	for range 100 {
		all.Go(func() { answered.Add(int64(burst(t, s.Addr(), 100))) })
	}
	all.Wait()
	took := time.Since(start)
	t.Logf("10,000 requests took %v, %d models", took, s.built.Load())
	if answered.Load() != 10000 {
		t.Errorf("%d requests answered, want 10,000", answered.Load())
	}
	if most := int64(took/modelFor) + 2; s.built.Load() > most {
		t.Errorf("%d models built in %v, want at most %d", s.built.Load(), took, most)
	}
	s.cache.drop(nil)
	returned(t, goroutines+2, heap+1<<20)
}

// burst sends n requests at once over one connection, and returns how many are
// answered 200.
func burst(t *testing.T, address string, n int) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	go func() {
		one := "GET " + api.PathBackends + "?limit=10 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n"
		last := strings.Replace(one, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
		_, _ = io.WriteString(conn, strings.Repeat(one, n-1)+last)
	}()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return bytes.Count(text, []byte("HTTP/1.1 200 OK\r\n"))
}

// BenchmarkARequest is what one more request within a second costs.
func BenchmarkARequest(b *testing.B) {
	s := newSite(b, 10000)
	b.ReportAllocs()
	for b.Loop() {
		if w := s.ask(api.PathBackends, "Accept-Encoding", "gzip"); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkFirst is what the first request of a second costs, beside the Model.
func BenchmarkFirst(b *testing.B) {
	for name, path := range map[string]string{"page": "/", "search": api.PathBackends + "?search=nothing", "json": api.PathBackends + "?limit=1000"} {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, 10000)
			b.ReportAllocs()
			for b.Loop() {
				s.cache.renew()
				if w := s.ask(path, "Accept", "text/html"); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// With any parameters the answer is one of few codes, a JSON of the schema's
// Error if it is not 200, and has no byte of the request that a terminal or a
// browser obeys.
func FuzzQuery(f *testing.F) {
	for _, path := range []string{"/", "/pools", "/pools/pool0.example.com.", "/pools/%2e%2e/", api.PathBackends, api.PathPools, api.PathExplain, api.PathHistory, api.PathWhatIf, "/api/v1/<script>"} {
		for _, raw := range []string{"", "search=%00", "limit=-1", "state=up&state=down", "name=a&type=%0d%0aX: y", "selector=a&selector=b", "<script>=1", "offset=9223372036854775808", "at=2026-03-01T12:00:00Z", "%", "a;b"} {
			f.Add(path, raw, true)
			f.Add(path, raw, false)
		}
	}
	s := newSite(f, 60)
	f.Fuzz(func(t *testing.T, path, raw string, html bool) {
		s.cache.renew() // a budget of its own
		b := s.render(s.cache.get(), request{path, raw, html})
		switch b.code {
		case 200, 400, 404, 500:
		default:
			t.Errorf("%q?%q: %d", path, raw, b.code)
		}
		text := string(b.plain)
		if strings.ContainsAny(text, "\x1b\x00\r") || b.contentType != typeText && strings.Contains(strings.ToLower(text), "<script>") {
			t.Errorf("%q?%q: the answer has %q", path, raw, text)
		}
		if b.code != 200 && b.contentType == typeJSON && !strings.HasPrefix(text, `{"error":"`) {
			t.Errorf("%q?%q: %s", path, raw, text)
		}
	})
}
