package ctl

import (
	"slices"
	"testing"

	"github.com/coredns/coredns/plugin"
)

// Zones of a server block are those that CoreDNS makes of its keys.
func TestZonesAreThoseOfCoreDNS(t *testing.T) {
	for _, key := range []string{
		"example.org", "Example.ORG.", "example.org:1053", "dns://example.org:53", "tls://example.org", "https://.:443", ".", ".:1053",
		"10.0.0.0/24", "10.0.0.0/8", "10.0.0.0/16:1053", "10.0.0.0/22", "10.0.0.128/25", "10.0.0.1/32", "172.16.0.0/12", "10.9.8.7/9", "0.0.0.0/0", "0.0.0.0/1", "255.255.254.0/23",
		"2001:db8::/32", "2001:db8::/33", "2001:db8::/127", "2001:db8::1/128", "fd00::/8", "fd00::/7",
		"a_b.example.org", "*.example.org", "xn--bcher-kva.example", "10.0.0.0", "2001:db8::1",
	} {
		want := plugin.Host(key).NormalizeExact()
		got, err := zonesOfKey(key)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", key, got, err, want)
		}
	}
	for _, key := range []string{"example.org:", ":53", "exa..mple", "a.very.long." + string(make([]byte, 300))} {
		if got, err := zonesOfKey(key); err == nil {
			t.Errorf("%q: got %q, CoreDNS %q", key, got, plugin.Host(key).NormalizeExact())
		}
	}
}

func TestZonesOfABlock(t *testing.T) {
	got, err := zonesOf([]string{"example.org", "10.0.0.0/23", "tls://example.org", "example.net"})
	want := []string{"example.org.", "0.0.10.in-addr.arpa.", "example.net.", "1.0.10.in-addr.arpa."}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
