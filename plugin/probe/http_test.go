package probe

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// handles returns an HTTP server.
func handles(h http.HandlerFunc) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return portOf(t, s.URL)
	}
}

// handlesTLS returns an HTTPS server that knows these protocols.
func handlesTLS(cert tls.Certificate, h http.HandlerFunc, protocols ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		s := httptest.NewUnstartedServer(h)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protocols, MinVersion: tls.VersionTLS12}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		for _, p := range protocols {
			s.EnableHTTP2 = s.EnableHTTP2 || p == "h2"
		}
		s.StartTLS()
		t.Cleanup(s.Close)
		return portOf(t, s.URL)
	}
}

func portOf(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func withStatus(code int) func(*testing.T) string {
	return handles(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// replies reads a request and says text, byte for byte, and closes.
func replies(text string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return serve(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				fmt.Fprint(c, text)
			}
		})
	}
}

// bomb is 64 MiB of zeros, packed.
func bomb() string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	return b.String()
}

func httpRows(t *testing.T) []row {
	t.Helper()
	const url = "http://:PORT/healthz"
	secret := []string{"header Authorization Bearer hunter2hunter2"}
	body := []string{"body ^all\\swell$"}
	elsewhere := handles(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })(t)
	packed := bomb()
	a := newAuthority(t)
	return []row{
		{name: "http: status 200", check: url, serve: withStatus(200)},
		{name: "http: status 204", check: url, serve: withStatus(204)},
		{name: "http: status 404", check: url, serve: withStatus(404)},
		{name: "http: status 503", check: url, serve: withStatus(503)},
		{name: "http status: 401 where that passes", check: url, options: []string{"status 200 401"}, serve: withStatus(401)},
		{name: "http status: 204 where 200 is wanted", check: url, options: []string{"status 200"}, serve: withStatus(204)},
		{name: "http: redirect to another server, with a secret", check: url, options: secret, serve: handles(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:"+elsewhere+"/", http.StatusFound)
		})},
		{name: "http status: redirect where 200 is wanted", check: url, options: []string{"status 200-299"}, serve: replies("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n")},
		{name: "http: status 500, naming the secret", check: "http://:PORT/?token=hunter2hunter2", options: secret, serve: handles(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.URL.String()+r.Header.Get("Authorization"), 500)
		})},
		{name: "http: status line names the secret", check: "http://:PORT/?token=hunter2hunter2", options: secret, serve: replies("HTTP/1.1 500 hunter2hunter2\r\n\r\n")},
		{name: "http body: as expected", check: url, options: body, serve: handles(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "all well") })},
		{name: "http body: another", check: url, options: body, serve: handles(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "not so well") })},
		{name: "http body: empty", check: url, options: body, serve: withStatus(200)},
		{name: "http body: breaks off", check: url, options: body, serve: replies("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall")},
		{name: "http: body breaks off, without the option body", check: url, serve: replies("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall")},
		{name: "http body: stalls", check: url, options: body, serve: says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall"), silent: true},
		{name: "http body: without end", check: url, options: body, serve: endless("HTTP/1.1 200 OK\r\n\r\n", "all is lost ")},
		{name: "http: body without end, without the option body", check: url, serve: endless("HTTP/1.1 200 OK\r\n\r\n", "all is lost ")},
		{name: "http body: chunks without end", check: url, options: body, serve: endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("x", 200)+"\r\na\r\n")},
		{name: "http body: bad chunks", check: url, options: body, serve: replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")},
		{name: "http body: gzip bomb, unasked", check: url, options: body, serve: replies("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/plain\r\n\r\n" + packed)},
		{name: "http: headers without end", check: url, serve: endless("HTTP/1.1 200 OK\r\n", "X-Header: "+strings.Repeat("x", 100)+"\r\n")},
		{name: "http: one header without end", check: url, serve: endless("HTTP/1.1 200 OK\r\nX-Header: ", "x")},
		{name: "http: status line without end", check: url, serve: endless("HTTP/1.1 200 ", "O")},
		{name: "http: headers that dribble", check: url, serve: dribbles("", "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: y\r\n", 1000)), silent: true},
		{name: "http: informational replies without end", check: url, serve: endless("", "HTTP/1.1 100 Continue\r\n\r\n")},
		{name: "http: a few informational replies, then 200", check: url, serve: replies(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 5) + "HTTP/1.1 200 OK\r\n\r\n")},
		{name: "http: switches protocols unasked", check: url, serve: replies("HTTP/1.1 101 Switching Protocols\r\n\r\n")},
		{name: "http: SSH", check: url, serve: says("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")},
		{name: "http: HTTP/0.9", check: url, serve: replies("<html>all well</html>\n")},
		{name: "http: binary rubbish", check: url, serve: replies("\x00\x16\x03\x01\x02\xff\r\n\r\n")},
		{name: "http: a header that is none", check: url, serve: replies("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n")},
		{name: "http: two lengths", check: url, serve: replies("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nall")},
		{name: "http: a status that is none", check: url, serve: replies("HTTP/1.1 9999 OK\r\n\r\n")},
		{name: "http: no length", check: url, serve: replies("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nall")},
		{name: "http: an unknown encoding", check: url, serve: replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: zip\r\n\r\nall")},
		{name: "http: silence", check: url, serve: silent, silent: true},
		{name: "http body: longer than is read", check: url, options: []string{"body well"}, serve: replies("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat(".", maxReply) + "well")},
		{name: "http body: as long as is read", check: url, options: []string{"body well"}, serve: replies("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat(".", maxReply-4) + "well")},
		{name: "http body: as long as is read, in chunks of a byte", check: url, options: []string{"body well"}, serve: replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("1\r\n.\r\n", maxReply-4) + "4\r\nwell\r\n0\r\n\r\n")},
		{name: "http body: in chunks that hold next to nothing", check: url, options: []string{"body well"}, serve: endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			"1;"+strings.Repeat("x", 50)+"\r\n.\r\n")},
		{name: "http: closes", check: url, serve: closes},
		{name: "http: resets", check: url, serve: resets},
		{name: "http: closed port", check: url, serve: unused},
		{name: "http: the port uses TLS", check: url, serve: handlesTLS(a.issue(leaf{}), func(http.ResponseWriter, *http.Request) {}, "http/1.1")},
	}
}

func httpsRows(t *testing.T) []row {
	t.Helper()
	const url = "https://www.example.org:PORT/healthz"
	a := newAuthority(t)
	good := a.issue(leaf{})
	ca := "ca " + a.file
	sayProtocol := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }
	return append([]row{
		{name: "https: the server offers HTTP/2", check: url, options: []string{ca, "body ^HTTP/2.0$"}, serve: handlesTLS(good, sayProtocol, "h2", "http/1.1")},
		{name: "https: the server offers HTTP/1.1 alone", check: url, options: []string{ca, "body ^HTTP/1.1$"}, serve: handlesTLS(good, sayProtocol, "http/1.1")},
		{name: "https alpn: HTTP/1.1 although the server offers HTTP/2", check: url, options: []string{ca, "alpn http/1.1", "body ^HTTP/1.1$"}, serve: handlesTLS(good, sayProtocol, "h2", "http/1.1")},
		{name: "https alpn: HTTP/2 where the server has none", check: url, options: []string{ca, "alpn h2"}, serve: handlesTLS(good, sayProtocol, "http/1.1")},
		{name: "https: wants a client certificate, TLS 1.3", check: url, options: []string{ca}, serve: shakes(good, wantsClient, protocols("http/1.1"))},
		{name: "h2: wants a client certificate, TLS 1.3", check: url, options: []string{ca}, serve: shakes(good, wantsClient, protocols("h2"))},
		{name: "https: status 503", check: url, options: []string{ca}, serve: handlesTLS(good, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "http/1.1")},
		{name: "https: certificate of an unknown authority, insecure", check: url, options: []string{"insecure"}, serve: handlesTLS(good, sayProtocol, "h2")},
		{name: "https: the port speaks plain HTTP", check: url, serve: withStatus(200)},
	}, badCerts(t, "https", url, a)...)
}

// TestTheRequestIsWhatTheCorefileSays asks over both versions of HTTP.
func TestTheRequestIsWhatTheCorefileSays(t *testing.T) {
	a := newAuthority(t)
	for _, version := range []string{"http/1.1", "h2"} {
		t.Run(version, func(t *testing.T) {
			got := make(chan *http.Request, 1)
			port := handlesTLS(a.issue(leaf{}), func(_ http.ResponseWriter, r *http.Request) { got <- r }, "h2", "http/1.1")(t)
			err := ask(t, check(t, port, "https://www.example.org:PORT/a%20b/c?x=1&y=2",
				"ca "+a.file, "alpn "+version, "method OPTIONS", "header X-Token: a b", "header X-Token c", "header User-Agent me"), enough)
			if err != nil {
				t.Fatal(err)
			}
			r := <-got
			for _, tc := range [][2]string{
				{r.Method, "OPTIONS"},
				{r.Host, "www.example.org:" + port},
				{r.RequestURI, "/a%20b/c?x=1&y=2"},
				{strings.Join(r.Header["X-Token"], "|"), "a b|c"},
				{strings.Join(r.Header["User-Agent"], "|"), "me"},
				{strings.Join(r.Header["Accept"], "|"), "*/*"},
				{strings.Join(r.Header["Accept-Encoding"], "|"), ""},
			} {
				if tc[0] != tc[1] {
					t.Errorf("the server received %q, want %q", tc[0], tc[1])
				}
			}
			if version == "http/1.1" && !r.Close {
				t.Error("the connection may be kept, want Connection: close")
			}
		})
	}
}

func TestHostIsTheNameOrTheAddressAndThePortUnlessItIsTheUsualOne(t *testing.T) {
	for _, tc := range []struct{ check, name, target, want string }{
		{"http://", "www.example.org.", "192.0.2.1:80", "www.example.org"},
		{"http://:8080", "www.example.org.", "192.0.2.1:8080", "www.example.org:8080"},
		{"http://other.example.net", "www.example.org.", "192.0.2.1:80", "other.example.net"},
		{"http://", "", "192.0.2.1:80", "192.0.2.1"},
		{"http://", "", "[2001:db8::1]:80", "[2001:db8::1]"},
		{"http://:81", "", "[2001:db8::1]:81", "[2001:db8::1]:81"},
		{"http://[2001:db8::5]:81", "", "192.0.2.1:81", "[2001:db8::5]:81"},
		{"https://www.example.org", "", "192.0.2.1:443", "www.example.org"},
		{"https://www.example.org:80", "", "192.0.2.1:80", "www.example.org:80"},
	} {
		s := spec("", tc.check)
		s.Name = tc.name
		l, err := parseURL(s, map[bool]uint16{false: 80, true: 443}[strings.HasPrefix(tc.check, "https")], true)
		if err != nil {
			t.Fatal(err)
		}
		h := &httpCheck{checkURL: l, secure: l.kind == "https"}
		if got := h.authority(addrPort(t, tc.target)); got != tc.want {
			t.Errorf("%s at %s: Host is %q, want %q", tc.check, tc.target, got, tc.want)
		}
	}
}

// TestAProbeMayRunManyTimesAtOnce is for the race detector: targets share the
// check.
func TestAProbeMayRunManyTimesAtOnce(t *testing.T) {
	noLeaks(t)
	a := newAuthority(t)
	port := handlesTLS(a.issue(leaf{}), func(http.ResponseWriter, *http.Request) {}, "h2", "http/1.1")(t)
	checks := []Check{
		check(t, port, "https://www.example.org:PORT/?a=b", "ca "+a.file, "header X-Token secret"),
		check(t, port, "https://www.example.org:PORT/?a=b", "ca "+a.file, "header X-Token secret", "alpn http/1.1"),
		check(t, port, "tls://www.example.org:PORT", "ca "+a.file),
	}
	var wait sync.WaitGroup
	for i := range 30 {
		wait.Go(func() {
			if err := ask(t, checks[i%len(checks)], enough); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}
