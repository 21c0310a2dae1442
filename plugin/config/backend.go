package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// backendArgs is the form of a backend line, and backendForm the same in full,
// for an error.
const backendArgs = "ADDRESS... [weight N] [tier N] [location PLACE] [check_addr ADDRESS] [drain]"

var backendForm = "backend " + strings.Replace(backendArgs, "PLACE", "LATITUDE LONGITUDE|CONTINENT[/COUNTRY]", 1)

// parseBackend reads one backend line: addresses, then what holds for all of
// them.
func (p *parser) parseBackend(l Line) error {
	addrs, words, err := p.parseBackendAddrs(l)
	if err != nil {
		return err
	}
	shared := pool.Backend{Weight: 1, Tier: 1}
	seen := make(map[string]bool)
	for len(words) > 0 {
		word := words[0]
		if seen[word] {
			return l.Errorf("backend: %s given twice, want it once", word)
		}
		seen[word] = true
		if word == "check_addr" && len(addrs) > 1 {
			return l.Errorf("backend: check_addr behind %d addresses, want one address on the line", len(addrs))
		}
		used, err := p.parseBackendWord(l, words, &shared)
		if err != nil {
			return err
		}
		words = words[used:]
	}
	for _, addr := range addrs {
		b := shared
		b.Addr = addr
		if !b.CheckAddr.IsValid() {
			b.CheckAddr = addr
		}
		p.Pool.Backends = append(p.Pool.Backends, b)
	}
	return nil
}

// parseBackendAddrs reads the addresses, and returns the words behind them. The
// first word that is not an address ends them.
func (p *parser) parseBackendAddrs(l Line) (addrs []netip.Addr, rest []string, err error) {
	rest = l.args()
	for len(rest) > 0 {
		addr, err := netip.ParseAddr(rest[0])
		if err != nil {
			break
		}
		if err := usable(addr); err != nil {
			return nil, nil, l.Errorf("backend %q: %v", rest[0], err)
		}
		if p.backends[addr] {
			return nil, nil, l.Errorf("backend %q: given twice, want each address once", rest[0])
		}
		p.backends[addr] = true
		addrs, rest = append(addrs, addr), rest[1:]
	}
	if len(addrs) == 0 {
		return nil, nil, l.Errorf("backend: got %s, want an IP address: %s", quoted(rest), backendForm)
	}
	return addrs, rest, nil
}

// parseBackendWord reads the first of words, and its value behind it, into b. It
// returns how many words that took.
func (p *parser) parseBackendWord(l Line, words []string, b *pool.Backend) (used int, err error) {
	word, value := words[0], ""
	if len(words) > 1 {
		value = words[1]
	}
	used = 2
	switch word {
	case "weight":
		if value == "0" {
			return 0, l.Errorf("backend: weight 0, want 1 to %d; to answer it no longer, write drain", maxWeight)
		}
		b.Weight, err = number(value, 1, maxWeight)
		p.weighted()
	case "tier":
		b.Tier, err = number(value, 1, maxTier)
	case "check_addr":
		b.CheckAddr, err = parseCheckAddr(value)
	case "drain":
		b.Drain, used = true, 1
	case "location":
		b.Place, used, err = parsePlace(words[1:])
		used++
	default:
		return 0, l.Errorf("backend: unexpected %q, want %s", word, backendForm)
	}
	if err != nil {
		return 0, l.Errorf("backend: %s: %v", word, err)
	}
	return used, nil
}

// parseCheckAddr reads the address that is probed instead of the one answered.
func parseCheckAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return addr, fmt.Errorf("got %q, want an IP address", text)
	}
	return addr, usable(addr)
}

// weighted makes weighted the policy, unless the stanza names another.
func (p *parser) weighted() {
	if !p.at.has("policy") {
		p.Pool.Policy = pool.Weighted
	}
}
