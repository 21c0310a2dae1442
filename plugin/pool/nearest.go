package pool

import (
	"math"
	"slices"
	"sync/atomic"
)

// A Place is where a backend or a client is: by coordinates, by continent and
// country, by both (clients), or not known at all (the zero value).
type Place struct {
	Continent string // ISO-like code as the databases have it: AF AN AS EU NA OC SA
	Country   string // ISO 3166-1 alpha-2; may be "" for a backend
	at        point
	onGlobe   bool // at is set
}

// A point lies on the unit sphere.
type point struct{ x, y, z float64 }

// At returns p with coordinates, in degrees.
func (p Place) At(latitude, longitude float64) Place {
	sinLat, cosLat := math.Sincos(latitude * math.Pi / 180)
	sinLong, cosLong := math.Sincos(longitude * math.Pi / 180)
	p.at, p.onGlobe = point{cosLat * cosLong, cosLat * sinLong, sinLat}, true
	return p
}

// OnGlobe reports whether p has coordinates.
func (p Place) OnGlobe() bool { return p.onGlobe }

// apart returns a number that grows with the great-circle distance: the square
// of the chord. It keeps its precision for neighbours, which the angle's cosine
// does not.
func (p point) apart(q point) float64 {
	x, y, z := p.x-q.x, p.y-q.y, p.z-q.z
	return x*x + y*y + z*z
}

// How far apart places are that are known by their codes.
const (
	sameCountry = iota
	sameContinent
	elsewhere
)

// spots are the places of a choice's members, each with those who are there.
// All have coordinates or all have codes: the Corefile may not mix them.
type spots []spot

type spot struct {
	Place
	members []int
}

func newSpots(c *Config, members []Member) spots {
	var s spots
	for i, m := range members {
		var place Place
		if m.Index >= 0 { // else a fallback address, which is nowhere
			place = c.Backends[m.Index].Place
		}
		at := slices.IndexFunc(s, func(o spot) bool { return o.Place == place })
		if at < 0 {
			at = len(s)
			s = append(s, spot{Place: place})
		}
		s[at].members = append(s[at].members, i)
	}
	return s
}

// know reports whether the distance of a client to the spots can be told.
func (s spots) know(client Place) bool {
	if s[0].onGlobe {
		return client.onGlobe
	}
	return s[0].Continent != "" && client.Continent != ""
}

// Places reports whether a client's place tells, under Nearest, which of the
// members are near. If not, Order gives them the order of Rotate.
func (ch *Choice) Places(client Place) bool { return ch.plan.spots.know(client) }

// apart returns a number that grows with the distance from the client.
func (s *spot) apart(client *Place) uint64 {
	switch {
	case s.onGlobe:
		return math.Float64bits(s.at.apart(client.at))
	case s.Continent != client.Continent:
		return elsewhere
	case s.Country == "" || s.Country != client.Country:
		return sameContinent
	}
	return sameCountry
}

// nearest appends the first k places by distance from the client. Those at the
// same distance take turns. Each group of neighbours has its own turn: were it
// one for all, clients of two places asking alternately would each see the same
// member first all the time. Without turns it is that of cursor.
func (s spots) nearest(dst []int, client Place, k int, cursor *atomic.Uint64, turns []atomic.Uint64) []int {
	need := len(s)
	if s[0].onGlobe {
		// Places at the very same distance are few, unlike with codes.
		need = min(need, max(k, fewRanks))
	}
	if need <= fewRanks {
		var room [fewRanks]rank
		return s.inTurn(dst, s.rank(room[:0], client, need), k, cursor, turns)
	}
	var room [manyMembers]rank
	return s.inTurn(dst, s.rank(room[:0], client, need), k, cursor, turns)
}

// rank ranks the need nearest spots by their distance from the client.
func (s spots) rank(r ranking, client Place, need int) ranking {
	for i := range s {
		r = r.add(s[i].apart(&client), i, need)
	}
	return r
}

// inTurn appends the first k members of the spots ranked in r.
func (s spots) inTurn(dst []int, r ranking, k int, cursor *atomic.Uint64, turns []atomic.Uint64) []int {
	var turn uint64
	most := len(dst) + k
	for begin := 0; begin < len(r) && len(dst) < most; {
		size, end := 0, begin
		for ; end < len(r) && r[end].key == r[begin].key; end++ {
			size += len(s[r[end].place].members)
		}
		if begin == 0 && size > 1 {
			if turns != nil {
				cursor = &turns[s[r[0].place].members[0]]
			}
			turn = cursor.Add(1)
		}
		dst = s.group(dst, r[begin:end], int(turn%uint64(size)), size, most) // #nosec G115 -- less than size
		begin = end
	}
	return dst
}

// group appends the members of spots at one distance, from the one whose turn
// it is on, in a circle, until dst has most elements.
func (s spots) group(dst []int, equal ranking, start, size, most int) []int {
	left := min(size, most-len(dst))
	for skip := start; left > 0; {
		for _, r := range equal {
			members := s[r.place].members
			if skip >= len(members) {
				skip -= len(members)
				continue
			}
			members = members[skip:]
			members = members[:min(len(members), left)]
			dst = append(dst, members...)
			skip, left = 0, left-len(members)
		}
	}
	return dst
}
