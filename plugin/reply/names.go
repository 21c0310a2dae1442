package reply

import "github.com/miekg/dns"

// SameName reports whether a and b are one name: the case of ASCII letters does
// not matter (RFC 4343).
func SameName(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// maxName is how many octets a name may have, the root's included.
const maxName = 255

// fits reports whether name is short enough to be sent.
func fits(name string) bool {
	if len(name) < maxName { // as text it is never shorter than on the wire
		return true
	}
	var wire [maxName]byte
	_, err := dns.PackDomainName(name, wire[:], 0, nil, false)
	return err == nil
}
