package filter

import (
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A Query is a query that the plugins below answer, with all that its Judge needs.
type Query struct {
	Rules   *Rules
	Server  Server
	Request *dns.Msg
	Filter  *Filter    // for the name that was asked, or nil
	Own     *live.Pool // the pool of the name that was asked, or nil
	Foreign string     // the name that was asked, if no pool has it
	DNSSEC  bool       // the client asks for signatures
	Nested  bool       // the answer becomes part of another, which the same server block judges
	Asked   bool       // operators ask what the answer would be: no rotation moves, and no pool counts it
}

// A Server is what a Judge needs of the server block: the plugins below, and keys.
type Server interface {
	Below
	Signer
}

// Below is what a judge asks about the query and the plugins below.
type Below interface {
	// Lookup asks the plugins below for name and qtype, as the client would. It
	// returns nil if there is no answer.
	Lookup(name string, qtype uint16) *dns.Msg
	// Client returns what the policy of p needs to know of the client: of the one
	// that ecs is about, or of the sender of the query if ecs is nil.
	Client(p *live.Pool, ecs *dns.EDNS0_SUBNET) pool.Client
	// Ordered reports whether another server block has put the addresses in order.
	Ordered() bool
}

// A Signer signs records that take the place of signed ones, for clients that ask
// for signatures. Its methods return no signature outside the zones that it signs.
type Signer interface {
	// Sign returns the signatures of a set.
	Sign(set []dns.RR) []dns.RR
	// Deny returns the authority section which proves that name has no record of
	// the type, with soa in it, or nil outside the zone that soa is of.
	Deny(name string, qtype uint16, soa *dns.SOA) []dns.RR
	// NoData returns the reply to r that there is no such record, which resolvers
	// may cache for ttl seconds. It has the SOA of zone, or, if that is "", of the
	// zone that the name is in.
	NoData(r *dns.Msg, zone string, ttl uint32) *dns.Msg
}

// MayChange reports whether m has something to judge.
func (q *Query) MayChange(m *dns.Msg) bool {
	if plain(m) && (q.Filter != nil || q.concerned(m.Answer) || q.concerned(m.Extra)) {
		return true
	}
	_, _, ok := q.leadsTo(m)
	return ok
}

// plain reports whether m is a whole, positive answer: all others leave as they
// are. A referral is one without an answer: its addresses are those of name
// servers.
func plain(m *dns.Msg) bool {
	return m != nil && m.Response && m.Rcode == dns.RcodeSuccess && !m.Truncated && len(m.Question) == 1 && len(m.Answer) > 0
}
