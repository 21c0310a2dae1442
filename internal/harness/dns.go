package harness

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Exchange sends m to addr over network, udp or tcp, and returns the reply.
func Exchange(m *dns.Msg, network, addr string) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: 5 * time.Second, UDPSize: dns.MaxMsgSize}
	r, _, err := c.Exchange(m, addr)
	return r, err
}

// Query returns a query with an OPT record: any size of reply, and with do
// signatures.
func Query(name string, qtype uint16, do bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.SetEdns0(dns.MaxMsgSize-1, do)
	return m
}

// QueryFrom returns a query for the addresses of name with a client subnet (RFC
// 7871), a prefix; with none it has an OPT record only.
func QueryFrom(name, network string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	m.SetEdns0(1232, false)
	if network == "" {
		return m
	}
	prefix := netip.MustParsePrefix(network)
	family := uint16(1)
	if prefix.Addr().Is6() {
		family = 2
	}
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(prefix.Bits()), Address: prefix.Addr().AsSlice(), // #nosec G115 -- at most 128
	})
	return m
}

// Addrs returns the addresses of the answer section, in their order.
func Addrs(m *dns.Msg) []string {
	var all []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			all = append(all, rr.A.String())
		case *dns.AAAA:
			all = append(all, rr.AAAA.String())
		}
	}
	return all
}

// IsShift reports whether got is want, turned by any number of places.
func IsShift(got, want []string) bool {
	for i := range want {
		if slices.Equal(got, slices.Concat(want[i:], want[:i])) {
			return true
		}
	}
	return false
}

// EDE returns the text of the extended error (RFC 8914) in m.
func EDE(m *dns.Msg) string {
	o := m.IsEdns0()
	if o == nil {
		return ""
	}
	for _, option := range o.Option {
		if e, ok := option.(*dns.EDNS0_EDE); ok {
			return e.ExtraText
		}
	}
	return ""
}

// Addr returns the address in an A or AAAA record, none in any other.
func Addr(rr dns.RR) netip.Addr {
	var addr netip.Addr
	switch rr := rr.(type) {
	case *dns.A:
		addr, _ = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		addr, _ = netip.AddrFromSlice(rr.AAAA)
	}
	return addr.Unmap()
}

// Target returns the name whose addresses clients of an SRV, MX, HTTPS or SVCB
// record use, or "" if there is none.
func Target(rr dns.RR) string {
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

// svcbTarget returns the target of rr. "." stands for its owner or, in an alias,
// for no service (RFC 9460, section 2.5).
func svcbTarget(rr *dns.SVCB) string {
	switch {
	case rr.Target != ".":
		return rr.Target
	case rr.Priority == 0:
		return ""
	}
	return rr.Hdr.Name
}

// Targets lists the targets of the answer section, as labels below example.org.
func Targets(m *dns.Msg) string {
	var all []string
	for _, rr := range m.Answer {
		if name := Target(rr); name != "" {
			all = append(all, strings.TrimSuffix(name, ".example.org."))
		}
	}
	return strings.Join(all, " ")
}
