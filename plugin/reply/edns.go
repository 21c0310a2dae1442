package reply

import (
	"slices"

	"github.com/miekg/dns"
)

// WantsDNSSEC reports whether the client that sent r asks for signatures (the DO
// bit). Call it before r is answered: the server clears the bit when it writes.
func WantsDNSSEC(r *dns.Msg) bool {
	o := r.IsEdns0()
	return o != nil && o.Do()
}

// optOf returns the OPT record of m, the reply to r. It adds one if there is none.
// r must have an OPT record: others must not be answered with one (RFC 6891,
// section 6.1.1). The server fills in flags and size.
func optOf(m, r *dns.Msg) *dns.OPT {
	if opt := m.IsEdns0(); opt != nil {
		return opt
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(r.IsEdns0().UDPSize())
	m.Extra = append(m.Extra, opt)
	return opt
}

// OwnExtra replaces the additional section of m, and the OPT record in it, by
// copies that may be changed.
func OwnExtra(m *dns.Msg) {
	m.Extra = slices.Clip(slices.Clone(m.Extra))
	for i, rr := range m.Extra {
		if opt, ok := rr.(*dns.OPT); ok {
			m.Extra[i] = dns.Copy(opt)
		}
	}
}

// Explain adds an extended error with the text why to m, the reply to r (RFC
// 8914), if r has an OPT record.
func Explain(m, r *dns.Msg, why string) {
	if r.IsEdns0() == nil {
		return
	}
	opt := optOf(m, r)
	opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeOther, ExtraText: why})
}
