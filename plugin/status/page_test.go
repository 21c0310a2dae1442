package status

import (
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// curl gets text, a browser HTML, at the same URL.
func TestCurlGetsText(t *testing.T) {
	s := startSite(t, 120)
	for accept, want := range map[string]string{
		"*/*": typeText, "": typeText, "text/plain": typeText, "application/json": typeText,
		"text/html,application/xhtml+xml;q=0.9": typeHTML, "text/html": typeHTML,
	} {
		for path, code := range map[string]int{"/": 200, "/pools": 200, "/pools/pool0.example.com": 200, "/pools/none": 404, "/nothing": 404, "/pools/": 404, "/?limit=5": 400, "/?state=red": 400} {
			got := s.get(path, "Accept", accept)
			if got.code != code || got.header.Get("Content-Type") != want || !strings.Contains(got.header.Get("Vary"), "Accept") {
				t.Errorf("%s for %q: %d %s, want %d %s", path, accept, got.code, got.header.Get("Content-Type"), code, want)
			}
		}
	}
}

// The text is a table: the columns of all lines begin at the same place.
func TestTheTextIsAligned(t *testing.T) {
	s := startSite(t, 120)
	got := s.get("/pools/pool0.example.com")
	lines := strings.Split(got.text, "\n")
	column := -1
	n := 0
	for _, line := range lines {
		if strings.HasPrefix(line, "BACKEND") {
			column = strings.Index(line, "STATE")
		} else if column >= 0 && strings.HasPrefix(line, "10.0.0.") {
			n++
			if line[column-2:column] != "  " || line[column] == ' ' {
				t.Errorf("%q has no column at %d", line, column)
			}
		}
	}
	if n != 10 {
		t.Errorf("%d lines with backends, want 10:\n%s", n, got.text)
	}
	for _, want := range []string{"pools 12, filters 0, backends 120: 105 up", "drain 1 h left", "no: its checks fail", "92.59 %", "in 3 s", "drain by alice"} {
		if !strings.Contains(got.text, want) {
			t.Errorf("the text has no %q:\n%s", want, got.text)
		}
	}
	for path, want := range map[string]string{
		"/":               "1 to 100 of 120; the next: /?offset=100\n",
		"/?offset=100":    "101 to 120 of 120\n",
		"/?search=none":   "nothing matches\n",
		"/?offset=1000":   "0 of 120\n",
		"/?state=drained": "drained in the Corefile",
		"/pools":          "pool11.example.com.",
		"/nothing":        "error: no such path (got /nothing)",
	} {
		if got := s.get(path); !strings.Contains(got.text, want) {
			t.Errorf("%s has no %q:\n%s", path, want, got.text)
		}
	}
}

// Text from the network is escaped in HTML, and obeyed by neither browser nor
// terminal; it is cut.
func TestTextFromTheNetworkIsEscaped(t *testing.T) {
	s := newSite(t, 10)
	s.budget = time.Hour
	m := *s.model.Load()
	m.Backends = append([]api.Backend{}, m.Backends...)
	m.Backends[1].Reason = "long" + strings.Repeat("é", 10000) + "end"
	m.Backends[2].Pool = `"><img src=x onerror=alert(1)>/../..`
	m.Backends[5].Overrides = []api.Override{{Set: "drain", Author: "<b>eve</b>", Reason: evil}}
	m.Overrides = append(m.Overrides, m.Backends[5].Overrides...)
	m.Status.Problems = []string{evil, strings.Repeat("x", 5000)}
	m.Status.Host = evil
	s.model.Store(&m)
	for _, path := range []string{"/", "/?search=%3Cscript%3Ealert(1)%3C/script%3E", "/pools/pool0.example.com.", "/pools/%3Cscript%3E", "/%3Cscript%3E?x=%3Cimg", "/?%3Cscript%3E=1", "/pools?search=%22%3E%3Cscript%3E"} {
		html, text := s.ask(path, "Accept", "text/html").Body.String(), s.ask(path).Body.String()
		for _, bad := range []string{"<script>", "<img", "<b>eve", "onerror=alert(1)>", "javascript:", "\x1b", "\u202e", "\xff"} {
			if strings.Contains(html, bad) {
				t.Errorf("%s: the HTML has %q", path, bad)
			}
		}
		if strings.ContainsAny(text, "\x1b\u202e") {
			t.Errorf("%s: the text has a control character", path)
		}
		if strings.Contains(html, strings.Repeat("é", longestReason)) || strings.Contains(html, strings.Repeat("x", 301)) {
			t.Errorf("%s: a text is not cut", path)
		}
	}
	html := s.ask("/", "Accept", "text/html").Body.String()
	for _, want := range []string{"&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;", "long" + strings.Repeat("é", longestReason-4) + "…", `href="/pools/%22%3E%3Cimg%20src=x%20onerror=alert%281%29%3E%2F..%2F.."`} {
		if !strings.Contains(html, want) {
			t.Errorf("the HTML has no %.60q", want)
		}
	}
}

// Each link of a pool leads to its page, with any characters in its name.
func TestPoolsWithUnusualNamesHavePages(t *testing.T) {
	s := startSite(t, 10)
	for _, name := range []string{"a/b.example.com.", "a%2fb.", "..", "?x=1", "#", "a b", "*.example.com.", "_http._tcp.example.com.", `a\.b.example.com.`} {
		m := *s.model.Load()
		m.Pools = []api.Pool{{Name: name, Names: []string{name}, Server: "dns://:53", State: "ok"}}
		s.model.Store(&m)
		s.cache.renew()
		if got := s.get(poolURL(name)); got.code != http.StatusOK || !strings.Contains(got.text, name) {
			t.Errorf("%s: %d %s", poolURL(name), got.code, got.text)
		}
	}
}

// Files have names of their content and may be kept; all else may not.
func TestAssets(t *testing.T) {
	s := startSite(t, 10)
	page := s.get("/", "Accept", "text/html").text
	for name, a := range assets {
		if !strings.Contains(page, `"`+name+`"`) {
			t.Errorf("the page has no %s", name)
		}
		got := s.get(name)
		if got.code != http.StatusOK || got.header.Get("Content-Type") != a.contentType || !strings.Contains(got.header.Get("Cache-Control"), "immutable") || got.text != string(a.body.plain) {
			t.Errorf("%s: %d %v", name, got.code, got.header)
		}
	}
	for _, path := range []string{"/assets/", "/assets/page.css", "/assets/page-000000000000.css", "/assets/../status.go", "/assets/page.html"} {
		if got := s.get(path); got.code != http.StatusNotFound || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v, want 404", path, got.code, got.header)
		}
	}
	for _, foreign := range []string{"http://", "https://", "//cdn", "style=", "onclick", "<style"} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
}

// A process without a backend, and a Model without anything, have a page.
func TestAnEmptyModelHasAPage(t *testing.T) {
	s := newSite(t, 0)
	s.model.Store(&Model{})
	for _, path := range []string{"/", "/pools"} {
		if html := s.ask(path, "Accept", "text/html").Body.String(); !strings.Contains(html, "Nothing matches.") {
			t.Errorf("%s: %s", path, html)
		}
	}
}

// The first page of 10,000 backends is there within half a second: the Model, the
// page and its compression. The best of five counts, as the machine may be busy.
func TestTheFirstPaintIsQuick(t *testing.T) {
	most := 500 * time.Millisecond
	if build, ok := debug.ReadBuildInfo(); ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		most *= 10 // which the race detector costs
	}
	s := newSite(t, 0)
	s.cache.build = func() *Model { return sample(10000) }
	best := time.Hour
	for range 5 {
		s.cache.renew()
		start := time.Now()
		if w := s.ask("/", "Accept", "text/html"); w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
		best = min(best, time.Since(start))
	}
	t.Logf("10,000 backends: %v", best)
	if best > most {
		t.Errorf("the first page of 10,000 backends took %v", best)
	}
}
