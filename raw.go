package rrhealth

import (
	"net"
	"reflect"
	"slices"
	"sync"

	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// The usual answer is written as bytes that are put together by hand, without
// a message being built, measured and packed: that is a quarter of what a query
// costs the whole server. The bytes are those that the message would have
// become (tests hold the two against each other), and they are only written
// where nobody above us has a use for the message: see straight.

// packets keeps room for answers that are being written. A new one has room for
// the usual answer at once.
var packets = sync.Pool{New: func() any {
	p := new(struct {
		packet
		room [2048]byte
	})
	p.buf = p.room[:0]
	return &p.packet
}}

// wroteRaw is called in tests when an answer is written as bytes.
var wroteRaw func()

// writeRaw answers r, straight to the client, with the members at the places in
// order, as bytes, and reports whether it could. An answer that could not be sent
// counts as written: nobody could send it in another way either.
func writeRaw(w dns.ResponseWriter, r *dns.Msg, ttl uint32, members []pool.Member, order []int) bool {
	if _, ok := w.RemoteAddr().(*net.UDPAddr); !ok {
		return false
	}
	p := packets.Get().(*packet)
	defer packets.Put(p)
	return p.answer(r, ttl, members, order) && p.send(w)
}

// writeRaw writes m as assemble would make it, as bytes, and reports whether it
// could.
func (w *filterWriter) writeRaw(m *dns.Msg) bool {
	if w.emptied() {
		return false
	}
	b, ok := w.fits()
	if !ok {
		return false
	}
	p := packets.Get().(*packet)
	defer packets.Put(p)
	return w.pack(p, m, b) && p.send(w.ResponseWriter)
}

// sending is what is known of the way that an answer takes.
type sending struct {
	bounds
	straight, known bool
}

// fits returns the bounds of the answer, and whether bytes may be written.
func (w *filterWriter) fits() (bounds, bool) {
	if s := &w.sent; !s.known {
		s.known = true
		if straight(w.ResponseWriter, w.request) {
			s.bounds, s.straight = boundsOf(w.RemoteAddr(), w.request)
		}
	}
	return w.sent.bounds, w.sent.straight
}

// bounds are what request.ScrubWriter holds an answer against.
type bounds struct {
	plain int // a larger answer is compressed
	most  int // of a larger one that is compressed, records are left out
}

// boundsOf returns the bounds of an answer to r that is sent to addr. It
// reports false for an addr that is neither UDP's nor TCP's.
func boundsOf(addr net.Addr, r *dns.Msg) (bounds, bool) {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return bounds{dns.MaxMsgSize, dns.MaxMsgSize}, true
	case *net.UDPAddr:
		most, whole := int(edns.Size("udp", sizeOf(r))), 1480
		if addr.IP.To4() == nil {
			whole = 1220
		}
		return bounds{min(most, whole), most}, true
	}
	return bounds{}, false
}

// sizeOf returns what the client that sent r says it can take, or 0.
func sizeOf(r *dns.Msg) uint16 {
	if o := r.IsEdns0(); o != nil {
		return o.UDPSize()
	}
	return 0
}

// pack makes p what the server would make of what assemble makes of m. It
// reports false where that has more to it than is written as bytes.
func (w *filterWriter) pack(p *packet, m *dns.Msg, b bounds) bool {
	if !p.begin(w.request, &m.Question[0], b.plain, false) {
		return false
	}
	if w.packSections(p, m); p.full { // once more, with names compressed
		p.begin(w.request, &m.Question[0], b.most, true)
		w.packSections(p, m)
	}
	if p.full && slices.ContainsFunc(m.Extra, special) {
		return false
	}
	header := m.MsgHdr
	header.AuthenticatedData = header.AuthenticatedData && !w.withdrawn()
	header.Truncated = header.Truncated || p.full
	return p.finish(&header)
}

// special reports whether the server keeps rr when it leaves out others.
func special(rr dns.RR) bool {
	_, opt := rr.(*dns.OPT)
	_, tsig := rr.(*dns.TSIG)
	return opt || tsig
}

func (w *filterWriter) packSections(p *packet, m *dns.Msg) {
	w.answer.pack(p)
	p.section = inAuthority
	p.records(m.Ns...)
	p.section = inAdditional
	if w.additional.changed() {
		w.additional.pack(p)
	} else {
		p.records(m.Extra...)
	}
}

// send writes what p holds, and reports true.
func (p *packet) send(w dns.ResponseWriter) bool {
	if wroteRaw != nil {
		wroteRaw()
	}
	_, _ = w.Write(p.buf)
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
