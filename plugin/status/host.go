package status

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// hosts are the names that URLs of the status port may have. A web page of a
// stranger can have its own name resolve to this server's address, and would then
// read the status in the browser of an operator (DNS rebinding). It needs a name
// for that: a URL with an address leads where it says, so any address is allowed,
// also that of a machine that forwards a port to a container.
type hosts struct {
	any   bool
	names []string
}

func newHosts(names []string) hosts {
	h := hosts{any: slices.Contains(names, "*"), names: []string{"localhost"}}
	for _, name := range names {
		h.names = append(h.names, bareName(name))
	}
	return h
}

// allow reports whether a request may have the header Host. Clients that send
// none are no browsers.
func (h hosts) allow(host string) bool {
	if h.any || host == "" {
		return true
	}
	name := host
	if bare, _, err := net.SplitHostPort(host); err == nil {
		name = bare
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return slices.Contains(h.names, bareName(name))
}

// bareName returns a name as it is compared.
func bareName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
