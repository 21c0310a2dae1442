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

// The usual answer is written as bytes that are put together by hand, without
// a message being built, measured and packed: that is a quarter of what a query
// costs the whole server. The bytes are those that the message would have
// become (tests hold the two against each other), and they are only written
// where nobody above us has a use for the message: see straight.

// maxRaw is the largest answer of a pool that is written as bytes. The server
// compresses what is larger than 1220 or 1480 bytes, depending on the address
// family, and what does not fit the client; such answers take the slow path.
const maxRaw = 1220

// wroteRaw is called in tests when an answer is written as bytes.
var wroteRaw func()

// writeRaw answers r, straight to the client, with the members at the places in
// order, as bytes, and reports whether it could. An answer that could not be sent
// counts as written: nobody could send it in another way either.
func writeRaw(w dns.ResponseWriter, r *dns.Msg, ttl uint32, members []pool.Member, order []int) bool {
	if _, ok := w.RemoteAddr().(*net.UDPAddr); !ok {
		return false
	}
	if handsBack(r) {
		return false
	}
	p := reply.Get()
	defer p.Put()
	return p.Answer(r, ttl, members, order, min(maxRaw, int(edns.Size("udp", sizeOf(r))))) && send(w, p)
}

// writeRaw writes m as assemble would make it, as bytes, and reports whether it
// could.
func (w *filterWriter) writeRaw(m *dns.Msg) bool {
	if w.answer.empty() || handsBack(w.request) {
		return false
	}
	limits, ok := w.fits()
	if !ok {
		return false
	}
	p := reply.Get()
	defer p.Put()
	return w.pack(p, m, limits) && send(w.ResponseWriter, p)
}

// sending is what is known of the way that an answer takes.
type sending struct {
	limits          reply.Limits
	straight, known bool
}

// fits returns the limits of the answer, and whether bytes may be written.
func (w *filterWriter) fits() (reply.Limits, bool) {
	if s := &w.sent; !s.known {
		s.known = true
		if straight(w.ResponseWriter, w.request) {
			s.limits, s.straight = limitsOf(w.RemoteAddr(), w.request)
		}
	}
	return w.sent.limits, w.sent.straight
}

// limitsOf returns the limits of an answer to r that is sent to addr: those of
// request.ScrubWriter. It reports false for an addr that is neither UDP's nor
// TCP's.
func limitsOf(addr net.Addr, r *dns.Msg) (reply.Limits, bool) {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return reply.Limits{Plain: dns.MaxMsgSize, Most: dns.MaxMsgSize}, true
	case *net.UDPAddr:
		most, whole := int(edns.Size("udp", sizeOf(r))), 1480
		if addr.IP.To4() == nil {
			whole = 1220
		}
		return reply.Limits{Plain: min(most, whole), Most: most}, true
	}
	return reply.Limits{}, false
}

// sizeOf returns what the client that sent r says it can take, or 0.
func sizeOf(r *dns.Msg) uint16 {
	if o := r.IsEdns0(); o != nil {
		return o.UDPSize()
	}
	return 0
}

// handsBack reports whether the reply to r has to have options of r's, by what
// CoreDNS does for the plugins that support them.
func handsBack(r *dns.Msg) bool {
	o := r.IsEdns0()
	return o != nil && slices.ContainsFunc(o.Option, func(option dns.EDNS0) bool {
		code := option.Option()
		return edns.SupportedOption(code) || slices.Contains(handedBack, code)
	})
}

// handedBack are the options that this CoreDNS hands back to clients although no
// plugin has said that it supports them: five of them before 1.15, now none. It
// is asked, since it does not tell.
var handedBack = func() (codes []uint16) {
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

// pack makes p what the server would make of what assemble makes of m. It
// reports false where that has more to it than is written as bytes.
func (w *filterWriter) pack(p *reply.Packet, m *dns.Msg, l reply.Limits) bool {
	header := m.MsgHdr
	header.AuthenticatedData = header.AuthenticatedData && !w.answer.withdrawn && !w.additional.withdrawn
	ok := p.Encode(w.request, &m.Question[0], header, l, func(p *reply.Packet) { w.packSections(p, m) })
	return ok && !(p.Full() && slices.ContainsFunc(m.Extra, special))
}

// special reports whether the server keeps rr when it leaves out others.
func special(rr dns.RR) bool {
	_, opt := rr.(*dns.OPT)
	_, tsig := rr.(*dns.TSIG)
	return opt || tsig
}

func (w *filterWriter) packSections(p *reply.Packet, m *dns.Msg) {
	w.answer.pack(p)
	p.Next()
	p.Records(m.Ns...)
	p.Next()
	if w.additional.changed() {
		w.additional.pack(p)
	} else {
		p.Records(m.Extra...)
	}
}

// send writes what p holds, and reports true.
func send(w dns.ResponseWriter, p *reply.Packet) bool {
	if wroteRaw != nil {
		wroteRaw()
	}
	_, _ = w.Write(p.Bytes())
	return true
}

// maxWrappers bounds how many writers straight looks through.
const maxWrappers = 32

// straight reports whether bytes written to w reach the client as the message
// would have, and nobody on the way has a use for the message. It looks at
// every writer between us and the socket, on every query, and is content only
// with those that it knows: who tracks the plugin's name, who scrubs (which a
// small enough answer does not need), who counts for prometheus (it takes the
// length of bytes, and NOERROR for their rcode), and last the server's own
// writer, undecorated. Any other (of log, dnstap, rewrite, tsig, loadbalance,
// dns64, or one that captures the answer to somebody else's question) gets the
// message.
func straight(w dns.ResponseWriter, r *dns.Msg) bool {
	scrubbed := false
	for range maxWrappers {
		v := reflect.ValueOf(w)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return false
		}
		fit := wrapperOf(v.Type())
		inner := v.Elem()
		switch fit.role {
		case scrubs:
			if scrubbed {
				return false // a server within a server: not our client
			}
			scrubbed = true
			// It goes by the query that it was made for. Who has put another in
			// its place may have changed what the client said it can take.
			if inner.Field(fit.field).Pointer() != reflect.ValueOf(r).Pointer() {
				return false
			}
		case records:
			if inner = inner.Field(0).Elem(); !inner.IsValid() {
				return false
			}
		case tracks:
		case sends:
			return scrubbed && undecorated(v, fit.field)
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

// undecorated reports whether the server's own writer sends itself. A decorated
// one (Config.UDPDecorateWriterFunc, which shed uses) must get the message:
// bytes would pass it by.
func undecorated(v reflect.Value, field int) bool {
	writer := v.Elem().Field(field).Elem()
	return writer.Kind() == reflect.Pointer && writer.Pointer() == v.Pointer()
}

// A wrapper is what a type of writer does with what is written to it.
type wrapper struct {
	role  role
	field int // of the decoration, for one that sends; of the query, for one that scrubs
}

type role uint8

const (
	unfit   role = iota
	tracks       // plugin.NextOrFailure's
	scrubs       // request.ScrubWriter
	records      // the recorder of prometheus
	sends        // the server's own
)

// wrappers holds the wrapper of each type of writer that was met.
var wrappers sync.Map // reflect.Type → wrapper

func wrapperOf(t reflect.Type) wrapper {
	if known, ok := wrappers.Load(t); ok {
		return known.(wrapper)
	}
	known := classify(t)
	wrappers.Store(t, known)
	return known
}

// classify looks at a type of writer for the first time. Types that are not
// exported, or whose package would bring all of CoreDNS's command line along,
// go by their names; a layout that is not the expected one is unfit.
func classify(t reflect.Type) wrapper {
	e := t.Elem()
	switch e.PkgPath() + "." + e.Name() {
	case "github.com/coredns/coredns/plugin.pluginWriter":
		return wrapper{role: embedding(e, tracks)}
	case "github.com/coredns/coredns/request.ScrubWriter":
		if f, ok := e.FieldByName("req"); ok && f.Type == reflect.TypeFor[*dns.Msg]() {
			return wrapper{role: embedding(e, scrubs), field: f.Index[0]}
		}
	case "github.com/coredns/coredns/plugin/metrics.Recorder":
		if e.NumField() > 0 && e.Field(0).Type == reflect.TypeFor[*dnstest.Recorder]() {
			return wrapper{role: records}
		}
	case "github.com/miekg/dns.response":
		if f, ok := e.FieldByName("writer"); ok && f.Type.Kind() == reflect.Interface {
			return wrapper{role: sends, field: f.Index[0]}
		}
	}
	return wrapper{role: unfit}
}

// embedding returns r where the first field of struct type e is the writer that
// it wraps.
func embedding(e reflect.Type, r role) role {
	if e.NumField() > 0 && e.Field(0).Anonymous && e.Field(0).Type == reflect.TypeFor[dns.ResponseWriter]() {
		return r
	}
	return unfit
}
