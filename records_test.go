package rrhealth

import (
	"slices"

	"github.com/miekg/dns"
)

// What the tests of filters know of messages and records.

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

// targetOf returns the name at which the addresses for rr stand, or "" where rr
// names none.
func targetOf(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.SRV:
		if rr.Target != "." { // no such service: RFC 2782
			return rr.Target
		}
	case *dns.MX:
		return rr.Mx
	case *dns.HTTPS:
		return svcbTarget(&rr.SVCB)
	case *dns.SVCB:
		return svcbTarget(rr)
	}
	return ""
}

// svcbTarget returns the target of rr, which may be its owner (RFC 9460, section
// 2.5.2). As an alias, "." says that there is no such service (section 2.5.1).
func svcbTarget(rr *dns.SVCB) string {
	switch {
	case rr.Target != ".":
		return rr.Target
	case rr.Priority == 0:
		return ""
	}
	return rr.Hdr.Name
}
