package rrhealth

import (
	"slices"

	"github.com/miekg/dns"
)

// The tests of filters do not use plugin/filter's own functions: they would not find
// a mistake in one of them.

// plain reports whether m is a whole, positive answer: all others leave as they
// are. A referral is one without an answer: its addresses are those of name
// servers.
func plain(m *dns.Msg) bool {
	return m != nil && m.Response && m.Rcode == dns.RcodeSuccess && !m.Truncated && len(m.Question) == 1 && len(m.Answer) > 0
}

// refers reports whether m has nothing but aliases, which lead to a zone that is
// delegated: the addresses beside them are those of name servers, and all of
// them belong there (RFC 9471).
func refers(m *dns.Msg) bool {
	return !slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		if rr == nil {
			return false
		}
		switch rr.Header().Rrtype {
		case dns.TypeCNAME, dns.TypeDNAME, dns.TypeRRSIG:
			return false
		}
		return true
	})
}

// hintType reports whether the addresses in records of type t are hints.
func hintType(t uint16) bool { return t == dns.TypeHTTPS || t == dns.TypeSVCB }
