package config

import (
	"net/netip"
	"slices"
	"strings"
)

// Networks are the addresses that a filter may probe: what its option watch
// gives. No packet is sent to an address outside.
type Networks struct {
	Prefixes []netip.Prefix
	Any      bool
}

// Contain reports whether addr may be probed.
func (n Networks) Contain(addr netip.Addr) bool {
	if n.Any {
		// A stranger's name may point to any address. This machine, and those on
		// its link (there are cloud metadata services), are probed only if the
		// Corefile gives their networks.
		return !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && usable(addr) == nil
	}
	return slices.ContainsFunc(n.Prefixes, func(p netip.Prefix) bool { return p.Contains(addr) }) && usable(addr) == nil
}

// String returns n as the Corefile has it.
func (n Networks) String() string {
	if n.Any {
		return "any"
	}
	words := make([]string, len(n.Prefixes))
	for i, p := range n.Prefixes {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}

const watchForm = "watch CIDR... such as 192.0.2.0/24, or watch any"

// parseWatch reads which addresses a filter may probe. It refuses networks in which
// no address can be probed: the user would wait for results in vain.
func (p *parser) parseWatch(l Line) error {
	if len(l.args()) == 0 {
		return l.Errorf("watch: got nothing, want %s", watchForm)
	}
	if slices.Contains(l.args(), "any") {
		if len(l.args()) > 1 {
			return l.Errorf("watch: any beside networks, want %s", watchForm)
		}
		p.Watch.Any = true
		return nil
	}
	for _, arg := range l.args() {
		prefix, err := parsePrefix(arg)
		switch {
		case err != nil:
			return l.Errorf("watch: got %q, want %s", arg, watchForm)
		case prefix.Addr().Is4In6():
			return l.Errorf("watch: %q is an IPv4 network in IPv6 form, want it as IPv4", arg)
		case prefix != prefix.Masked():
			return l.Errorf("watch: %q has bits set behind its length, want %s", arg, prefix.Masked())
		case linkLocal6(prefix):
			return l.Errorf("watch: %q is link-local, and cannot be probed without a zone, which no DNS answer has; leave it out", arg)
		case hostless(prefix):
			return l.Errorf("watch: %q holds no address that a host can have (unspecified, multicast, broadcast or reserved); leave it out", arg)
		case slices.Contains(p.Watch.Prefixes, prefix):
			return l.Errorf("watch: %q given twice, want each network once", arg)
		}
		p.Watch.Prefixes = append(p.Watch.Prefixes, prefix)
	}
	return nil
}

// parsePrefix reads a network, or an address, which is a network of one.
func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err == nil {
		return prefix, nil
	}
	addr, addrErr := netip.ParseAddr(text)
	if addrErr != nil || addr.Zone() != "" {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}
