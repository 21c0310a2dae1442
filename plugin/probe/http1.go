package probe

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxInformational is how many informational (1xx) replies may come before the
// final one.
const maxInformational = 5

// ask1 asks over HTTP/1.1. It reads a reply by hand, and not through
// http.Transport: that reads on in goroutines of its own, keeps up to a
// megabyte of headers, and names the query in its errors.
func (h *httpCheck) ask1(conn net.Conn, target netip.AddrPort) reply {
	req := h.request(target)
	if err := req.Write(conn); err != nil {
		return reply{err: broken(h.kind, target, "sending the request", err)}
	}
	heard := &recorder{r: conn}
	limited := &io.LimitedReader{R: heard, N: maxHeader}
	resp, err := readResponse(bufio.NewReader(limited), req)
	switch {
	case err == nil:
		limited.N = 2 * maxReply // room for chunk headers; matchBody reads no more than maxReply
		return reply{status: resp.StatusCode, body: resp.Body}
	case errors.Is(err, errTooManyInformational):
		err = failed(h.kind, target, "more than %d informational (1xx) replies", maxInformational)
	case limited.N <= 0:
		err = failed(h.kind, target, "more than %d KiB of headers", maxHeader>>10)
	case heard.err != nil && !errors.Is(heard.err, io.EOF):
		// net/http takes a line that breaks off for a malformed one.
		err = broken(h.kind, target, "waiting for the reply", heard.err)
	case malformed(err):
		err = failed(h.kind, target, "the reply is not HTTP")
	default:
		err = broken(h.kind, target, "waiting for the reply", err)
	}
	return reply{err: err}
}

// request builds the request anew: http.Request.Write may change what it sends.
func (h *httpCheck) request(target netip.AddrPort) *http.Request {
	return &http.Request{
		Method: h.method, Host: h.authority(target), Header: h.header, URL: h.url,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// readResponse reads the final response, past a few informational ones.
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

// malformed reports whether err is net/http's word for a reply that is not HTTP.
func malformed(err error) bool {
	var timeout net.Error
	if errors.As(err, &timeout) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	return strings.Contains(err.Error(), "malformed")
}
