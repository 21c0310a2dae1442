package reply

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A Packet is a reply that is being encoded: a header, a question, records, and
// an OPT record if the query has one. To build, measure and pack the message
// instead is a quarter of what a query costs the whole server.
//
// The bytes are those of dns.Msg's Pack. Records of other types than A, AAAA,
// CNAME and NS, and compressed names with escapes, cannot be encoded. A record
// that exceeds the limit is left out with all that follow it, and the packet is
// full.
type Packet struct {
	buf       []byte
	bad, full bool // has something that cannot be encoded; has left out a record
	limit     int  // of buf in bytes, without the OPT record
	counts    [4]uint16
	section   int      // that records are appended to: an index of counts
	opt       *dns.OPT // of the query

	owner      string // the latest name, which most records share
	start, end int    // where it is in buf
	parent     string // the part behind its first label, or "" if that label has escapes
	room       int    // of the parent in buf, in bytes
	pointer    int    // the offset that a pointer to the name has, or 0

	compressed bool
	suffixes   suffixes // where compressed
}

// The sections of a message, as indices of the counts in its header.
const (
	inQuestion = iota
	inAnswer
	inAuthority
	inAdditional
)

const (
	lenHeader = 12
	lenOPT    = 11 // of an OPT record without options
)

// packets keeps packets for the next reply. A new one has room for most replies.
var packets = sync.Pool{New: func() any {
	p := new(struct {
		Packet
		room [2048]byte
	})
	p.buf = p.room[:0]
	return &p.Packet
}}

// Get returns a packet to encode a reply into. Put it back after use.
func Get() *Packet { return packets.Get().(*Packet) }

// Put keeps p for the next Get. Its bytes must not be used any longer.
func (p *Packet) Put() { packets.Put(p) }

// Bytes returns the reply, once Answer or Encode has reported true.
func (p *Packet) Bytes() []byte { return p.buf }

// Full reports whether a record was left out because of the limit.
func (p *Packet) Full() bool { return p.full }

// Answer encodes the reply that the function Answer builds for r: the members at
// the indices in order, which are of one family, with a TTL in seconds. It
// reports false if the reply has more than limit bytes or cannot be encoded.
func (p *Packet) Answer(r *dns.Msg, ttl uint32, members []pool.Member, order []int, limit int) bool {
	q := &r.Question[0]
	p.begin(r, q, limit, false)
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
	header := headerOf(r)
	return p.finish(&header)
}

// Limits are the sizes in bytes by which a server decides how to send a reply.
type Limits struct {
	Plain int // a larger reply has its names compressed
	Most  int // of a larger one, even if compressed, the last records are left out
}

// Encode encodes a reply to r with the question q, the header h and the records
// that sections appends by Record, Records and Next, beginning with the answer
// section. It calls sections twice if names have to be compressed, and sets TC
// if records are left out. It reports false if the reply cannot be encoded.
func (p *Packet) Encode(r *dns.Msg, q *dns.Question, h dns.MsgHdr, l Limits, sections func(*Packet)) bool {
	p.begin(r, q, l.Plain, false)
	if sections(p); p.full {
		p.begin(r, q, l.Most, true)
		sections(p)
	}
	h.Truncated = h.Truncated || p.full
	return p.finish(&h)
}

// begin makes p a reply to r without records: room for the header, which finish
// fills in, and the question q. The reply, with the OPT record that finish
// appends if r has one, will have at most limit bytes.
func (p *Packet) begin(r *dns.Msg, q *dns.Question, limit int, compressed bool) {
	if p.compressed = compressed; compressed {
		p.suffixes.reset()
	}
	p.bad, p.full, p.owner, p.parent, p.pointer = false, false, "", "", 0
	p.limit, p.counts, p.section = limit, [4]uint16{inQuestion: 1}, inAnswer
	if p.opt = r.IsEdns0(); p.opt != nil {
		p.limit -= lenOPT
	}
	p.buf = append(p.buf[:0], make([]byte, lenHeader)...)
	p.buf = p.name(p.buf, q.Name)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qtype)
	p.buf = binary.BigEndian.AppendUint16(p.buf, q.Qclass)
}

// Next makes the next section the one that records are appended to: authority
// after answer, additional after authority.
func (p *Packet) Next() { p.section = min(p.section+1, inAdditional) }

// Record appends rr with the TTL given, in seconds. It reports false if p takes
// no more records: rr cannot be encoded, or p is full.
func (p *Packet) Record(rr dns.RR, ttl uint32) bool {
	if p.bad || p.full {
		return false
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
	default: // the OPT record of an upstream, for example
		p.bad = true
	}
	if len(b) > p.limit {
		p.full = true
		return false
	}
	p.buf = b
	p.counts[p.section]++
	return !p.bad
}

// Records appends rrs with their own TTLs. It reports false if p takes no more
// records.
func (p *Packet) Records(rrs ...dns.RR) bool {
	for _, rr := range rrs {
		if rr == nil {
			p.bad = true
			return false
		}
		if !p.Record(rr, rr.Header().Ttl) {
			return false
		}
	}
	return !p.bad && !p.full
}

// finish appends the OPT record that CoreDNS's request.SizeAndDo makes of the
// query's, without options, and fills in the header. It reports false if
// something in p cannot be encoded.
func (p *Packet) finish(h *dns.MsgHdr) bool {
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

// head appends all of a record but its data, of n bytes. The buffer is passed
// on as b and not stored in p, here and in what follows: to store a slice at
// each step takes as long as to fill it.
func (p *Packet) head(b []byte, owner string, rrtype, class uint16, ttl uint32, n int) []byte {
	b = p.name(b, owner)
	b = binary.BigEndian.AppendUint64(b, uint64(rrtype)<<48|uint64(class)<<32|uint64(ttl))
	return append(b, byte(n>>8), byte(n)) // #nosec G115 -- an address, or 0
}

// alias appends a record whose data is a name.
func (p *Packet) alias(b []byte, h *dns.RR_Header, ttl uint32, target string) []byte {
	b = p.head(b, h.Name, h.Rrtype, h.Class, ttl, 0)
	data := len(b)
	b = p.name(b, target)
	binary.BigEndian.PutUint16(b[data-2:], uint16(len(b)-data)) // #nosec G115 -- a name
	return b
}
