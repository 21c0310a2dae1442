package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

const (
	userAgent = "rrhealth (+https://github.com/rrhealth/rrhealth)"

	// maxHeader is how many bytes of headers a reply may have, informational
	// (1xx) replies included.
	maxHeader = 16 << 10
)

// parseHTTP reads http://[HOST][:PORT][/PATH] and https://..., with the
// options method, header, status and body, and for https the TLS options.
func parseHTTP(s Spec) (Check, error) {
	secure := s.kind == "https"
	port := uint16(80)
	if secure {
		port = 443
	}
	l, err := parseURL(s, port, true)
	h := &httpCheck{
		checkURL: l, secure: secure, method: http.MethodGet,
		header: http.Header{"User-Agent": {userAgent}, "Accept": {"*/*"}, "Connection": {"close"}},
		given:  make(http.Header),
		status: statusList{{200, 399}},
	}
	if secure {
		if err == nil {
			err = l.requireHost()
		}
		h.tls = newTLSOptions(l, "h2", "http/1.1")
	}
	err = errors.Join(err, s.each(func(o Option) (bool, error) { return h.option(o, s.Root) }))
	if err != nil {
		return Check{}, err
	}
	if h.body != nil && h.method == http.MethodHead {
		return Check{}, fmt.Errorf("check %q: body with method HEAD, but a reply to HEAD has no body; use another method", l.text)
	}
	return Check{
		Label:    l.text,
		ID:       id(l.kind, l.authority(), l.url.RequestURI(), h.tls.id(), optionsID(s.Options)),
		TLS:      secure,
		Insecure: secure && h.tls.config.InsecureSkipVerify,
		Probe:    h.probe,
	}, nil
}

// An httpCheck is a request and the conditions on its reply.
type httpCheck struct {
	checkURL
	secure bool
	tls    tlsOptions
	method string
	header http.Header
	given  http.Header // the headers that the Corefile sets
	status statusList
	body   *regexp.Regexp
}

// probe passes if the status is in the list and the body matches. It does not
// follow redirects: that would probe another server, and send it the headers of
// the check. It uses HTTP/2 if the server chooses it.
func (h *httpCheck) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, h.port)
	tcp, done, err := dial(ctx, h.kind, target)
	if err != nil {
		return err
	}
	defer done()
	if !h.secure {
		return h.judge(target, h.askHTTP1(tcp, target))
	}
	conn, err := handshake(ctx, h.kind, target, tcp, h.tls.config)
	if err != nil {
		return err
	}
	state := conn.ConnectionState()
	if err := h.tls.checkALPN(h.kind, target, state); err != nil {
		return err
	}
	if err := h.tls.checkExpiry(h.kind, target, state); err != nil {
		return err
	}
	if state.NegotiatedProtocol == "h2" {
		return h.judge(target, h.askHTTP2(conn, target))
	}
	return h.judge(target, h.askHTTP1(conn, target))
}

// A reply is the head of a response with the reader of its body, or an error.
type reply struct {
	status int
	body   io.Reader
	limit  *io.LimitedReader // bounds what is read from the connection for the body
	err    error
}

// mostBody is how many bytes may be read for maxReply bytes of a body. A piece of
// one byte takes a frame of ten bytes or a chunk of six.
const mostBody = 11 * maxReply

// judge returns nil if the reply meets the conditions, and the failure otherwise.
func (h *httpCheck) judge(target netip.AddrPort, r reply) error {
	if r.err != nil {
		return r.err
	}
	if !h.status.has(r.status) {
		return failed(h.kind, target, "status %d, want %s", r.status, h.status)
	}
	if h.body == nil {
		return nil
	}
	switch err := matchBody(r.body, h.body); {
	case err == nil:
		return nil
	case errors.Is(err, errNoMatchSoFar):
		return failed(h.kind, target, "status %d, but the first %d bytes of the body do not match %q", r.status, maxReply, h.body)
	case errors.Is(err, errNoMatch):
		return failed(h.kind, target, "status %d, but the body does not match %q", r.status, h.body)
	case r.limit.N <= 0:
		return failed(h.kind, target, "status %d, but the pieces of the body are so small that %d bytes of it take more than %d KiB", r.status, maxReply, mostBody>>10)
	case malformedBody(err):
		return failed(h.kind, target, "status %d, but the chunks of the body are malformed", r.status)
	default:
		return broken(h.kind, target, "reading the body", err)
	}
}

// authority returns the Host header: the host, or the address if there is none,
// and the port unless it is the scheme's default.
func (h *httpCheck) authority(target netip.AddrPort) string {
	host := h.host
	if host == "" {
		host = target.Addr().String()
	}
	if h.port == 80 && !h.secure || h.port == 443 && h.secure {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(h.port)))
}
