package config

import (
	"errors"
	"fmt"
	"net/netip"
)

// usable returns an error if addr cannot be both answered and probed.
func usable(addr netip.Addr) error {
	single := netip.PrefixFrom(addr, addr.BitLen())
	switch {
	case addr.Zone() != "":
		return errors.New("has a zone, want an address that means the same everywhere")
	case addr.Is4In6():
		return fmt.Errorf("an IPv4 address in IPv6 form, want %s", addr.Unmap())
	case linkLocal6(single):
		return errors.New("link-local, and means nothing without a zone, which no DNS answer has; write another address of the host")
	case hostless(single):
		return errors.New("no host can have it: unspecified, multicast, broadcast or reserved; write the address of a host")
	}
	return nil
}

// hostless reports whether no host can have an address in p: 0.0.0.0/8 and ::
// are unspecified (RFC 1122, section 3.2.1.3), 224.0.0.0/4 and ff00::/8
// multicast, 240.0.0.0/4 reserved, the broadcast address with it.
func hostless(p netip.Prefix) bool {
	addr := p.Addr()
	if addr.Is4() {
		first := addr.As4()[0]
		return first >= 224 || first == 0 && p.Bits() >= 8
	}
	return addr.IsMulticast() || addr.IsUnspecified() && p.IsSingleIP()
}

// linkLocal6 reports whether p is in fe80::/10. A probe of such an address fails
// with EINVAL, a local error, so the backend would be answered for ever.
func linkLocal6(p netip.Prefix) bool {
	return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && p.Bits() >= 10
}
