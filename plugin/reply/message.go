// Package reply makes DNS messages out of members of pools and of records, and
// encodes the usual ones without a message.
//
// Answer builds the message for a pool's addresses in one allocation. A Packet
// takes the same addresses, or records from elsewhere, and encodes them into a
// buffer that is reused; its bytes are exactly those that the server would have
// packed. NoData, Failure, Exists and NSEC deny or refuse; they never deny a
// name. Subnet, EchoSubnet and Explain are about EDNS (RFC 6891).
//
// A Section groups the records of one section of a message into sets, and holds
// what leaves instead of each (Edit), as records or in a Packet.
//
// The rest is about single records: the addresses in them (Addr, Hints), and
// copies with other contents. A record that came from elsewhere is never
// changed, since the plugin that wrote it may still use it. Replies are never
// shared either: the plugins above may write to them.
package reply

import (
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// usual is how many records an answer has room for without allocating.
const usual = 8

// A message is a dns.Msg with room for its usual contents, so that the usual
// answer takes one allocation. Nothing in it is shared, not even the bytes of
// addresses.
type message struct {
	msg      dns.Msg
	question [1]dns.Question
	answer   [usual]dns.RR
	extra    [1]dns.RR // for the OPT record that the server adds
}

// Answer returns the answer to r: the addresses of the members at the indices in
// order, all of family f, with a TTL in seconds. The owner is the name as it was
// asked, letter by letter, since resolvers that randomize case (0x20) check it.
func Answer(r *dns.Msg, ttl uint32, members []pool.Member, order []int, f pool.Family) *dns.Msg {
	header := dns.RR_Header{Name: r.Question[0].Name, Class: dns.ClassINET, Ttl: ttl}
	if f == pool.V4 {
		a := &struct {
			message
			records [usual]recordA
		}{}
		header.Rrtype = dns.TypeA
		return place(a.start(r), a.records[:0], order, func(rec *recordA, i int) dns.RR {
			rec.addr = members[i].Addr.As4()
			rec.rr = dns.A{Hdr: header, A: rec.addr[:]}
			return &rec.rr
		})
	}
	a := &struct {
		message
		records [usual]recordAAAA
	}{}
	header.Rrtype = dns.TypeAAAA
	return place(a.start(r), a.records[:0], order, func(rec *recordAAAA, i int) dns.RR {
		rec.addr = members[i].Addr.As16()
		rec.rr = dns.AAAA{Hdr: header, AAAA: rec.addr[:]}
		return &rec.rr
	})
}

// A recordA is an A record with the bytes that it points to.
type recordA struct {
	rr   dns.A
	addr [4]byte
}

// A recordAAAA is an AAAA record with the bytes that it points to.
type recordAAAA struct {
	rr   dns.AAAA
	addr [16]byte
}

// place gives m an answer record for each index in order. The records are put
// into room if they fit.
func place[T any](m *dns.Msg, room []T, order []int, fill func(*T, int) dns.RR) *dns.Msg {
	if len(order) > cap(room) {
		room = make([]T, 0, len(order))
		m.Answer = make([]dns.RR, 0, len(order))
	}
	room = room[:len(order)]
	for k, i := range order {
		m.Answer = append(m.Answer, fill(&room[k], i))
	}
	return m
}

// start makes the message of a an authoritative reply to r, without records.
func (a *message) start(r *dns.Msg) *dns.Msg {
	m := &a.msg
	m.MsgHdr = headerOf(r)
	a.question[0] = r.Question[0]
	m.Question = a.question[:]
	m.Answer = a.answer[:0]
	m.Extra = a.extra[:0]
	return m
}

// headerOf returns the header of an authoritative reply to r.
func headerOf(r *dns.Msg) dns.MsgHdr {
	return dns.MsgHdr{
		Id: r.Id, Response: true, Authoritative: true,
		RecursionDesired: r.RecursionDesired, CheckingDisabled: r.CheckingDisabled,
	}
}

// Failure returns a reply to r with rcode and without records. It is not
// authoritative.
func Failure(r *dns.Msg, rcode int) *dns.Msg {
	m := new(message).start(r)
	m.Authoritative = false
	m.Rcode = rcode
	return m
}
