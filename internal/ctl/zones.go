package ctl

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// zonesOf returns the zones of a server block from its keys, such as
// tls://example.org:853, as CoreDNS reads them: a network stands for the reverse
// zones that cover it.
func zonesOf(keys []string) ([]string, error) {
	var zones, rest []string
	for _, key := range keys {
		of, err := zonesOfKey(key)
		if err != nil {
			return nil, err
		}
		// CoreDNS appends the further zones of a network to the keys.
		zones, rest = append(zones, of[0]), append(rest, of[1:]...)
	}
	var once []string
	for _, zone := range append(zones, rest...) {
		if !slices.Contains(once, zone) {
			once = append(once, zone)
		}
	}
	return once, nil
}

// zonesOfKey returns the zones of one key; at least one.
func zonesOfKey(key string) ([]string, error) {
	host := key
	if _, behind, ok := strings.Cut(host, "://"); ok {
		host = behind
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		if colon == len(host)-1 {
			return nil, fmt.Errorf("server block %q: nothing behind the colon; write ZONE:PORT", key)
		}
		if _, err := strconv.Atoi(host[colon+1:]); err == nil {
			host = host[:colon]
		}
	}
	if network, err := netip.ParsePrefix(host); err == nil {
		return reverseZones(network.Masked()), nil
	}
	if _, ok := dns.IsDomainName(host); !ok || len(host) > 255 {
		return nil, fmt.Errorf("server block %q: not a zone; write a domain name or a network", key)
	}
	return []string{strings.ToLower(dns.Fqdn(host))}, nil
}

// reverseZones returns the reverse zones that cover network together: zones end
// at every eighth bit of an IPv4 address, and at every fourth of an IPv6 address.
func reverseZones(network netip.Prefix) []string {
	step := 8
	if network.Addr().Is6() {
		step = 4
	}
	labels := (network.Bits() + step - 1) / step
	var zones []string
	for addr := network.Addr(); network.Contains(addr); addr = after(addr, labels*step) {
		name, err := dns.ReverseAddr(addr.String())
		if err != nil {
			break
		}
		of := dns.SplitDomainName(name)
		zones = append(zones, dns.Fqdn(strings.Join(of[addr.BitLen()/step-labels:], ".")))
		if labels == 0 {
			break
		}
	}
	return zones
}

// after returns the first address behind the network of addr with that many bits,
// or the zero Addr behind the last.
func after(addr netip.Addr, bits int) netip.Addr {
	b := addr.AsSlice()
	for i := (bits+7)/8 - 1; i >= 0; i-- {
		step := byte(1)
		if i == (bits+7)/8-1 && bits%8 != 0 {
			step = 1 << (8 - bits%8)
		}
		if b[i] += step; b[i] >= step {
			next, _ := netip.AddrFromSlice(b)
			return next
		}
	}
	return netip.Addr{}
}
