package rrhealth

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// backendArgs is the form of a backend line, and backendForm the same for an
// error text, in full.
const backendArgs = "ADDRESS... [weight N] [tier N] [location PLACE] [check_addr ADDRESS] [drain]"

var backendForm = "backend " + strings.Replace(backendArgs, "PLACE", "LATITUDE LONGITUDE|CONTINENT[/COUNTRY]", 1)

// parseBackend reads one backend line: addresses, then what holds for them.
func (s *stanza) parseBackend(l line) error {
	args := l.args()
	var addrs []netip.Addr
	for len(args) > 0 {
		addr, err := netip.ParseAddr(args[0])
		if err != nil {
			break
		}
		if addr, err = backendAddr(addr); err != nil {
			return l.errorf("backend %q: %v", args[0], err)
		}
		if s.backends[addr] {
			return l.errorf("backend %q: given twice, want each address once", args[0])
		}
		s.backends[addr] = true
		addrs = append(addrs, addr)
		args = args[1:]
	}
	if len(addrs) == 0 {
		return l.errorf("backend: got %s, want an IP address: %s", quoted(args), backendForm)
	}
	b := pool.Backend{Weight: 1, Tier: 1}
	if err := s.parseBackendOptions(l, args, &b, len(addrs)); err != nil {
		return err
	}
	for _, addr := range addrs {
		one := b
		one.Addr = addr
		if !one.CheckAddr.IsValid() {
			one.CheckAddr = addr
		}
		s.pool.Backends = append(s.pool.Backends, one)
	}
	return nil
}

// parseBackendOptions reads what stands behind the addresses.
func (s *stanza) parseBackendOptions(l line, args []string, b *pool.Backend, addrs int) error {
	seen := make(map[string]bool)
	for len(args) > 0 {
		word := args[0]
		if seen[word] {
			return l.errorf("backend: %s given twice, want it once", word)
		}
		seen[word] = true
		var value string
		if len(args) > 1 {
			value = args[1]
		}
		used := 2
		var err error
		switch word {
		case "weight":
			if value == "0" {
				return l.errorf("backend: weight 0, want 1 to %d; to answer it no longer, write drain", maxWeight)
			}
			b.Weight, err = number(value, 1, maxWeight)
			s.weighted()
		case "tier":
			b.Tier, err = number(value, 1, maxTier)
		case "check_addr":
			if addrs > 1 {
				return l.errorf("backend: check_addr behind %d addresses, want one address on the line", addrs)
			}
			if b.CheckAddr, err = netip.ParseAddr(value); err == nil {
				b.CheckAddr, err = backendAddr(b.CheckAddr)
			} else {
				err = fmt.Errorf("got %q, want an IP address", value)
			}
		case "drain":
			b.Drain, used = true, 1
		case "location":
			b.Place, used, err = parsePlace(args[1:])
			used++
		default:
			return l.errorf("backend: unexpected %q, want %s", word, backendForm)
		}
		if err != nil {
			return l.errorf("backend: %s: %v", word, err)
		}
		args = args[used:]
	}
	return nil
}

// weighted makes weighted the policy, unless the stanza names another.
func (s *stanza) weighted() {
	named := slices.ContainsFunc(s.at.block, func(l line) bool { return l.word() == "policy" })
	if !named {
		s.pool.Policy = pool.Weighted
	}
}

// backendAddr checks that addr can be answered and probed.
func backendAddr(addr netip.Addr) (netip.Addr, error) {
	switch {
	case addr.Zone() != "":
		return addr, errors.New("has a zone, want an address that means the same everywhere")
	case addr.Is4In6():
		return addr, fmt.Errorf("an IPv4 address in IPv6 form, want %s", addr.Unmap())
	case linkLocal6(netip.PrefixFrom(addr, addr.BitLen())):
		return addr, errors.New("link-local, and means nothing without a zone, which no DNS answer has; write another address of the host")
	case hostless(netip.PrefixFrom(addr, addr.BitLen())):
		return addr, errors.New("no host can have it: unspecified, multicast, broadcast or reserved; write the address of a host")
	}
	return addr, nil
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
