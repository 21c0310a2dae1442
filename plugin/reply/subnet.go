package reply

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// Subnet returns the client subnet option of r (RFC 7871), or nil if r has none.
// It reports false if the option is malformed: sections 6 and 7.1.2 ask for a
// FORMERR if a query has a scope, or bits of the address beyond the length.
func Subnet(r *dns.Msg) (ecs *dns.EDNS0_SUBNET, ok bool) {
	opt := r.IsEdns0()
	if opt == nil {
		return nil, true
	}
	for _, o := range opt.Option {
		if subnet, is := o.(*dns.EDNS0_SUBNET); is {
			return subnet, subnet.SourceScope == 0 && masked(subnet)
		}
	}
	return nil, true
}

// masked reports whether the address in ecs has no bits beyond its length.
func masked(ecs *dns.EDNS0_SUBNET) bool {
	if ecs.Family == 0 { // dig's way to opt out; the library accepts it only without a length
		return true
	}
	addr := SubnetAddr(ecs)
	prefix, err := addr.Prefix(int(ecs.SourceNetmask))
	return err == nil && prefix.Addr() == addr
}

// SubnetAddr returns the address in ecs.
func SubnetAddr(ecs *dns.EDNS0_SUBNET) netip.Addr {
	addr, _ := netip.AddrFromSlice(ecs.Address)
	if ecs.Family == 1 {
		return addr.Unmap() // the library stores both families in 16 bytes
	}
	return addr
}

// EchoSubnet adds ecs, the option of the query r, to the reply m. scope is the
// length of the network that m is valid for, 0 for all clients. A query with the
// option must be answered with it (RFC 7871, section 7.2.1).
func EchoSubnet(m, r *dns.Msg, ecs *dns.EDNS0_SUBNET, scope int) {
	if ecs == nil {
		return
	}
	echoed := *ecs                    // plugins above may use r's own
	echoed.SourceScope = uint8(scope) // #nosec G115 -- at most the source length
	opt := optOf(m, r)
	opt.Option = append(opt.Option, &echoed)
}

// TakeSubnet removes the client subnet options from m, and returns the longest
// scope in them. The OPT record of m must be its own.
func TakeSubnet(m *dns.Msg) (scope int) {
	for _, rr := range m.Extra {
		opt, ok := rr.(*dns.OPT)
		if !ok {
			continue
		}
		opt.Option = slices.DeleteFunc(opt.Option, func(o dns.EDNS0) bool {
			subnet, ok := o.(*dns.EDNS0_SUBNET)
			if ok {
				scope = max(scope, int(subnet.SourceScope))
			}
			return ok
		})
	}
	return scope
}
