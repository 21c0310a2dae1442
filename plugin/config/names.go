package config

import (
	"slices"
	"strings"
	"unicode"

	"github.com/miekg/dns"
)

// parseNames reads the names of the stanza. Without any, it has those of its
// server block.
func (p *parser) parseNames() {
	given := p.at.args()
	if len(given) == 0 {
		given = p.in.Zones
	}
	p.Names = make([]string, 0, len(given))
	seen := make(map[string]bool, len(given))
	for _, arg := range given {
		name, err := p.parseName(arg)
		if err == nil && seen[name] {
			err = p.at.Errorf("name %q: given twice, want it once", arg)
		}
		if err != nil {
			p.report(err)
			p.broken[p.at.word()] = true
			continue
		}
		seen[name] = true
		p.Names = append(p.Names, name)
	}
}

// parseName reads one name and returns it in lower case with the final dot. A name
// that is not complete is not completed: with several zones in a server block that
// would be a guess.
func (p *parser) parseName(arg string) (string, error) {
	name := strings.ToLower(dns.Fqdn(arg))
	base := strings.TrimPrefix(name, "*.")
	switch _, ok := dns.IsDomainName(name); {
	case !isASCII(arg):
		return "", p.at.Errorf("name %q: not ASCII; write an internationalized name in punycode (xn--...)", arg)
	case !ok || base != "." && strings.ContainsFunc(base, notInNames):
		return "", p.at.Errorf("name %q: not a domain name; write letters, digits, - and _ only, such as www.example.org or *.example.org", arg)
	case base == "":
		return "", p.at.Errorf("name %q: stands for no name; write *.ZONE, such as *.example.org", arg)
	case name == "." && !p.at.has("watch"):
		return "", p.at.Errorf("name %q: the root has no addresses; write rrhealth NAME... { ... }", arg)
	case !slices.ContainsFunc(p.in.Zones, func(zone string) bool { return dns.IsSubDomain(zone, base) }):
		return "", p.at.Errorf("name %q: not inside the server block (%s), want a full name that is: relative names are not completed", arg, strings.Join(p.in.Zones, " "))
	}
	return name, nil
}

// isASCII reports whether text has only ASCII characters.
func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// notInNames reports whether r is in no host name. Control characters above all
// must not be: names are logged.
func notInNames(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
