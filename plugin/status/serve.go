package status

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// policy is the Content-Security-Policy: nothing but our own style, script and
// icon. A reason that got through the escaping could still run nothing.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// safe are the headers of every answer. There is none that lets a page of another
// origin read it.
var safe = [][2]string{
	{"Content-Security-Policy", policy},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cache-Control", "no-store"},
	{api.Header, api.Version},
}

// renderers is how many answers are rendered at the same time.
const renderers = 2

var renderSlots = make(chan struct{}, renderers)

// serve answers a request from the Server that is shown.
func (l *listener) serve(w http.ResponseWriter, r *http.Request) {
	if m := memberOf(r.Context()); m != nil {
		m.mark(true)
		defer m.mark(false)
	}
	for _, h := range safe {
		w.Header().Set(h[0], h[1])
	}
	l.shown.Load().serve(w, r, l.key.network == "unix")
}

// serve answers a request at the status port, or the control socket.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, control bool) {
	in := newRequest(r)
	switch {
	case !control && !s.hosts.allow(r.Host):
		s.write(w, r, s.failure(request{path: r.URL.Path}, refusal(http.StatusMisdirectedRequest,
			"host: not a name of this server (got "+shorten(r.Host, 100)+"); use its address, or add the name to status in the Corefile")))
	case r.Method == http.MethodPost && control && r.URL.Path == api.PathOverrides:
		s.write(w, r, s.change(r))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", allowed(control, r.URL.Path))
		s.write(w, r, s.failure(in, refusal(http.StatusMethodNotAllowed, "method: not allowed (got "+shorten(r.Method, 20)+"); use "+allowed(control, r.URL.Path))))
	case strings.HasPrefix(r.URL.Path, assetPath):
		s.writeAsset(w, r)
	default:
		s.write(w, r, s.answer(r, in, control))
	}
}

func allowed(control bool, path string) string {
	if control && path == api.PathOverrides {
		return "GET, HEAD, POST"
	}
	return "GET, HEAD"
}

// answer returns the answer of a GET. The status port has a budget of work; users
// at the control socket have the permission to do more than cost time.
func (s *Server) answer(r *http.Request, in request, control bool) *body {
	g := s.cache.get()
	if control && in.path == api.PathExplain {
		return s.render(g, in) // each query that is answered moves the rotation on
	}
	key := in.key()
	if b := g.find(key); b != nil {
		return b
	}
	if !acquire(r) {
		return s.busy(in)
	}
	defer func() { <-renderSlots }()
	if b := g.find(key); b != nil { // another request has had it rendered
		return b
	}
	route, _, _ := find(in.path)
	always := in.rawQuery == "" && route.bounded
	if !control && !always && g.exhausted(s.budget) {
		return s.busy(in)
	}
	start := time.Now()
	b := s.render(g, in)
	b.zip()
	g.keep(key, b, time.Since(start), always)
	return b
}

// acquire waits for a slot to render, two seconds at most.
func acquire(r *http.Request) bool {
	timeout := time.NewTimer(slowAfter)
	defer timeout.Stop()
	select {
	case renderSlots <- struct{}{}:
		return true
	case <-timeout.C:
	case <-r.Context().Done():
	}
	return false
}

// busy is the answer to one different request too many within a second.
func (s *Server) busy(in request) *body {
	return s.failure(in, refusal(http.StatusServiceUnavailable, "too many different requests in this second; ask again in the next one"))
}

// write writes b, compressed if the client accepts that.
func (s *Server) write(w http.ResponseWriter, r *http.Request, b *body) {
	h := w.Header()
	h.Set("Content-Type", b.contentType)
	h.Set("Vary", "Accept, Accept-Encoding")
	if b.code == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	text := b.plain
	if b.zipped != nil && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		text = b.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(b.code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // #nosec G705 -- html/template has escaped it; the client may have gone
	}
}

// acceptsGzip reports whether the client accepts gzip.
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			zero, ok := strings.CutPrefix(strings.TrimSpace(weight), "q=0")
			return !ok || strings.Trim(zero, ".0") != ""
		}
	}
	return false
}
