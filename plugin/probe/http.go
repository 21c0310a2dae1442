package probe

import (
	"bufio"
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

	"golang.org/x/net/http/httpguts"
)

const (
	userAgent = "rrhealth (+https://github.com/rrhealth/rrhealth)"

	// maxHeader is how many bytes of headers are read, informational (1xx)
	// replies included, before the server is taken for a broken one.
	maxHeader = 16 << 10
)

// parseHTTP reads http://[HOST][:PORT][/PATH] and https://..., with the
// options method, header, status and body, and for https the TLS options.
func parseHTTP(s Spec) (Check, error) {
	secure := strings.HasPrefix(s.Args[0], "https:")
	port := uint16(80)
	if secure {
		port = 443
	}
	l, err := parseLocation(s, port, true)
	if err != nil {
		return Check{}, err
	}
	h := &httpCheck{
		location: l, secure: secure, method: http.MethodGet,
		header: http.Header{"User-Agent": {userAgent}, "Accept": {"*/*"}, "Connection": {"close"}},
		status: statusList{{200, 399}},
	}
	if secure {
		if h.tls, err = newTLSOptions(l); err != nil {
			return Check{}, err
		}
		h.tls.config.NextProtos = []string{"http/1.1"}
	}
	for _, o := range s.Options {
		if err := h.option(o, s.Root); err != nil {
			return Check{}, err
		}
	}
	if h.body != nil && h.method == http.MethodHead {
		return Check{}, fmt.Errorf("check %q: body with method HEAD, want another method: a reply to HEAD has no body", l.text)
	}
	return Check{
		Label:    l.text,
		ID:       id(l.kind, l.authority(), l.url.RequestURI(), s.Root, optionsID(s.Options)),
		Insecure: secure && h.tls.config.InsecureSkipVerify,
		Probe:    h.probe,
	}, nil
}

// An httpCheck is one request and what its reply must look like.
type httpCheck struct {
	location
	secure bool
	tls    tlsOptions
	method string
	header http.Header
	status statusList
	body   *regexp.Regexp
}

func (h *httpCheck) option(o Option, root string) error {
	var err error
	switch o.Name {
	case "method":
		if h.method, err = o.one("an HTTP method such as GET or HEAD"); err != nil {
			return err
		}
		if !httpguts.ValidHeaderFieldName(h.method) || h.method != strings.ToUpper(h.method) || h.method == http.MethodConnect {
			return o.errorf("got %q, want an HTTP method such as GET or HEAD", h.method)
		}
	case "header":
		return h.addHeader(o)
	case "status":
		h.status, err = parseStatusList(o)
		return err
	case "body":
		h.body, err = o.regexp()
		return err
	default:
		if h.secure {
			if known, err := h.tls.option(o, root); known {
				return err
			}
			return o.errorf("unknown for https, want one of method, header, status, body, %s, interval, timeout, rise, fall", tlsOptionNames)
		}
		return o.errorf("unknown for http, want one of method, header, status, body, interval, timeout, rise, fall")
	}
	return nil
}

// addHeader takes "header NAME VALUE...". The value never appears in an error.
func (h *httpCheck) addHeader(o Option) error {
	if len(o.Args) < 2 {
		return o.errorf("got %d arguments, want a name and a value", len(o.Args))
	}
	name, value := http.CanonicalHeaderKey(strings.TrimSuffix(o.Args[0], ":")), strings.Join(o.Args[1:], " ")
	if !httpguts.ValidHeaderFieldName(name) {
		return o.errorf("name %q, want a header name", o.Args[0])
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return o.errorf("the value of %q has a control character, want none", name)
	}
	switch name {
	case "Host":
		return o.errorf("Host is taken from the URL, want %s://HOST...", h.kind)
	case "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Te":
		return o.errorf("%s is the transport's own, want another header", name)
	}
	if name == "User-Agent" || name == "Accept" {
		h.header.Del(name)
	}
	h.header.Add(name, value)
	return nil
}

// A statusList holds the ranges of status codes that pass, ends included.
type statusList [][2]int

func parseStatusList(o Option) (statusList, error) {
	var l statusList
	for word := range strings.FieldsFuncSeq(strings.Join(o.Args, " "), func(r rune) bool { return r == ' ' || r == ',' }) {
		from, to, isRange := strings.Cut(word, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA != nil || errB != nil || a < 100 || b > 599 || a > b {
			return nil, o.errorf("got %q, want codes and ranges from 100 to 599, such as 200 or 200-399", word)
		}
		l = append(l, [2]int{a, b})
	}
	if l == nil {
		return nil, o.errorf("got none, want codes and ranges from 100 to 599, such as 200 or 200-399")
	}
	return l, nil
}

func (l statusList) has(code int) bool {
	for _, r := range l {
		if code >= r[0] && code <= r[1] {
			return true
		}
	}
	return false
}

// String gives the list as the Corefile would.
func (l statusList) String() string {
	var words []string
	for _, r := range l {
		if r[0] == r[1] {
			words = append(words, strconv.Itoa(r[0]))
		} else {
			words = append(words, fmt.Sprintf("%d-%d", r[0], r[1]))
		}
	}
	return strings.Join(words, " ")
}

// probe passes when the status is in the list and the body matches. Redirects
// are a status like any other: following one would ask another server, and
// would carry our headers to it.
func (h *httpCheck) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, h.port)
	tcp, done, err := dial(ctx, h.kind, target)
	if err != nil {
		return err
	}
	defer done()
	conn := net.Conn(tcp)
	if h.secure {
		secure, err := handshake(ctx, h.kind, target, tcp, h.tls.config)
		if err != nil {
			return err
		}
		if err := h.tls.lasting(h.kind, target, secure.ConnectionState()); err != nil {
			return err
		}
		conn = secure
	}
	return h.ask(conn, target)
}

// ask sends the request and judges the reply.
func (h *httpCheck) ask(conn net.Conn, target netip.AddrPort) error {
	req := h.request(target)
	if err := req.Write(conn); err != nil {
		return broken(h.kind, target, "sending the request", err)
	}
	limited := &io.LimitedReader{R: conn, N: maxHeader}
	resp, err := readResponse(bufio.NewReader(limited), req)
	if err != nil {
		if limited.N <= 0 {
			return failed(h.kind, target, "more than %d KiB of headers", maxHeader>>10)
		}
		if malformed(err) {
			return failed(h.kind, target, "the reply is not HTTP")
		}
		return broken(h.kind, target, "waiting for the reply", err)
	}
	defer resp.Body.Close()
	if !h.status.has(resp.StatusCode) {
		return failed(h.kind, target, "status %d, want %s", resp.StatusCode, h.status)
	}
	if h.body == nil {
		return nil
	}
	limited.N = 2 * maxReply // room for chunk headers; match itself reads no more than maxReply
	switch err := match(resp.Body, h.body); {
	case errors.Is(err, errNoMatch):
		return failed(h.kind, target, "status %d, but the body does not match %q", resp.StatusCode, h.body)
	case err != nil:
		return broken(h.kind, target, "reading the body", err)
	}
	return nil
}

// request builds the request anew: http.Request.Write may change what it sends.
func (h *httpCheck) request(target netip.AddrPort) *http.Request {
	host := target.String()
	if h.host != "" {
		host = h.host
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if h.port != 80 && !h.secure || h.port != 443 && h.secure {
			host += ":" + strconv.Itoa(int(h.port))
		}
	}
	return &http.Request{
		Method: h.method, Host: host, Header: h.header, URL: h.url,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// readResponse reads the final response, past at most five informational ones.
func readResponse(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	const maxInformational = 5
	for range maxInformational {
		resp, err := http.ReadResponse(r, req)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
	return nil, errTooManyInformational
}

var errTooManyInformational = errors.New("too many informational replies")

// malformed reports whether err is net/http's word for a reply that is not HTTP.
func malformed(err error) bool {
	var timeout net.Error
	if errors.As(err, &timeout) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	return strings.Contains(err.Error(), "malformed")
}
