package rrhealth

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/coredns/coredns/request"
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
	parent     string // what follows its first label, or "" with escapes in that
	room       int    // that the parent takes in buf
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
		if rrtype == dns.TypeA {
			ip := members[i].Addr.As4()
			p.buf = append(p.head(p.buf, q.Name, rrtype, dns.ClassINET, ttl, len(ip)), ip[:]...)
		} else {
			ip := members[i].Addr.As16()
			p.buf = append(p.head(p.buf, q.Name, rrtype, dns.ClassINET, ttl, len(ip)), ip[:]...)
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
	p.bad, p.full, p.owner, p.parent, p.pointer = false, false, "", "", 0
	p.limit, p.counts, p.section = limit, [4]uint16{1}, inAnswer
	if p.opt = r.IsEdns0(); p.opt != nil {
		for _, option := range p.opt.Option {
			if code := option.Option(); edns.SupportedOption(code) || slices.Contains(handedBack, code) {
				return false
			}
		}
		p.limit -= lenOPT
	}
	p.buf = append(p.buf[:0], make([]byte, 12)...)
	p.buf = p.name(p.buf, q.Name)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qtype)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qclass)
	return true
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

// name appends a name to b, which becomes buf, and remembers it. Buffers are
// handed on, here and below, since to store one in p each time costs as much
// as to fill it.
func (p *packet) name(b []byte, name string) []byte {
	if name == p.owner && name != "" {
		switch {
		case !p.compressed:
			return append(b, b[p.start:p.end]...)
		case p.pointer > 0:
			return binary.BigEndian.AppendUint16(b, 0xc000|uint16(p.pointer)) // #nosec G115 -- 14 bits
		}
	}
	start := len(b)
	p.pointer = 0
	n := strings.IndexByte(name, '.')
	if !p.compressed && n > 0 && n < 64 && name[n:] == p.parent && strings.IndexByte(name[:n], '\\') < 0 {
		// Names side by side differ in their first label, as a rule.
		from := p.end - p.room
		b = append(b, byte(n))
		b = append(b, name[:n]...)
		b = append(b, b[from:p.end]...)
	} else {
		b = p.labels(b, name)
		p.parent, p.room = "", 0
		if n > 0 && strings.IndexByte(name[:n], '\\') < 0 {
			p.parent, p.room = name[n:], len(b)-start-1-n
		}
	}
	p.owner, p.start, p.end = name, start, len(b)
	return b
}

// labels appends a name, compressed if p is. The rules are those of dns.Msg's
// Pack.
func (p *packet) labels(b []byte, name string) []byte {
	if strings.IndexByte(name, '\\') >= 0 || name == "" {
		return p.escaped(b, name)
	}
	for rest := name; rest != "" && name != "."; {
		if p.compressed {
			at := p.suffixes.point(rest, len(b))
			if len(rest) == len(name) {
				if p.pointer = at; at == 0 && len(b) < maxPointer {
					p.pointer = len(b)
				}
			}
			if at > 0 {
				return binary.BigEndian.AppendUint16(b, 0xc000|uint16(at)) // #nosec G115 -- 14 bits
			}
		}
		n := strings.IndexByte(rest, '.')
		if n <= 0 || n > 63 {
			p.bad = true
			return b
		}
		b = append(b, byte(n))
		b = append(b, rest[:n]...)
		rest = rest[n+1:]
	}
	return append(b, 0)
}

// escaped appends a name with escapes, unless it is to be compressed.
func (p *packet) escaped(b []byte, name string) []byte {
	if p.compressed || name == "" {
		p.bad = true
		return b
	}
	start := len(b)
	b = slices.Grow(b, len(name)+1)
	end, err := dns.PackDomainName(name, b[:cap(b)], start, nil, false)
	if err != nil {
		p.bad = true
		return b
	}
	return b[:end]
}

// head appends all of a record but its data, of n bytes.
func (p *packet) head(b []byte, owner string, rrtype, class uint16, ttl uint32, n int) []byte {
	b = p.name(b, owner)
	b = binary.BigEndian.AppendUint64(b, uint64(rrtype)<<48|uint64(class)<<32|uint64(ttl))
	return append(b, byte(n>>8), byte(n)) // #nosec G115 -- an address, or 0
}

// record appends rr with the TTL given, if it fits and is of a type that stands
// in the usual answer.
func (p *packet) record(rr dns.RR, ttl uint32) {
	if p.bad || p.full {
		return
	}
	b := p.buf
	switch rr := rr.(type) {
	case *dns.A:
		ip := rr.A.To4()
		b = p.head(b, rr.Hdr.Name, rr.Hdr.Rrtype, rr.Hdr.Class, ttl, len(ip))
		b = append(b, ip...)
		p.bad = p.bad || ip == nil
	case *dns.AAAA:
		b = p.head(b, rr.Hdr.Name, rr.Hdr.Rrtype, rr.Hdr.Class, ttl, len(rr.AAAA))
		b = append(b, rr.AAAA...)
		p.bad = p.bad || len(rr.AAAA) != net.IPv6len
	case *dns.CNAME:
		b = p.alias(b, &rr.Hdr, ttl, rr.Target)
	case *dns.NS:
		b = p.alias(b, &rr.Hdr, ttl, rr.Ns)
	default: // the OPT record of an upstream, say
		p.bad = true
	}
	if len(b) > p.limit {
		p.full = true
		return
	}
	p.buf = b
	p.counts[p.section]++
}

// alias appends a record whose data is a name.
func (p *packet) alias(b []byte, h *dns.RR_Header, ttl uint32, target string) []byte {
	b = p.head(b, h.Name, h.Rrtype, h.Class, ttl, 0)
	data := len(b)
	b = p.name(b, target)
	binary.BigEndian.PutUint16(b[data-2:], uint16(len(b)-data)) // #nosec G115 -- a name
	return b
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
