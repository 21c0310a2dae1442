package probe

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// An h2 is a scripted HTTP/2 server's side of a connection.
type h2 struct {
	*http2.Framer
	conn net.Conn
	enc  *hpack.Encoder
	buf  bytes.Buffer
}

// scripted returns a TLS server that chooses HTTP/2, exchanges settings, reads
// the request and then does what script says.
func scripted(cert tls.Certificate, script func(*h2)) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return serveOn(t, listenTLS(t, cert, protocols("h2")), func(c net.Conn) {
			preface := make([]byte, len(http2.ClientPreface))
			if _, err := io.ReadFull(c, preface); err != nil {
				return
			}
			s := &h2{Framer: http2.NewFramer(c, c), conn: c}
			s.enc = hpack.NewEncoder(&s.buf)
			_ = s.WriteSettings()
			for {
				f, err := s.ReadFrame()
				if err != nil {
					return
				}
				if _, ok := f.(*http2.HeadersFrame); ok {
					break
				}
			}
			script(s)
			until(c)
		})
	}
}

func (s *h2) head(end bool, fields ...string) {
	s.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = s.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.buf.Bytes(), EndHeaders: true, EndStream: end})
}

func http2Rows(t *testing.T) []row {
	t.Helper()
	const url = "https://www.example.org:PORT/healthz"
	a := newAuthority(t)
	cert := a.issue(leaf{})
	ca := "ca " + a.file
	body := "body ^all\\swell$"
	served := func(name string, script func(*h2), options ...string) row {
		return row{name: "h2" + name, check: url, options: append([]string{ca}, options...), serve: scripted(cert, script)}
	}
	silence := served(": silence", func(*h2) {})
	silence.silent = true
	stalls := served(" body: stalls", func(s *h2) { s.head(false, ":status", "200"); _ = s.WriteData(1, false, []byte("all")) }, body)
	stalls.silent = true
	return []row{
		served(": status 204", func(s *h2) { s.head(true, ":status", "204") }),
		served(": waits for the acknowledgements that it is owed", func(s *h2) {
			_ = s.WritePing(false, [8]byte{7})
			for settings, ping := false, false; !settings || !ping; {
				f, err := s.ReadFrame()
				if err != nil {
					return
				}
				switch f := f.(type) {
				case *http2.SettingsFrame:
					settings = settings || f.IsAck()
				case *http2.PingFrame:
					ping = f.IsAck() && f.Data == [8]byte{7}
				}
			}
			s.head(true, ":status", "200")
		}),
		served(": status 503", func(s *h2) { s.head(true, ":status", "503") }),
		served(" body: as expected, in pieces, between pings", func(s *h2) {
			s.head(false, ":status", "200")
			_ = s.WriteData(1, false, []byte("all"))
			_ = s.WritePing(false, [8]byte{1})
			_ = s.WriteData(1, true, []byte(" well"))
		}, body),
		served(" body: with trailers", func(s *h2) {
			s.head(false, ":status", "200")
			_ = s.WriteData(1, false, []byte("all well"))
			s.head(true, "x-trailer", "x")
		}, body),
		served(" body: another", func(s *h2) { s.head(false, ":status", "200"); _ = s.WriteData(1, true, []byte("all lost")) }, body),
		served(" body: none", func(s *h2) { s.head(true, ":status", "200") }, body),
		served(" body: without end", func(s *h2) {
			s.head(false, ":status", "200")
			data := make([]byte, 16<<10)
			for ok := true; ok; {
				ok = s.WriteData(1, false, data) == nil
			}
		}, body),
		served(" body: longer than is read", func(s *h2) {
			s.head(false, ":status", "200")
			data := make([]byte, 16<<10)
			for range 8 {
				_ = s.WriteData(1, false, data)
			}
		}, "body well"),
		served(" body: as long as is read, a byte in a frame", func(s *h2) {
			s.head(false, ":status", "200")
			for range maxReply - 4 {
				_ = s.WriteData(1, false, []byte("."))
			}
			_ = s.WriteData(1, false, []byte("well"))
		}, "body well"),
		served(" body: in frames without data", func(s *h2) {
			s.head(false, ":status", "200")
			for ok := true; ok; {
				ok = s.WriteData(1, false, nil) == nil
			}
		}, "body well"),
		served(" body: breaks off", func(s *h2) {
			s.head(false, ":status", "200", "content-length", "100")
			_ = s.WriteData(1, false, []byte("all"))
			_ = s.WriteRSTStream(1, http2.ErrCodeInternal)
		}, body),
		stalls,
		served(": a few informational replies, then 200", func(s *h2) {
			for range 5 {
				s.head(false, ":status", "103")
			}
			s.head(true, ":status", "200")
		}),
		served(": informational replies without end", func(s *h2) {
			for range 1000 {
				s.head(false, ":status", "100")
			}
		}),
		served(": headers without end", func(s *h2) {
			block := s.block(strings.Repeat("x", 8<<10))
			_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block})
			for ok := true; ok; {
				ok = s.WriteContinuation(1, false, block) == nil
			}
		}),
		served(": headers that unpack to a megabyte", func(s *h2) {
			s.buf.Reset()
			_ = s.enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			kilobyte := strings.Repeat("x", 1000)
			for range 1000 {
				_ = s.enc.WriteField(hpack.HeaderField{Name: "x", Value: kilobyte})
			}
			_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.buf.Bytes(), EndHeaders: true, EndStream: true})
		}),
		served(": pings without end", func(s *h2) {
			for ok := true; ok; {
				ok = s.WritePing(false, [8]byte{}) == nil
			}
		}),
		served(": resets the stream", func(s *h2) { _ = s.WriteRSTStream(1, http2.ErrCodeRefusedStream) }),
		served(": goes away", func(s *h2) { _ = s.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("hunter2hunter2")) }),
		served(": goes away after this one", func(s *h2) { _ = s.WriteGoAway(1, http2.ErrCodeNo, nil); s.head(true, ":status", "200") }),
		served(": body without a head", func(s *h2) { _ = s.WriteData(1, true, []byte("all well")) }),
		served(": head without a status", func(s *h2) { s.head(true, "x", "y") }),
		served(": a status that is none", func(s *h2) { s.head(true, ":status", "many") }),
		served(": pushes unasked", func(s *h2) {
			_ = s.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: s.block("x"), EndHeaders: true})
		}),
		served(": answers another stream", func(s *h2) {
			_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: s.block("x"), EndHeaders: true})
		}),
		served(": a frame of a megabyte", func(s *h2) { _, _ = s.conn.Write([]byte{0x10, 0, 0, 0, 0, 0, 0, 0, 1}) }),
		served(": HTTP/1.1 after all", func(s *h2) { fmt.Fprint(s.conn, "HTTP/1.1 200 OK\r\n\r\n") }),
		silence,
		served(": closes", func(s *h2) { _ = s.conn.Close() }),
	}
}

func (s *h2) block(value string) []byte {
	s.buf.Reset()
	_ = s.enc.WriteField(hpack.HeaderField{Name: "x-header", Value: value})
	return bytes.Clone(s.buf.Bytes())
}

func TestHeadersThatDoNotFitIntoAFrameAreContinued(t *testing.T) {
	a := newAuthority(t)
	got := make(chan string, 1)
	port := handlesTLS(a.issue(leaf{}), func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("X-Long") }, "h2")(t)
	long := strings.Repeat("~", 40<<10)
	if err := ask(t, check(t, port, "https://www.example.org:PORT", "ca "+a.file, "header X-Long "+long), enough); err != nil {
		t.Fatal(err)
	}
	if <-got != long {
		t.Error("the server received another header")
	}
}
