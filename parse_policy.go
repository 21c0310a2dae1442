package rrhealth

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// The networks by which sticky tells clients apart: what resolvers send of a
// client's address (RFC 7871, section 11.1), and what a household is given.
var defaultNetworks = pool.Networks{pool.V4: 24, pool.V6: 56}

func (s *stanza) parsePolicy(l line) error {
	names := strings.Join(pool.PolicyNames(), ", ")
	args := l.args()
	if len(args) == 0 {
		return l.errorf("policy: got nothing, want one of %s", names)
	}
	var ok bool
	if s.pool.Policy, ok = pool.ParsePolicy(args[0]); !ok {
		return l.errorf("policy: got %q, want one of %s", args[0], names)
	}
	if s.pool.Policy == pool.Sticky {
		return s.parseNetworks(l, args[1:])
	}
	if len(args) > 1 {
		return l.errorf("policy: unexpected %s behind %s, want one of %s", quoted(args[1:]), args[0], names)
	}
	return nil
}

// parseNetworks reads what stands behind policy sticky.
func (s *stanza) parseNetworks(l line, args []string) error {
	s.pool.Networks = defaultNetworks
	if len(args) == 0 {
		return nil
	}
	if len(args) != 2 {
		return l.errorf("policy: got %s behind sticky, want sticky [V4LEN V6LEN]", quoted(args))
	}
	for f, most := range [...]int{pool.V4: 32, pool.V6: 128} {
		n, err := number(strings.TrimPrefix(args[f], "/"), 1, most)
		if err != nil {
			return l.errorf("policy: sticky: length of an IPv%d network: %v", 4+2*f, err)
		}
		s.pool.Networks[f] = n
	}
	return nil
}

const placeForm = "location LATITUDE LONGITUDE, or location CONTINENT[/COUNTRY]"

// continents are the codes that databases use.
var continents = []string{"AF", "AN", "AS", "EU", "NA", "OC", "SA"}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// parsePlace reads what stands behind location, and tells how many words that
// was.
func parsePlace(args []string) (place pool.Place, used int, err error) {
	if len(args) == 0 {
		return place, 0, fmt.Errorf("got nothing, want %s", placeForm)
	}
	latitude, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		place, err = parseCodes(args[0])
		return place, 1, err
	}
	if len(args) == 1 {
		return place, 1, errors.New("got a latitude alone, want " + placeForm)
	}
	longitude, err := strconv.ParseFloat(args[1], 64)
	switch {
	case err != nil:
		return place, 2, fmt.Errorf("got %q for a longitude, want degrees such as 13.4", args[1])
	case !within(latitude, 90):
		return place, 2, fmt.Errorf("got latitude %s, want -90 to 90", args[0])
	case !within(longitude, 180):
		return place, 2, fmt.Errorf("got longitude %s, want -180 to 180", args[1])
	}
	return place.At(latitude, longitude), 2, nil
}

// within reports whether x lies between -most and most. What is not a number
// does not.
func within(x, most float64) bool { return x >= -most && x <= most }

func parseCodes(text string) (pool.Place, error) {
	continent, country, given := strings.Cut(text, "/")
	switch {
	case !slices.Contains(continents, continent):
		return pool.Place{}, fmt.Errorf("got %q, want %s with CONTINENT one of %s", text, placeForm, strings.Join(continents, ", "))
	case given && !countryCode.MatchString(country):
		return pool.Place{}, fmt.Errorf("got country %q, want two capital letters such as DE", country)
	}
	return pool.Place{Continent: continent, Country: country}, nil
}

// parseRecovery reads one of the lines slow_start, hold_down and failback.
func (s *stanza) parseRecovery(l line) error {
	text, err := l.one(recoveryForms[l.word()])
	if err != nil {
		return err
	}
	recovery := &s.pool.Recovery
	switch l.word() {
	case "slow_start":
		recovery.SlowStart, err = duration(l, text, minRecovery, maxRecovery)
	case "hold_down":
		recovery.HoldDown, err = duration(l, text, minRecovery, pool.FlapWindow)
	case "failback":
		switch text {
		case "auto":
			recovery.Failback = 0
		case "manual":
			recovery.Failback = pool.FailbackNever
		default:
			if text == "" || text[0] < '0' || text[0] > '9' {
				return l.errorf("failback: got %q, want %s", text, recoveryForms["failback"])
			}
			recovery.Failback, err = duration(l, text, minRecovery, maxRecovery)
		}
	}
	return err
}

var recoveryForms = map[string]string{
	"slow_start": "a duration such as 1m", "hold_down": "a duration such as 20s", "failback": "auto, manual or a duration such as 5m",
}

// checkPolicy refuses what has no effect under the stanza's policy, and what
// its policy lacks.
func (s *stanza) checkPolicy() {
	// A weight on a backend line names the policy, too.
	named := !s.broken["policy"] && !s.broken["backend"]
	for _, l := range s.at.block {
		switch {
		case s.filters():
		case l.word() == "slow_start" && named && s.pool.Policy != pool.Weighted:
			s.report(l.errorf("slow_start: the policy is %s, want policy weighted: only there a share can grow", s.pool.Policy))
		case l.word() == "failback" && !s.broken["backend"] && !s.tiered():
			s.report(l.errorf("failback: every backend is of one tier, want backends of several"))
		case l.word() == "backend" && !s.broken["policy"] && s.pool.Policy != pool.Nearest && slices.Contains(l.args(), "location"):
			s.report(l.errorf("backend: location: the policy is %s, want policy nearest: only there it has a meaning", s.pool.Policy))
		}
	}
	if s.pool.Policy == pool.Nearest {
		s.checkPlaces()
	}
}

// checkPlaces refuses backends without a location, and locations of two kinds:
// one error for each backend line.
func (s *stanza) checkPlaces() {
	nowhere := pool.Place{}
	var first pool.Place // the first that is given
	if i := slices.IndexFunc(s.pool.Backends, func(b pool.Backend) bool { return b.Place != nowhere }); i >= 0 {
		first = s.pool.Backends[i].Place
	}
	reported := make(map[string]bool)
	for _, b := range s.pool.Backends {
		l := s.lineOf(b)
		var err error
		switch {
		case b.Place == nowhere:
			err = l.errorf("backend %q: no location, want one under policy nearest: %s", b.Addr, placeForm)
		case b.Place.OnGlobe() != first.OnGlobe():
			err = l.errorf("backend %q: location by codes and by coordinates in one stanza, want one or the other", b.Addr)
		}
		if err != nil && !reported[l.pos()] {
			reported[l.pos()] = true
			s.report(err)
		}
	}
}

// lineOf returns the line of b.
func (s *stanza) lineOf(b pool.Backend) line {
	i := slices.IndexFunc(s.at.block, func(l line) bool {
		return l.word() == "backend" && slices.Contains(l.args(), b.Addr.String())
	})
	if i < 0 { // spelled differently
		return s.at
	}
	return s.at.block[i]
}

// tiered reports whether the backends are of several tiers.
func (s *stanza) tiered() bool {
	return slices.ContainsFunc(s.pool.Backends, func(b pool.Backend) bool { return b.Tier != s.pool.Backends[0].Tier })
}
