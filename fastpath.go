package rrhealth

import (
	"net"
	"reflect"
	"slices"
	"sync"

	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// The fast path: the usual reply is encoded by plugin/reply and written as bytes.
// No message is built, measured or packed. The bytes are those that the server
// would make of the message; tests compare the two. They are written only where
// no plugin above has a use for the message (takesBytes), and where the server
// would not add options to it (handsBack).

// Replies over UDP that are larger than this have their names compressed by the
// server (request.ScrubWriter), depending on the client's address.
const (
	plainIPv4 = 1480
	plainIPv6 = 1220
)

// writeBytes answers r, over UDP, with the members at the indices in order. It
// reports false, with nothing written, if the reply is too large or needs the
// slow path. An error of the socket is not reported: the slow path would run into
// it too.
func writeBytes(w dns.ResponseWriter, r *dns.Msg, ttl uint32, members []pool.Member, order []int) bool {
	if _, ok := w.RemoteAddr().(*net.UDPAddr); !ok || handsBack(r) {
		return false
	}
	p := reply.Get()
	defer p.Put()
	return p.Answer(r, ttl, members, order, min(plainIPv6, sizeOf(r))) && send(w, p)
}

// send writes the bytes of p, counts the reply and returns true.
func send(w dns.ResponseWriter, p *reply.Packet) bool {
	fastPathAnswers.Inc()
	_, _ = w.Write(p.Bytes())
	return true
}

// limitsOf returns the limits that request.ScrubWriter has for a reply to r that
// is sent to addr. It reports false if addr is neither UDP's nor TCP's.
func limitsOf(addr net.Addr, r *dns.Msg) (reply.Limits, bool) {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return reply.Limits{Plain: dns.MaxMsgSize, Most: dns.MaxMsgSize}, true
	case *net.UDPAddr:
		most, plain := sizeOf(r), plainIPv4
		if addr.IP.To4() == nil {
			plain = plainIPv6
		}
		return reply.Limits{Plain: min(most, plain), Most: most}, true
	}
	return reply.Limits{}, false
}

// sizeOf returns the largest reply to r over UDP, in bytes, as the server has it.
func sizeOf(r *dns.Msg) int {
	var size uint16
	if o := r.IsEdns0(); o != nil {
		size = o.UDPSize()
	}
	return int(edns.Size("udp", size))
}

// handsBack reports whether the server copies EDNS options of r to the reply. It
// does so for the options that a plugin supports (edns.SetSupportedOption).
func handsBack(r *dns.Msg) bool {
	o := r.IsEdns0()
	return o != nil && slices.ContainsFunc(o.Option, func(option dns.EDNS0) bool {
		code := option.Option()
		return edns.SupportedOption(code) || slices.Contains(alwaysHandedBack, code)
	})
}

// alwaysHandedBack are the options that this CoreDNS copies to replies although
// no plugin supports them: five before 1.15, none since. There is no list of
// them, so each option is tried.
var alwaysHandedBack = func() (codes []uint16) {
	r := new(dns.Msg).SetQuestion(".", dns.TypeA).SetEdns0(dns.MinMsgSize, false)
	for _, code := range []uint16{dns.EDNS0NSID, dns.EDNS0EXPIRE, dns.EDNS0COOKIE, dns.EDNS0TCPKEEPALIVE, dns.EDNS0PADDING} {
		m := new(dns.Msg)
		r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: code}}
		(&request.Request{Req: r}).SizeAndDo(m)
		if o := m.IsEdns0(); o != nil && len(o.Option) > 0 {
			codes = append(codes, code)
		}
	}
	return codes
}()

// maxWrappers bounds how many writers takesBytes looks through.
const maxWrappers = 32

// takesBytes reports whether bytes written to w reach the client as the message
// would have, and no plugin on the way has a use for the message. For each query
// it looks at every writer between rrhealth and the socket, and accepts only the
// ones in knownWriters. Any other (of log, dnstap, rewrite, tsig, loadbalance or
// dns64, or one that captures the answer to a lookup inside the server) gets the
// message.
func takesBytes(w dns.ResponseWriter, r *dns.Msg) bool {
	scrubbed := false
	for range maxWrappers {
		v := reflect.ValueOf(w)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return false
		}
		known := layoutOf(v.Type())
		inner := v.Elem()
		switch known.role {
		case scrubs:
			if scrubbed {
				return false // a server within a server: this client is not ours
			}
			scrubbed = true
			// The writer goes by the query that it was made for. A plugin that
			// passes on another one may have changed what the client can take.
			if inner.Field(known.field).Pointer() != reflect.ValueOf(r).Pointer() {
				return false
			}
		case records:
			if inner = inner.Field(0).Elem(); !inner.IsValid() {
				return false
			}
		case tracks:
		case sends:
			return scrubbed && undecorated(v, known.field)
		default:
			return false
		}
		var ok bool
		if w, ok = reflect.TypeAssert[dns.ResponseWriter](inner.Field(0)); !ok {
			return false
		}
	}
	return false
}

// undecorated reports whether the server's own writer sends to the socket itself.
// A decorator (Config.UDPDecorateWriterFunc, which shed uses) works on messages,
// and bytes would bypass it.
func undecorated(v reflect.Value, field int) bool {
	writer := v.Elem().Field(field).Elem()
	return writer.Kind() == reflect.Pointer && writer.Pointer() == v.Pointer()
}

// A role is what a writer does with what is written to it.
type role uint8

const (
	foreign role = iota
	tracks       // names the plugin in errors
	scrubs       // fits messages to the client; nothing to do for a small one
	records      // counts the length of bytes, and NOERROR as their rcode
	sends        // writes to the socket
)

// knownWriters are the writers that the fast path looks into, by package and name:
// some are not exported, and the package of others would bring CoreDNS's command
// line along. layout checks that the type still has the fields that were read;
// a type that does not takes the slow path, as do all others.
var knownWriters = map[string]struct {
	readAt string // the version of the module at which its code was read
	role   role
	layout func(reflect.Type) (field int, ok bool)
}{
	"github.com/coredns/coredns/plugin.pluginWriter":     {"v1.15.0", tracks, embeds},
	"github.com/coredns/coredns/request.ScrubWriter":     {"v1.15.0", scrubs, embedsWithQuery},
	"github.com/coredns/coredns/plugin/metrics.Recorder": {"v1.15.0", records, startsWithRecorder},
	"github.com/miekg/dns.response":                      {"v1.1.73", sends, hasWriter},
}

// A layout is what takesBytes needs to know of a type of writer.
type layout struct {
	role  role
	field int // of the query, for one that scrubs; of the decorated writer, for one that sends
}

// layouts holds the layout of each type of writer that has been met.
var layouts sync.Map // reflect.Type → layout

// layoutOf returns the layout of the writers that t points to.
func layoutOf(t reflect.Type) layout {
	if met, ok := layouts.Load(t); ok {
		return met.(layout)
	}
	var l layout
	e := t.Elem()
	if known, ok := knownWriters[e.PkgPath()+"."+e.Name()]; ok {
		if field, ok := known.layout(e); ok {
			l = layout{known.role, field}
		}
	}
	layouts.Store(t, l)
	return l
}

// embeds reports whether the first field of e is the writer that it wraps.
func embeds(e reflect.Type) (int, bool) {
	return 0, e.NumField() > 0 && e.Field(0).Anonymous && e.Field(0).Type == reflect.TypeFor[dns.ResponseWriter]()
}

// embedsWithQuery reports the same, and returns the field that has the query.
func embedsWithQuery(e reflect.Type) (int, bool) {
	f, ok := e.FieldByName("req")
	_, embedded := embeds(e)
	if !ok || !embedded || f.Type != reflect.TypeFor[*dns.Msg]() {
		return 0, false
	}
	return f.Index[0], true
}

// startsWithRecorder reports whether the first field of e is a dnstest.Recorder,
// of which the first field is the writer that it wraps.
func startsWithRecorder(e reflect.Type) (int, bool) {
	return 0, e.NumField() > 0 && e.Field(0).Type == reflect.TypeFor[*dnstest.Recorder]()
}

// hasWriter returns the field with the server's writer, or its decorator.
func hasWriter(e reflect.Type) (int, bool) {
	f, ok := e.FieldByName("writer")
	if !ok || f.Type.Kind() != reflect.Interface {
		return 0, false
	}
	return f.Index[0], true
}
