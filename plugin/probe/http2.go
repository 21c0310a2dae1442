package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// theStream is the only stream of a probe's connection.
	theStream = 1
	// maxFrame is the largest frame that a server may send unasked.
	maxFrame = 16 << 10
	// h2Window is how much of a body the server may send unasked.
	h2Window = 2 * maxReply
)

// errNotHTTP2 is the error if a server chose HTTP/2 and breaks its rules.
var errNotHTTP2 = errors.New("the reply is not valid HTTP/2")

// askHTTP2 asks over HTTP/2, frame by frame. One request on one stream does not
// need the goroutines and the state of a transport, and a hostile server cannot
// make us read and answer more than the limits here.
func (h *httpCheck) askHTTP2(conn net.Conn, target netip.AddrPort) reply {
	if _, err := conn.Write(h.requestFrames(target)); err != nil {
		return reply{err: broken(h.kind, target, "sending the request", alertInstead(conn, err))}
	}
	s := newStream(conn)
	status, err := s.status()
	switch {
	case err == nil:
		return reply{status: status, body: s, limit: s.limited}
	case errors.Is(err, errTooManyInformational):
		err = failed(h.kind, target, "more than %d informational (1xx) replies", maxInformational)
	case errors.Is(err, errTooLong):
		err = failed(h.kind, target, "more than %d KiB of headers", maxHeader>>10)
	case s.limited.N <= 0:
		err = failed(h.kind, target, "more than %d KiB of headers and control frames", maxHeader>>10)
	default:
		err = broken(h.kind, target, "waiting for the reply", err)
	}
	return reply{err: err}
}

// requestFrames returns all that is sent unasked: the preface, the settings, and
// the request. Writing to a bytes.Buffer does not fail.
func (h *httpCheck) requestFrames(target netip.AddrPort) []byte {
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&out, nil)
	_ = f.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2Window},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeader},
	)
	_ = f.WriteWindowUpdate(0, h2Window)
	block := h.fields(target)
	first := block[:min(len(block), maxFrame)]
	_ = f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: theStream, BlockFragment: first, EndStream: true, EndHeaders: len(first) == len(block),
	})
	for rest := block[len(first):]; len(rest) > 0; {
		part := rest[:min(len(rest), maxFrame)]
		rest = rest[len(part):]
		_ = f.WriteContinuation(theStream, len(rest) == 0, part)
	}
	return out.Bytes()
}

// fields returns the request's header block.
func (h *httpCheck) fields(target netip.AddrPort) []byte {
	var out bytes.Buffer
	e := hpack.NewEncoder(&out)
	add := func(name, value string) { _ = e.WriteField(hpack.HeaderField{Name: name, Value: value}) }
	add(":method", h.method)
	add(":scheme", "https")
	add(":authority", h.authority(target))
	add(":path", h.url.RequestURI())
	for name, values := range h.header {
		if name == "Connection" {
			continue // HTTP/2 forbids it
		}
		for _, value := range values {
			add(strings.ToLower(name), value)
		}
	}
	return out.Bytes()
}

// A stream reads the reply to the one request on conn.
type stream struct {
	limited *io.LimitedReader
	frames  *http2.Framer
	room    []byte // for the data of one frame
	data    []byte // the part of room that Read has not returned yet
	ended   bool
}

func newStream(conn net.Conn) *stream {
	limited := &io.LimitedReader{R: conn, N: maxHeader}
	s := &stream{limited: limited, frames: http2.NewFramer(conn, bufio.NewReader(limited))}
	s.frames.SetMaxReadFrameSize(maxFrame)
	s.frames.SetReuseFrames() // a server may send one byte in each frame
	s.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.frames.MaxHeaderListSize = maxHeader
	return s
}

var errTooLong = errors.New("headers too long")

// status reads up to and including the head of the final response.
func (s *stream) status() (int, error) {
	for informational := 0; ; {
		frame, err := s.next()
		if err != nil {
			return 0, err
		}
		head, ok := frame.(*http2.MetaHeadersFrame)
		if !ok {
			return 0, errNotHTTP2 // a body without a head
		}
		if head.Truncated {
			return 0, errTooLong
		}
		status, err := strconv.Atoi(head.PseudoValue("status"))
		if err != nil || status < 100 || status > 999 {
			return 0, errNotHTTP2
		}
		if status >= 200 {
			s.ended = head.StreamEnded()
			s.limited.N = mostBody
			return status, nil
		}
		if informational++; informational > maxInformational {
			return 0, errTooManyInformational
		}
	}
}

// Read reads from the body.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.data) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		frame, err := s.next()
		if err != nil {
			return 0, err
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			s.room = append(s.room[:0], frame.Data()...)
			s.data, s.ended = s.room, frame.StreamEnded()
		case *http2.MetaHeadersFrame: // trailers
			s.ended = true
		}
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// next returns the next headers or data of the stream. It answers settings and
// pings that come before.
func (s *stream) next() (http2.Frame, error) {
	for {
		frame, err := s.frames.ReadFrame()
		if err != nil {
			return nil, frameError(err)
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame, *http2.DataFrame:
			if frame.Header().StreamID != theStream {
				return nil, errNotHTTP2
			}
			return frame, nil
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = s.frames.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = s.frames.WritePing(true, frame.Data)
			}
		case *http2.RSTStreamFrame:
			return nil, &refusal{"the server reset the stream", frame.ErrCode}
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo || frame.LastStreamID < theStream {
				return nil, &refusal{"the server closed the connection with GOAWAY", frame.ErrCode}
			}
		case *http2.PushPromiseFrame:
			return nil, errNotHTTP2
		}
		if err != nil {
			return nil, err
		}
	}
}

// A refusal is the server's error code instead of a reply.
type refusal struct {
	what string
	code http2.ErrCode
}

func (r *refusal) Error() string { return r.what + " (" + r.code.String() + ")" }

// frameError returns errNotHTTP2 for errors about invalid frames, and errors of
// the connection unchanged.
func frameError(err error) error {
	var connection http2.ConnectionError
	var stream http2.StreamError
	if errors.As(err, &connection) || errors.As(err, &stream) || errors.Is(err, http2.ErrFrameTooLarge) {
		return errNotHTTP2
	}
	return err
}
