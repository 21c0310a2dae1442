package api

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Selector selects backends: Change.Selectors, parsed.
type Selector struct {
	exact     []netip.Addr
	globs     []string
	networks  []netip.Prefix
	tiers     []int
	locations []string
}

// SelectorForms are the forms of Change.Selectors, for usages and errors.
const SelectorForms = "ADDRESS, a pattern such as '192.0.2.*', a network such as 192.0.2.0/24, tier=N, location=PLACE"

// ParseSelectors reads the Selectors of a Change. There must be one at least: a
// change of every backend is asked for with '*'.
func ParseSelectors(words []string) (Selector, error) {
	var s Selector
	if len(words) == 0 {
		return s, fmt.Errorf("selector: nothing given; write %s", SelectorForms)
	}
	for _, word := range words {
		if err := s.add(word); err != nil {
			return Selector{}, err
		}
	}
	return s, nil
}

// add adds one word.
func (s *Selector) add(word string) error {
	if key, value, ok := strings.Cut(word, "="); ok {
		return s.addProperty(word, key, value)
	}
	if addr, err := netip.ParseAddr(word); err == nil && addr.Zone() == "" {
		s.exact = append(s.exact, addr.Unmap())
		return nil
	}
	if network, err := netip.ParsePrefix(word); err == nil {
		s.networks = append(s.networks, network.Masked())
		return nil
	}
	pattern := strings.ToLower(word)
	if _, err := path.Match(pattern, ""); err != nil || !strings.ContainsAny(pattern, "*?") || strings.Trim(pattern, "0123456789abcdef.:*?[-]") != "" {
		return fmt.Errorf("selector: not an address, a pattern or a network (got %q); write %s", word, SelectorForms)
	}
	s.globs = append(s.globs, pattern)
	return nil
}

// addProperty adds the word key=value.
func (s *Selector) addProperty(word, key, value string) error {
	switch key {
	case "tier":
		tier, err := strconv.Atoi(value)
		if err != nil || tier < 1 {
			return fmt.Errorf("selector: not a tier (got %q); write tier=N with N from 1", word)
		}
		s.tiers = append(s.tiers, tier)
	case "location":
		if value == "" {
			return fmt.Errorf("selector: no location (got %q); write location=EU, location=EU/DE or 'location=52.5 13.4'", word)
		}
		s.locations = append(s.locations, value)
	default:
		return fmt.Errorf("selector: no property %q (got %q); write %s", key, word, SelectorForms)
	}
	return nil
}

// Match reports whether s selects the backend with that address and those
// properties of Configured. A filter's addresses have tier 1 and no location.
func (s Selector) Match(addr netip.Addr, c Configured) bool {
	return s.matchAddress(addr) &&
		(len(s.tiers) == 0 || slices.Contains(s.tiers, c.Tier)) &&
		(len(s.locations) == 0 || slices.ContainsFunc(s.locations, func(want string) bool {
			return c.Location == want || strings.HasPrefix(c.Location, want+"/")
		}))
}

// matchAddress reports whether one of the addresses, patterns and networks of s
// has addr, or s has none of them.
func (s Selector) matchAddress(addr netip.Addr) bool {
	if len(s.exact)+len(s.globs)+len(s.networks) == 0 {
		return true
	}
	addr = addr.Unmap()
	text := addr.String()
	return slices.Contains(s.exact, addr) ||
		slices.ContainsFunc(s.networks, func(n netip.Prefix) bool { return n.Contains(addr) }) ||
		slices.ContainsFunc(s.globs, func(pattern string) bool { ok, _ := path.Match(pattern, text); return ok })
}

// ByAddress reports whether s selects by nothing but addresses.
func (s Selector) ByAddress() bool { return len(s.tiers)+len(s.locations) == 0 }

// Exact returns the addresses that s names one by one: those that an override
// may be for without being an address of any pool.
func (s Selector) Exact() []netip.Addr { return slices.Clone(s.exact) }
