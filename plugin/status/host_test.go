package status

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func TestHosts(t *testing.T) {
	for _, tc := range []struct {
		names, host string
		want        bool
	}{
		{"", "127.0.0.1:8053", true},
		{"", "192.0.2.1", true},
		{"", "[::1]:8053", true},
		{"", "[2001:db8::1]", true},
		{"", "[fe80::1%25eth0]:80", true},
		{"", "localhost:8053", true},
		{"", "LOCALHOST", true},
		{"", "localhost.", true},
		{"", "", true},
		{"", "evil.example", false},
		{"", "evil.example:8053", false},
		{"", "127.0.0.1.evil.example", false},
		{"", "localhost.evil.example", false},
		{"", "127.1", false}, // browsers make it an address before they send it
		{"", "0x7f000001", false},
		{"", "[::1", true},
		{"", "localhost:80:80", false},
		{"", "*", false},
		{"ns1.example.com", "ns1.example.com:8053", true},
		{"ns1.example.com", "NS1.Example.Com.", true},
		{"NS1.example.com.", "ns1.example.com", true},
		{"ns1.example.com", "ns2.example.com", false},
		{"ns1.example.com", "xns1.example.com", false},
		{"ns1.example.com,ns2.example.com", "ns2.example.com", true},
		{"*", "evil.example", true},
		{"a,*", "evil.example", true},
	} {
		var names []string
		if tc.names != "" {
			names = strings.Split(tc.names, ",")
		}
		if got := newHosts(names).allow(tc.host); got != tc.want {
			t.Errorf("names %q, host %q: %t, want %t", tc.names, tc.host, got, tc.want)
		}
	}
}

// A page of a stranger whose name leads here cannot read the status.
func TestNamesThatWereReboundAreRefused(t *testing.T) {
	s := startSite(t, 10)
	for _, path := range []string{"/", api.PathStatus, api.PathBackends, "/nothing"} {
		got := s.get(path, "Host", "evil.example")
		if got.code != http.StatusMisdirectedRequest || !strings.Contains(got.text, "evil.example") || strings.Contains(got.text, "10.0.0.1") {
			t.Errorf("%s: %d %s", path, got.code, got.text)
		}
	}
	if got := s.get(api.PathStatus, "Host", "localhost"); got.code != http.StatusOK {
		t.Errorf("localhost: %d", got.code)
	}
	// No browser can make a request to a Unix socket, with any name.
	if got := do(t, onSocket(t, s.control), http.MethodGet, "http://any.name"+api.PathStatus, ""); got.code != http.StatusOK {
		t.Errorf("control: %d", got.code)
	}
}

// Every answer, errors included, has the headers that keep browsers from doing
// more with it than showing it, and none that shares it.
func TestEveryAnswerHasSafeHeaders(t *testing.T) {
	s := startSite(t, 10)
	for name, got := range map[string]answer{
		"page":   s.get("/", "Accept", "text/html"),
		"status": s.get(api.PathStatus, "Origin", "https://evil.example"),
		"error":  s.get(api.PathBackends + "?x=y"),
		"none":   s.get("/nothing"),
		"host":   s.get("/", "Host", "evil.example"),
		"method": do(t, client(t), http.MethodDelete, "http://"+s.Addr()+"/", ""),
		"change": s.post(`{"set":"drain"}`),
		"refuse": s.post(`{"set":"drain"`),
	} {
		for _, h := range safe {
			if v := got.header.Get(h[0]); v != h[1] {
				t.Errorf("%s: %s is %q, want %q", name, h[0], v, h[1])
			}
		}
		for h := range got.header {
			if strings.HasPrefix(h, "Access-Control-") || h == "Server" || h == "Set-Cookie" {
				t.Errorf("%s: the answer has the header %s", name, h)
			}
		}
	}
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy %s has no %s", policy, part)
		}
	}
}

// The status port changes nothing, so it has two methods; the control socket has
// POST at one path.
func TestMethods(t *testing.T) {
	s := startSite(t, 10)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
		for _, path := range []string{"/", api.PathStatus, api.PathOverrides, "/nothing"} {
			got := do(t, client(t), method, "http://"+s.Addr()+path, `{"set":"drain"}`, "Content-Type", "application/json")
			if got.code != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("status: %s %s: %d, Allow %q", method, path, got.code, got.header.Get("Allow"))
			}
			want, allow := http.StatusMethodNotAllowed, "GET, HEAD"
			if path == api.PathOverrides {
				allow = "GET, HEAD, POST"
				if method == "POST" {
					want, allow = http.StatusOK, ""
				}
			}
			got = do(t, onSocket(t, s.control), method, "http://rrhealth"+path, `{"set":"drain"}`, "Content-Type", "application/json")
			if got.code != want || got.header.Get("Allow") != allow {
				t.Errorf("control: %s %s: %d, Allow %q", method, path, got.code, got.header.Get("Allow"))
			}
		}
	}
	if len(s.changes) != 1 {
		t.Errorf("%d changes, want that of the POST at the control socket", len(s.changes))
	}
	get := s.get(api.PathBackends, "Accept-Encoding", "identity")
	head := do(t, client(t), http.MethodHead, "http://"+s.Addr()+api.PathBackends, "", "Accept-Encoding", "identity")
	if head.code != http.StatusOK || head.text != "" || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("HEAD: %d, %d bytes, header %v", head.code, len(head.text), head.header)
	}
}
