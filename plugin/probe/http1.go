package probe

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
)

// maxInformational is how many informational (1xx) replies may come before the
// final one.
const maxInformational = 5

// askHTTP1 asks over HTTP/1.1. It does not use http.Transport, which reads in
// goroutines of its own, keeps up to a megabyte of headers, and has the query of
// the URL, perhaps a secret, in its errors.
func (h *httpCheck) askHTTP1(conn net.Conn, target netip.AddrPort) reply {
	req := h.request(target)
	if err := req.Write(conn); err != nil {
		return reply{err: broken(h.kind, target, "sending the request", alertInstead(conn, err))}
	}
	received := &recorder{r: conn}
	limited := &io.LimitedReader{R: received, N: maxHeader}
	buffered := bufio.NewReader(limited)
	if start, _ := buffered.Peek(len("HTTP/")); len(start) == len("HTTP/") && string(start) != "HTTP/" {
		return reply{err: failed(h.kind, target, "the reply is not HTTP")}
	}
	resp, err := readResponse(buffered, req)
	switch {
	case err == nil:
		limited.N = mostBody
		return reply{status: resp.StatusCode, body: resp.Body, limit: limited}
	case errors.Is(err, errTooManyInformational):
		err = failed(h.kind, target, "more than %d informational (1xx) replies", maxInformational)
	case limited.N <= 0:
		err = failed(h.kind, target, "more than %d KiB of headers", maxHeader>>10)
	case received.err != nil && !errors.Is(received.err, io.EOF):
		// net/http reports an incomplete line as a malformed one.
		err = broken(h.kind, target, "waiting for the reply", received.err)
	case broke(err):
		err = broken(h.kind, target, "waiting for the reply", err)
	default:
		err = failed(h.kind, target, "%s", malformed(err))
	}
	return reply{err: err}
}

// request returns a new request: http.Request.Write may change its request.
func (h *httpCheck) request(target netip.AddrPort) *http.Request {
	return &http.Request{
		Method: h.method, Host: h.authority(target), Header: h.header, URL: h.url,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// readResponse reads the final response, after at most maxInformational others.
func readResponse(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	for range maxInformational + 1 {
		resp, err := http.ReadResponse(r, req)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
	return nil, errTooManyInformational
}

var errTooManyInformational = errors.New("too many informational replies")

// broke reports whether err is an error of the connection, and not of net/http
// about what it read.
func broke(err error) bool {
	var network net.Error
	var errno syscall.Errno
	return errors.As(err, &network) || errors.As(err, &errno) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// headErrors maps prefixes of net/http's errors about the head of a response to
// our texts. Behind the prefix, net/http's errors have text of the server.
var headErrors = []struct{ theirs, ours string }{
	{"malformed HTTP status code", "the status line of the reply is malformed"},
	{"malformed HTTP", "the reply is not HTTP"},
	{"http: message cannot contain multiple Content-Length", "the reply has different Content-Length headers"},
	{"bad Content-Length", "the Content-Length header of the reply is malformed"},
	{"invalid empty Content-Length", "the Content-Length header of the reply is malformed"},
	{"unsupported transfer encoding", "the Transfer-Encoding of the reply is not supported"},
	{"too many transfer encodings", "the Transfer-Encoding of the reply is not supported"},
	{"bad trailer key", "the Trailer header of the reply is malformed"},
}

// malformed returns the text for an error about the head of a response.
func malformed(err error) string {
	for _, known := range headErrors {
		if strings.HasPrefix(err.Error(), known.theirs) {
			return known.ours
		}
	}
	return "a header of the reply is malformed"
}

// malformedBody reports whether err, from reading a body, is about its chunks.
func malformedBody(err error) bool {
	var refused *refusal
	return !broke(err) && !errors.Is(err, errNotHTTP2) && !errors.As(err, &refused)
}
