package rrhealth

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// maxRaw is the largest answer of a pool that is written as bytes. The server
// compresses what is larger than 1220 or 1480 bytes, depending on the address
// family, and what does not fit the client; such answers take the slow path.
const maxRaw = 1220

// A packet is an answer that is being put together: a header, a question,
// records, and the client's OPT record. What cannot be written as bytes makes
// it bad, and what does not fit makes it full; both it stays.
type packet struct {
	buf       []byte
	bad, full bool
	limit     int // without the OPT record
	counts    [4]uint16
	section   int // that records are appended to
	opt       *dns.OPT

	owner      string // the latest name, which most records share
	start, end int    // where it stands in buf
	pointer    int    // what points to it when it is written again, or 0

	compressed bool
	suffixes   suffixes // where it is
}

// The sections of a message, in the order of their counts.
const (
	inAnswer = 1 + iota
	inAuthority
	inAdditional
)

// lenOPT is how long an OPT record without options is.
const lenOPT = 11

// answer makes p the answer to r. It reports false where the bytes would not be
// those of the message that the server makes of answer's: where it truncates,
// compresses or hands options back.
func (p *packet) answer(r *dns.Msg, ttl uint32, members []pool.Member, order []int) bool {
	q := &r.Question[0]
	if !p.begin(r, q, min(maxRaw, int(edns.Size("udp", sizeOf(r)))), false) {
		return false
	}
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
		if len(p.buf) > p.limit {
			return false
		}
		p.counts[inAnswer]++
	}
	// What answer's start makes of r.
	return p.finish(&dns.MsgHdr{
		Id: r.Id, Response: true, Authoritative: true,
		RecursionDesired: r.RecursionDesired, CheckingDisabled: r.CheckingDisabled,
	})
}

// begin makes p room for a header, which finish fills in, and a question. It
// reports false where options of r's are to be handed back. Records fit until
// the message has the size limit.
func (p *packet) begin(r *dns.Msg, q *dns.Question, limit int, compressed bool) bool {
	if p.compressed = compressed; compressed {
		p.suffixes.reset()
	}
	p.bad, p.full, p.owner, p.pointer = false, false, "", 0
	p.limit, p.counts, p.section = limit, [4]uint16{1}, inAnswer
	if p.opt = r.IsEdns0(); p.opt != nil {
		for _, option := range p.opt.Option {
			if edns.SupportedOption(option.Option()) {
				return false
			}
		}
		p.limit -= lenOPT
	}
	p.buf = append(p.buf[:0], make([]byte, 12)...)
	p.name(q.Name)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qtype)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qclass)
	return true
}

// name appends a name, and remembers it.
func (p *packet) name(name string) {
	if name == p.owner && name != "" {
		switch {
		case !p.compressed:
			p.buf = append(p.buf, p.buf[p.start:p.end]...)
			return
		case p.pointer > 0:
			p.buf = binary.BigEndian.AppendUint16(p.buf, 0xc000|uint16(p.pointer)) // #nosec G115 -- 14 bits
			return
		}
	}
	start := len(p.buf)
	if p.pointer = 0; strings.IndexByte(name, '\\') >= 0 {
		p.escaped(name)
	} else {
		p.labels(name)
	}
	p.owner, p.start, p.end = name, start, len(p.buf)
}

// labels appends a name without escapes, compressed if p is. The rules are
// those of dns.Msg's Pack.
func (p *packet) labels(name string) {
	if name == "" {
		p.bad = true
	}
	for rest := name; rest != "" && name != "."; {
		if p.compressed && p.point(name, rest) {
			return
		}
		n := strings.IndexByte(rest, '.')
		if n <= 0 || n > 63 {
			p.bad = true
			return
		}
		p.buf = append(p.buf, byte(n))
		p.buf = append(p.buf, rest[:n]...)
		rest = rest[n+1:]
	}
	p.buf = append(p.buf, 0)
}

// point appends a pointer to rest, the end of name, and reports whether it
// could.
func (p *packet) point(name, rest string) bool {
	at := p.suffixes.point(rest, len(p.buf))
	if len(rest) == len(name) {
		if p.pointer = at; at == 0 && len(p.buf) < maxPointer {
			p.pointer = len(p.buf)
		}
	}
	if at > 0 {
		p.buf = binary.BigEndian.AppendUint16(p.buf, 0xc000|uint16(at)) // #nosec G115 -- 14 bits
	}
	return at > 0
}

// escaped appends a name with escapes, unless it is to be compressed.
func (p *packet) escaped(name string) {
	if p.compressed {
		p.bad = true
		return
	}
	start := len(p.buf)
	p.buf = slices.Grow(p.buf, len(name)+1)
	end, err := dns.PackDomainName(name, p.buf[:cap(p.buf)], start, nil, false)
	if err != nil {
		p.bad = true
		return
	}
	p.buf = p.buf[:end]
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

// record appends rr with the TTL given, if it fits and is of a type that stands
// in the usual answer.
func (p *packet) record(rr dns.RR, ttl uint32) {
	if p.bad || p.full {
		return
	}
	before := len(p.buf)
	p.typed(rr, ttl)
	if len(p.buf) > p.limit {
		p.buf, p.full = p.buf[:before], true
		return
	}
	p.counts[p.section]++
}

func (p *packet) typed(rr dns.RR, ttl uint32) {
	switch rr := rr.(type) {
	case *dns.A:
		p.head(rr.Hdr.Name, rr.Hdr.Rrtype, rr.Hdr.Class, ttl)
		p.data(rr.A.To4())
		p.bad = p.bad || rr.A.To4() == nil
	case *dns.AAAA:
		p.head(rr.Hdr.Name, rr.Hdr.Rrtype, rr.Hdr.Class, ttl)
		p.data(rr.AAAA)
		p.bad = p.bad || len(rr.AAAA) != net.IPv6len
	case *dns.CNAME:
		p.alias(&rr.Hdr, ttl, rr.Target)
	case *dns.NS:
		p.alias(&rr.Hdr, ttl, rr.Ns)
	default: // the OPT record of an upstream, say
		p.bad = true
	}
}

// alias appends a record whose data is a name.
func (p *packet) alias(h *dns.RR_Header, ttl uint32, target string) {
	p.head(h.Name, h.Rrtype, h.Class, ttl)
	length := len(p.buf)
	p.buf = append(p.buf, 0, 0)
	p.name(target)
	binary.BigEndian.PutUint16(p.buf[length:], uint16(len(p.buf)-length-2)) // #nosec G115 -- a name
}

// records appends rrs as they are.
func (p *packet) records(rrs ...dns.RR) {
	for _, rr := range rrs {
		if rr == nil {
			p.bad = true
		}
		if p.bad || p.full {
			return
		}
		p.record(rr, rr.Header().Ttl)
	}
}

// finish appends what request.SizeAndDo makes of the client's OPT record, and
// fills in the header. It reports whether p is what the server would send.
func (p *packet) finish(h *dns.MsgHdr) bool {
	if p.bad {
		return false
	}
	if o := p.opt; o != nil {
		p.buf = append(p.buf, 0)
		p.buf = binary.BigEndian.AppendUint16(p.buf, dns.TypeOPT)
		p.buf = binary.BigEndian.AppendUint16(p.buf, o.UDPSize())
		p.buf = binary.BigEndian.AppendUint32(p.buf, o.Hdr.Ttl&0xff00)
		p.buf = binary.BigEndian.AppendUint16(p.buf, 0)
		p.counts[inAdditional]++
	}
	binary.BigEndian.PutUint16(p.buf, h.Id)
	binary.BigEndian.PutUint16(p.buf[2:], flagsOf(h))
	for i, n := range p.counts {
		binary.BigEndian.PutUint16(p.buf[4+2*i:], n)
	}
	return true
}

// flagsOf returns the second word of a header: RFC 1035, section 4.1.1; AD and
// CD are from RFC 4035, section 3.2.
func flagsOf(h *dns.MsgHdr) uint16 {
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
	return flags
}
