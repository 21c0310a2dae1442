package rrhealth

import (
	"strings"
	"unicode"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
)

// parseNames reads the names behind rrhealth, or takes the server block's.
func (s *stanza) parseNames(zones []string) {
	given := s.at.args()
	if len(given) == 0 {
		given = zones
	}
	s.names = make([]string, 0, len(given))
	seen := make(map[string]bool, len(given))
	for _, arg := range given {
		name := strings.ToLower(dns.Fqdn(arg))
		base := strings.TrimPrefix(name, "*.")
		var err error
		switch _, ok := dns.IsDomainName(name); {
		case !isASCII(arg):
			err = s.at.errorf("name %q: not ASCII; write an internationalized name in punycode (xn--...)", arg)
		case !ok || base != "." && strings.ContainsFunc(base, notInNames):
			err = s.at.errorf("name %q: not a domain name; write letters, digits, - and _ only, such as www.example.org or *.example.org", arg)
		case base == "":
			err = s.at.errorf("name %q: stands for no name; write *.ZONE, such as *.example.org", arg)
		case name == "." && s.at.find("watch").word() != "watch":
			err = s.at.errorf("name %q: nobody asks for the addresses of the root, want rrhealth NAME... { ... }", arg)
		case plugin.Zones(zones).Matches(base) == "":
			err = s.at.errorf("name %q: not inside the server block (%s), want a full name that is: relative names are not completed", arg, strings.Join(zones, " "))
		case seen[name]:
			err = s.at.errorf("name %q: given twice, want it once", arg)
		}
		if err != nil {
			s.report(err)
			s.broken[pluginName] = true
			continue
		}
		seen[name] = true
		s.names = append(s.names, name)
	}
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// notInNames reports whether r is in no name that is asked for its addresses.
// A control character above all: names are written to the log.
func notInNames(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
