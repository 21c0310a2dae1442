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
// become (a test holds the two against each other), and they are only written
// where nobody above us has a use for the message: see straight.

// maxRaw is the largest answer that is written as bytes. The server compresses
// what is larger than 1220 or 1480 bytes, depending on the address family, and
// what does not fit the client; such answers take the long way.
const maxRaw = 1220

// rawBuffers keeps room for answers that are being written.
var rawBuffers = sync.Pool{New: func() any { return new([maxRaw]byte) }}

// wroteRaw is called in tests when an answer is written as bytes.
var wroteRaw func()

// writeRaw answers r with the members at the places in order, as bytes, and
// reports whether it could. An answer that could not be sent counts as
// written: nobody could send it in another way either.
func writeRaw(w dns.ResponseWriter, r *dns.Msg, ttl uint32, members []pool.Member, order []int) bool {
	if !straight(w, r) {
		return false
	}
	buf := rawBuffers.Get().(*[maxRaw]byte)
	defer rawBuffers.Put(buf)
	answer, ok := appendAnswer(buf[:0], r, ttl, members, order)
	if !ok {
		return false
	}
	if wroteRaw != nil {
		wroteRaw()
	}
	_, _ = w.Write(answer)
	return true
}

// appendAnswer appends the answer to r to buf, whose capacity it does not
// exceed. It reports false where the bytes would not be those of the message
// that the server makes of answer's: where it truncates, compresses or hands
// options back.
func appendAnswer(buf []byte, r *dns.Msg, ttl uint32, members []pool.Member, order []int) ([]byte, bool) {
	opt := r.IsEdns0()
	size := uint16(0)
	if opt != nil {
		size = opt.UDPSize()
		for _, o := range opt.Option {
			if edns.SupportedOption(o.Option()) {
				return nil, false
			}
		}
	}
	most := min(int(edns.Size("udp", size)), cap(buf))

	const header, questionTail, recordTail, optSize = 12, 4, 10, 11
	full := buf[:cap(buf)]
	q := &r.Question[0]
	end, err := dns.PackDomainName(q.Name, full, header, nil, false)
	if err != nil {
		return nil, false
	}
	name := full[header:end]
	v4 := members[order[0]].Addr.Is4()
	rrtype, address := dns.TypeAAAA, net.IPv6len
	if v4 {
		rrtype, address = dns.TypeA, net.IPv4len
	}
	total := end + questionTail + len(order)*(len(name)+recordTail+address)
	if opt != nil {
		total += optSize
	}
	if total > most {
		return nil, false
	}
	buf = appendHeader(full[:0], r, len(order), opt != nil)
	buf = append(buf, name...)
	buf = binary.BigEndian.AppendUint16(buf, q.Qtype)
	buf = binary.BigEndian.AppendUint16(buf, q.Qclass)
	for _, i := range order {
		buf = append(buf, name...)
		buf = binary.BigEndian.AppendUint16(buf, rrtype)
		buf = binary.BigEndian.AppendUint16(buf, dns.ClassINET)
		buf = binary.BigEndian.AppendUint32(buf, ttl)
		buf = binary.BigEndian.AppendUint16(buf, uint16(address)) // #nosec G115 -- 4 or 16
		// From Addr, which lies in the member itself, and not from IP: with
		// many names each step to other memory is one out of the cache.
		if v4 {
			ip := members[i].Addr.As4()
			buf = append(buf, ip[:]...)
		} else {
			ip := members[i].Addr.As16()
			buf = append(buf, ip[:]...)
		}
	}
	if opt != nil { // what request.SizeAndDo makes of the client's
		buf = append(buf, 0)
		buf = binary.BigEndian.AppendUint16(buf, dns.TypeOPT)
		buf = binary.BigEndian.AppendUint16(buf, size)
		buf = binary.BigEndian.AppendUint32(buf, opt.Hdr.Ttl&0xff00)
		buf = binary.BigEndian.AppendUint16(buf, 0)
	}
	return buf, true
}

// appendHeader appends the header of an authoritative answer to r with n
// records (RFC 1035, section 4.1.1; CD is from RFC 4035, section 3.2.2).
func appendHeader(buf []byte, r *dns.Msg, n int, opt bool) []byte {
	const qr, aa, rd, cd = 1 << 15, 1 << 10, 1 << 8, 1 << 4
	flags := uint16(qr | aa)
	if r.RecursionDesired {
		flags |= rd
	}
	if r.CheckingDisabled {
		flags |= cd
	}
	additional := uint16(0)
	if opt {
		additional = 1
	}
	for _, v := range [...]uint16{r.Id, flags, 1, uint16(n), 0, additional} { // #nosec G115 -- n fits the answer
		buf = binary.BigEndian.AppendUint16(buf, v)
	}
	return buf
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
