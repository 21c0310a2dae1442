package rrhealth

import (
	"encoding/binary"
	"net"
	"reflect"
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

// maxRaw is the largest answer that is written as bytes. The server compresses
// what is larger than 1220 or 1480 bytes, depending on the address family, and
// what does not fit the client; such answers take the long way.
const maxRaw = 1220

// A packet is an answer that is being put together: a header, a question,
// records, and the client's OPT record. What cannot be written as bytes makes
// it bad, and it stays so.
type packet struct {
	buf []byte // in room, unless the answer is too large anyway
	bad bool

	owner      string // the latest name, which most records share
	start, end int    // where it stands in buf

	room [maxRaw]byte
}

// packets keeps room for answers that are being written.
var packets = sync.Pool{New: func() any { return new(packet) }}

// wroteRaw is called in tests when an answer is written as bytes.
var wroteRaw func()

// writeRaw answers r with the members at the places in order, as bytes, and
// reports whether it could. An answer that could not be sent counts as
// written: nobody could send it in another way either.
func writeRaw(w dns.ResponseWriter, r *dns.Msg, ttl uint32, members []pool.Member, order []int) bool {
	if !straight(w, r) {
		return false
	}
	p := packets.Get().(*packet)
	defer packets.Put(p)
	return p.answer(r, ttl, members, order) && p.send(w)
}

// writeRaw writes m as assemble would make it, as bytes, and reports whether it
// could.
func (w *filterWriter) writeRaw(m *dns.Msg) bool {
	if !straight(w.ResponseWriter, w.request) {
		return false
	}
	p := packets.Get().(*packet)
	defer packets.Put(p)
	return w.pack(p, m) && p.send(w.ResponseWriter)
}

// pack makes p what the server would make of what assemble makes of m. It
// reports false where that has more to it than is written as bytes.
func (w *filterWriter) pack(p *packet, m *dns.Msg) bool {
	header := m.MsgHdr
	header.AuthenticatedData = header.AuthenticatedData && !w.withdrawn()
	p.begin(&header, &m.Question[0])
	answer := w.answer.pack(p)
	authority := p.records(m.Ns...)
	var additional int
	if w.additional.changed() {
		additional = w.additional.pack(p)
	} else {
		additional = p.records(m.Extra...)
	}
	return p.finish(w.request, answer, authority, additional)
}

// send writes what p holds, and reports true.
func (p *packet) send(w dns.ResponseWriter) bool {
	if wroteRaw != nil {
		wroteRaw()
	}
	_, _ = w.Write(p.buf)
	return true
}

// answer makes p the answer to r. It reports false where the bytes would not be
// those of the message that the server makes of answer's: where it truncates,
// compresses or hands options back.
func (p *packet) answer(r *dns.Msg, ttl uint32, members []pool.Member, order []int) bool {
	// What answer's start makes of r.
	header := dns.MsgHdr{
		Id: r.Id, Response: true, Authoritative: true,
		RecursionDesired: r.RecursionDesired, CheckingDisabled: r.CheckingDisabled,
	}
	q := &r.Question[0]
	p.begin(&header, q)
	rrtype := dns.TypeAAAA
	if members[order[0]].Addr.Is4() {
		rrtype = dns.TypeA
	}
	for _, i := range order {
		p.head(q.Name, rrtype, dns.ClassINET, ttl)
		if rrtype == dns.TypeA {
			ip := members[i].Addr.As4()
			p.data(ip[:])
		} else {
			ip := members[i].Addr.As16()
			p.data(ip[:])
		}
		if len(p.buf) > maxRaw {
			return false
		}
	}
	return p.finish(r, len(order), 0, 0)
}

// begin makes p a header, the counts of which finish fills in, and a question.
func (p *packet) begin(h *dns.MsgHdr, q *dns.Question) {
	p.bad, p.owner = false, ""
	// RFC 1035, section 4.1.1; AD and CD are from RFC 4035, section 3.2.
	flags := uint16(h.Opcode)<<11 | uint16(h.Rcode)&0xf // #nosec G115 -- four bits each
	for _, f := range [...]struct {
		set bool
		bit uint16
	}{
		{h.Response, 1 << 15}, {h.Authoritative, 1 << 10}, {h.Truncated, 1 << 9}, {h.RecursionDesired, 1 << 8},
		{h.RecursionAvailable, 1 << 7}, {h.Zero, 1 << 6}, {h.AuthenticatedData, 1 << 5}, {h.CheckingDisabled, 1 << 4},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	p.buf = binary.BigEndian.AppendUint16(p.room[:0], h.Id)
	p.buf = binary.BigEndian.AppendUint16(p.buf, flags)
	p.buf = binary.BigEndian.AppendUint64(p.buf, 0)
	p.name(q.Name)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qtype)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qclass)
}

// name appends a name, and remembers it.
func (p *packet) name(name string) {
	if name == p.owner && name != "" {
		p.buf = append(p.buf, p.buf[p.start:p.end]...)
		return
	}
	start := len(p.buf)
	end, err := dns.PackDomainName(name, p.buf[:cap(p.buf)], start, nil, false)
	if err != nil || name == "" {
		p.bad = true
		return
	}
	p.buf = p.buf[:end]
	p.owner, p.start, p.end = name, start, end
}

// head appends all of a record but its data.
func (p *packet) head(owner string, rrtype, class uint16, ttl uint32) {
	p.name(owner)
	p.buf = binary.BigEndian.AppendUint16(p.buf, rrtype)
	p.buf = binary.BigEndian.AppendUint16(p.buf, class)
	p.buf = binary.BigEndian.AppendUint32(p.buf, ttl)
}

// data appends the data of a record.
func (p *packet) data(data []byte) {
	p.buf = binary.BigEndian.AppendUint16(p.buf, uint16(len(data))) // #nosec G115 -- an address
	p.buf = append(p.buf, data...)
}

// record appends rr with the TTL given, if it is of a type that stands in the
// usual answer.
func (p *packet) record(rr dns.RR, ttl uint32) {
	if p.bad || len(p.buf) > maxRaw {
		p.bad = true
		return
	}
	var target string
	switch rr := rr.(type) {
	case *dns.A:
		p.head(rr.Hdr.Name, rr.Hdr.Rrtype, rr.Hdr.Class, ttl)
		p.data(rr.A.To4())
		p.bad = p.bad || rr.A.To4() == nil
		return
	case *dns.AAAA:
		p.head(rr.Hdr.Name, rr.Hdr.Rrtype, rr.Hdr.Class, ttl)
		p.data(rr.AAAA)
		p.bad = p.bad || len(rr.AAAA) != net.IPv6len
		return
	case *dns.CNAME:
		target = rr.Target
	case *dns.NS:
		target = rr.Ns
	default: // the OPT record of an upstream, say
		p.bad = true
		return
	}
	h := rr.Header()
	p.head(h.Name, h.Rrtype, h.Class, ttl)
	length := len(p.buf)
	p.buf = append(p.buf, 0, 0)
	p.name(target)
	if !p.bad {
		binary.BigEndian.PutUint16(p.buf[length:], uint16(len(p.buf)-length-2)) // #nosec G115 -- a name
	}
}

// records appends rrs as they are, and returns how many they are.
func (p *packet) records(rrs ...dns.RR) int {
	for _, rr := range rrs {
		if rr == nil {
			p.bad = true
			break
		}
		p.record(rr, rr.Header().Ttl)
	}
	return len(rrs)
}

// finish appends what request.SizeAndDo makes of the client's OPT record, and
// fills in how many records the sections have. It reports whether the server
// would send the message as it is.
func (p *packet) finish(r *dns.Msg, answer, authority, additional int) bool {
	size := uint16(0)
	if o := r.IsEdns0(); o != nil {
		size = o.UDPSize()
		for _, option := range o.Option {
			if edns.SupportedOption(option.Option()) {
				return false
			}
		}
		p.buf = append(p.buf, 0)
		p.buf = binary.BigEndian.AppendUint16(p.buf, dns.TypeOPT)
		p.buf = binary.BigEndian.AppendUint16(p.buf, size)
		p.buf = binary.BigEndian.AppendUint32(p.buf, o.Hdr.Ttl&0xff00)
		p.buf = binary.BigEndian.AppendUint16(p.buf, 0)
		additional++
	}
	if p.bad || len(p.buf) > min(maxRaw, int(edns.Size("udp", size))) {
		return false
	}
	for i, n := range [...]int{1, answer, authority, additional} {
		binary.BigEndian.PutUint16(p.buf[4+2*i:], uint16(n)) // #nosec G115 -- they fit the packet
	}
	return true
}

// maxWrappers bounds how many writers straight looks through.
const maxWrappers = 32

// straight reports whether bytes written to w reach a UDP client as the message
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
			return scrubbed && undecorated(w, v, fit.field)
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

// undecorated reports whether w, the server's own writer, sends to a UDP client
// itself. A decorated one (Config.UDPDecorateWriterFunc, which shed uses) must
// get the message: bytes would pass it by.
func undecorated(w dns.ResponseWriter, v reflect.Value, field int) bool {
	if _, ok := w.RemoteAddr().(*net.UDPAddr); !ok {
		return false
	}
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
