package reply

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// anyType lists, in order, the types that a name may have. Only the plugins below
// know which of them it has, and an NSEC record that leaves one out denies it:
// resolvers that use such records (RFC 8198; unbound does by default) then answer
// that the type does not exist. A type too many costs one query, which is
// answered as usual.
//
// The types that change the meaning of the others are not in the list: a CNAME
// would make the denial bogus, NS alone is a zone cut (RFC 6840, sections 4.1
// and 4.3), and below a DNAME there is nothing.
var anyType = func() []uint16 {
	var types []uint16
	for t := range dns.TypeToString {
		meta := t == dns.TypeNone || t == dns.TypeOPT || t >= 128 && t < 256 || t == dns.TypeReserved
		if !meta && !slices.Contains(apexTypes, t) && !slices.Contains(noTypes, t) {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return types
}()

var (
	// apexTypes are at the apex of every zone, and at no other name.
	apexTypes = []uint16{dns.TypeNS, dns.TypeSOA, dns.TypeDNSKEY}
	// noTypes are those that no name of a pool has.
	noTypes = []uint16{dns.TypeCNAME, dns.TypeDNAME, dns.TypeDS, dns.TypeNXT, dns.TypeNSEC3, dns.TypeNSEC3PARAM}
)

// NSEC returns the NSEC record which says that name has no record of the type
// denied, and nothing else: it denies no other type, and, since the next name is
// the first one possible, no other name. It returns nil if no name can follow.
// apex is true if name is that of a zone.
func NSEC(name string, denied uint16, apex bool, ttl uint32) *dns.NSEC {
	name = strings.ToLower(name)
	next := successor(name)
	if next == "" {
		return nil
	}
	types := slices.Clone(anyType)
	if apex {
		types = append(types, apexTypes...)
		slices.Sort(types)
	}
	if denied != dns.TypeNSEC { // the record itself
		types = slices.DeleteFunc(types, func(t uint16) bool { return t == denied })
	}
	return &dns.NSEC{
		Hdr:        dns.RR_Header{Name: name, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: ttl},
		NextDomain: next, TypeBitMap: types,
	}
}

// successor returns the first name after name, which is in lower case, in the
// canonical order (RFC 4471, section 3.1.1). It returns "" if that would be a
// name further up, for which rrhealth is never asked.
func successor(name string) string {
	if name == "." {
		return `\000.`
	}
	if next := `\000.` + name; fits(next) {
		return next
	}
	var room [maxName]byte
	n, err := dns.PackDomainName(name, room[:], 0, nil, false)
	if err != nil {
		return ""
	}
	label, rest := room[1:1+room[0]], room[1+room[0]:n]
	if len(label) < 63 && n < maxName {
		label = append(slices.Clone(label), 0)
	} else if label = increment(label); len(label) == 0 {
		return ""
	}
	wire := slices.Concat([]byte{byte(len(label))}, label, rest) // #nosec G115 -- at most 63
	next, _, err := dns.UnpackDomainName(wire, 0)
	if err != nil {
		return ""
	}
	return next
}

// increment returns the first label after all that begin with label, or an empty
// one if there is none.
func increment(label []byte) []byte {
	for i, c := range slices.Backward(label) {
		if c == 0xff {
			continue
		}
		if c++; c == 'A' {
			c = 'Z' + 1 // capitals are sorted as small letters
		}
		return append(slices.Clone(label[:i]), c)
	}
	return nil
}
