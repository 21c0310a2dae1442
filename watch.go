package rrhealth

import (
	"net/netip"
	"slices"
	"strings"
)

// A scope is the word watch: which addresses may be probed. Whatever answers
// say, no packet goes to an address outside it.
type scope struct {
	prefixes []netip.Prefix
	any      bool
}

// has reports whether addr may be probed.
func (s scope) has(addr netip.Addr) bool {
	if s.any {
		// Names of strangers may point anywhere. At this machine and at those
		// on its link (there are cloud metadata services) they may not, unless
		// the Corefile says so by giving their networks.
		return !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && isHost(addr)
	}
	return slices.ContainsFunc(s.prefixes, func(p netip.Prefix) bool { return p.Contains(addr) }) && isHost(addr)
}

func isHost(addr netip.Addr) bool {
	_, err := backendAddr(addr)
	return err == nil
}

// String returns s as the Corefile writes it.
func (s scope) String() string {
	if s.any {
		return "any"
	}
	words := make([]string, len(s.prefixes))
	for i, p := range s.prefixes {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}
