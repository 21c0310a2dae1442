package pool

import (
	"math"
	"slices"
	"strconv"
	"sync/atomic"
)

// A Place is the location of a backend or a client: coordinates, continent and
// country, both (clients), or unknown (the zero value).
type Place struct {
	Continent string // ISO-like code as the databases have it: AF AN AS EU NA OC SA
	Country   string // ISO 3166-1 alpha-2; may be "" for a backend
	at        point
	onGlobe   bool // at is set
}

// String returns p as the Corefile has it: latitude and longitude with at most four
// decimals, or CONTINENT[/COUNTRY]; the empty string if it is unknown.
func (p Place) String() string {
	switch {
	case p.onGlobe:
		latitude, longitude := math.Asin(p.at.z), math.Atan2(p.at.y, p.at.x)
		return decimals(latitude) + " " + decimals(longitude)
	case p.Country != "":
		return p.Continent + "/" + p.Country
	}
	return p.Continent
}

// decimals returns an angle in degrees.
func decimals(angle float64) string {
	return strconv.FormatFloat(math.Round(angle*180/math.Pi*1e4)/1e4+0, 'f', -1, 64)
}

// A point lies on the unit sphere.
type point struct{ x, y, z float64 }

// At returns p with the given coordinates, in degrees.
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

// The distances between places that are known by their codes.
const (
	sameCountry = iota
	sameContinent
	elsewhere
)

// nearest groups the members of a choice by their places. All places have
// coordinates, or all have codes: the Corefile cannot mix them.
type nearest []neighbors

// neighbors are the members at one place, as indices in Choice.Members.
type neighbors struct {
	Place
	members []int
}

func newNearest(c *Config, members []Member) nearest {
	var s nearest
	for i, m := range members {
		var place Place
		if m.Index >= 0 { // else a fallback address, which has no place
			place = c.Backends[m.Index].Place
		}
		at := slices.IndexFunc(s, func(o neighbors) bool { return o.Place == place })
		if at < 0 {
			at = len(s)
			s = append(s, neighbors{Place: place})
		}
		s[at].members = append(s[at].members, i)
	}
	return s
}

// locates reports whether client has the kind of place that the members have.
func (s nearest) locates(client Place) bool {
	if s[0].onGlobe {
		return client.onGlobe
	}
	return s[0].Continent != "" && client.Continent != ""
}

// Places reports whether Nearest can tell the distance between client and the
// members. If not, Order uses the order of Rotate.
func (ch *Choice) Places(client Place) bool { return ch.prepared.nearest.locates(client) }

// apart returns a number that grows with the distance from the client.
func (s *neighbors) apart(client *Place) uint64 {
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

// order appends the indices of the k members nearest to the client. Members at
// the same distance rotate. Each group of neighbors has its own cursor: with one
// for all, clients of two places that query in turn would each get the same
// member first every time. If turns is nil, all groups use cursor.
func (s nearest) order(dst []int, client Place, k int, cursor *atomic.Uint64, turns []atomic.Uint64) []int {
	need := len(s)
	if s[0].onGlobe {
		// Few places are at exactly the same distance, unlike with codes.
		need = min(need, max(k, fewRanks))
	}
	if need <= fewRanks {
		var room [fewRanks]rank
		return s.inTurn(dst, s.rank(room[:0], client, need), k, cursor, turns)
	}
	var room [manyMembers]rank
	return s.inTurn(dst, s.rank(room[:0], client, need), k, cursor, turns)
}

// rank ranks the need nearest places by their distance from the client.
func (s nearest) rank(r ranking, client Place, need int) ranking {
	for i := range s {
		r = r.add(s[i].apart(&client), i, need)
	}
	return r
}

// inTurn appends the first k members of the places ranked in r.
func (s nearest) inTurn(dst []int, r ranking, k int, cursor *atomic.Uint64, turns []atomic.Uint64) []int {
	var turn uint64
	most := len(dst) + k
	for begin := 0; begin < len(r) && len(dst) < most; {
		size, end := 0, begin
		for ; end < len(r) && r[end].key == r[begin].key; end++ {
			size += len(s[r[end].index].members)
		}
		if begin == 0 && size > 1 {
			if turns != nil {
				cursor = &turns[s[r[0].index].members[0]]
			}
			turn = cursor.Add(1)
		}
		dst = s.group(dst, r[begin:end], int(turn%uint64(size)), size, most) // #nosec G115 -- less than size
		begin = end
	}
	return dst
}

// group appends the members of places at one distance, in a circle from the
// given start, until dst has most elements.
func (s nearest) group(dst []int, equal ranking, start, size, most int) []int {
	left := min(size, most-len(dst))
	for skip := start; left > 0; {
		for _, r := range equal {
			members := s[r.index].members
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
