package pool

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

type city struct{ lat, long float64 }

var cities = map[string]city{
	"london": {51.51, -0.13}, "frankfurt": {50.11, 8.68}, "new york": {40.71, -74.01}, "tokyo": {35.68, 139.69},
	"sydney": {-33.87, 151.21}, "auckland": {-36.85, 174.76}, "honolulu": {21.31, -157.86}, "nairobi": {-1.29, 36.82},
	"santiago": {-33.45, -70.67}, "reykjavik": {64.15, -21.94}, "pole": {-90, 0}, "suva": {-18.14, 178.44},
}

// kilometres is Vincenty's formula on a sphere: another way to the distance
// than the code takes, and one that is exact for neighbors and antipodes.
func kilometres(a, b city) float64 {
	rad := func(d float64) float64 { return d * math.Pi / 180 }
	lat1, lat2, dl := rad(a.lat), rad(b.lat), rad(b.long-a.long)
	x := math.Cos(lat1)*math.Sin(lat2) - math.Sin(lat1)*math.Cos(lat2)*math.Cos(dl)
	y := math.Hypot(math.Cos(lat2)*math.Sin(dl), x)
	return 6371.0 * math.Atan2(y, math.Sin(lat1)*math.Sin(lat2)+math.Cos(lat1)*math.Cos(lat2)*math.Cos(dl))
}

// placed returns a pool under nearest whose backends are at the places.
func placed(t *testing.T, places ...Place) *Pool {
	t.Helper()
	c := config(t, Nearest, numbered(len(places)))
	for i := range c.Backends {
		c.Backends[i].Place = places[i]
	}
	return newPool(c)
}

func near(p *Pool, client Place) []int {
	return p.Order(nil, p.Snapshot(), V4, Client{Place: client})
}

func TestTheFormulaOfTheTestKnowsSomeDistances(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		want     float64
	}{{"london", "frankfurt", 637}, {"london", "new york", 5570}, {"tokyo", "sydney", 7826}, {"suva", "honolulu", 5099}} {
		if got := kilometres(cities[tc.from], cities[tc.to]); math.Abs(got-tc.want) > 15 {
			t.Errorf("%s to %s: %.0f km, want %.0f", tc.from, tc.to, got, tc.want)
		}
	}
}

func TestNearestIsInTheOrderOfTheGreatCircle(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	anywhere := func() city {
		return city{math.Asin(2*rng.Float64()-1) * 180 / math.Pi, 360*rng.Float64() - 180}
	}
	check := func(backends []city, client city) {
		t.Helper()
		var places []Place
		for _, c := range backends {
			places = append(places, Place{}.At(c.lat, c.long))
		}
		got := near(placed(t, places...), Place{}.At(client.lat, client.long))
		for i := 1; i < len(got); i++ {
			a, b := kilometres(client, backends[got[i-1]]), kilometres(client, backends[got[i]])
			if a > b+1e-6 {
				t.Fatalf("client at %v: %v (%.1f km) stands before %v (%.1f km)", client, backends[got[i-1]], a, backends[got[i]], b)
			}
		}
	}
	var all []city
	for _, c := range cities {
		all = append(all, c)
	}
	for _, c := range cities {
		check(all, c)
	}
	for range 300 {
		var random []city
		for range 20 {
			random = append(random, anywhere())
		}
		check(random, anywhere())
	}
	// Neighbors a few meters apart, where a cosine has no digits left.
	street := []city{{52.50003, 13.4}, {52.50001, 13.4}, {52.50002, 13.4}}
	check(street, city{52.5, 13.4})
	// Across the date line, and around the pole.
	check([]city{{0, 170}, {0, -179}}, city{0, 179})
	check([]city{{89, 0}, {89, 180}, {60, 90}}, city{88, 90})
}

func TestNearestFailsOverToTheNextNearest(t *testing.T) {
	names := []string{"new york", "frankfurt", "tokyo"}
	var places []Place
	for _, n := range names {
		places = append(places, Place{}.At(cities[n].lat, cities[n].long))
	}
	p := placed(t, places...)
	london := Place{}.At(cities["london"].lat, cities["london"].long)
	for _, tc := range []struct{ health, want string }{
		{"UUU", "frankfurt"}, {"UDU", "new york"}, {"DDU", "tokyo"}, {"DUU", "frankfurt"},
	} {
		p.Store(Build(p.Config, healths(tc.health)))
		s := p.Snapshot()
		first := s.Choices[V4].Members[near(p, london)[0]].Index
		if names[first] != tc.want {
			t.Errorf("%s: first is %s, want %s", tc.health, names[first], tc.want)
		}
	}
}

// Members at one place rotate: each is first equally often, and the others of
// that place follow before members farther away.
func TestMembersAtTheSameDistanceRotate(t *testing.T) {
	here, there := Place{}.At(10, 10), Place{}.At(-40, 100)
	p := placed(t, there, here, there, here, here)
	for _, tc := range []struct {
		client     Place
		near, far  []int
		everyFirst int
	}{{here, []int{1, 3, 4}, []int{0, 2}, 20}, {there, []int{0, 2}, []int{1, 3, 4}, 30}} {
		firsts := make(map[int]int)
		last := -1
		for range 60 {
			got := near(p, tc.client)
			if last >= 0 && got[0] == last {
				t.Fatalf("member %d is first twice in a row", last)
			}
			last = got[0]
			firsts[got[0]]++
			begin, end := slices.Sorted(slices.Values(got[:len(tc.near)])), slices.Sorted(slices.Values(got[len(tc.near):]))
			if !slices.Equal(begin, tc.near) || !slices.Equal(end, tc.far) {
				t.Fatalf("got %v, want all of %v, then all of %v", got, tc.near, tc.far)
			}
		}
		for _, m := range tc.near {
			if firsts[m] != tc.everyFirst {
				t.Errorf("member %d is first %d times of 60, want %d", m, firsts[m], tc.everyFirst)
			}
		}
	}
}

// Clients of two places that ask alternately do not keep each other from
// seeing every member.
func TestTurnsOfOnePlaceDoNotDependOnTheClientsOfAnother(t *testing.T) {
	here, there := Place{}.At(10, 10), Place{}.At(-40, 100)
	p := placed(t, here, here, there, there)
	seen := make(map[int]int)
	for range 50 {
		seen[near(p, here)[0]]++
		seen[near(p, there)[0]]++
	}
	for m := range 4 {
		if seen[m] != 25 {
			t.Errorf("member %d is first %d times of 50, want 25", m, seen[m])
		}
	}
}

func TestNearestByCodes(t *testing.T) {
	p := placed(t,
		Place{Continent: "EU", Country: "DE"}, Place{Continent: "EU", Country: "FR"}, Place{Continent: "EU"},
		Place{Continent: "NA", Country: "US"}, Place{Continent: "AS"})
	for _, tc := range []struct {
		name   string
		client Place
		groups [][]int
	}{
		{"country, continent, the rest", Place{Continent: "EU", Country: "FR"}, [][]int{{1}, {0, 2}, {3, 4}}},
		{"a country without a member", Place{Continent: "EU", Country: "IT"}, [][]int{{0, 1, 2}, {3, 4}}},
		{"a country that shares a code with a continent", Place{Continent: "AF", Country: "NA"}, [][]int{{0, 1, 2, 3, 4}}},
		{"a continent with one member", Place{Continent: "AS", Country: "JP"}, [][]int{{4}, {0, 1, 2, 3}}},
		{"a continent without a country", Place{Continent: "EU"}, [][]int{{0, 1, 2}, {3, 4}}},
		{"a continent with one country", Place{Continent: "NA"}, [][]int{{3}, {0, 1, 2, 4}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			firsts := make(map[int]int)
			for range 60 {
				got := near(p, tc.client)
				firsts[got[0]]++
				for _, g := range tc.groups {
					if part := slices.Sorted(slices.Values(got[:len(g)])); !slices.Equal(part, g) {
						t.Fatalf("got %v, want all of %v next", got, g)
					}
					got = got[len(g):]
				}
			}
			for _, m := range tc.groups[0] {
				if want := 60 / len(tc.groups[0]); firsts[m] != want {
					t.Errorf("member %d is first %d times of 60, want %d", m, firsts[m], want)
				}
			}
		})
	}
}

func TestWhoIsNowhereGetsTheRotation(t *testing.T) {
	onGlobe := placed(t, Place{}.At(1, 1), Place{}.At(2, 2), Place{}.At(3, 3))
	byCode := placed(t, Place{Continent: "EU"}, Place{Continent: "AS"}, Place{Continent: "NA"})
	for _, tc := range []struct {
		name   string
		p      *Pool
		client Place
	}{
		{"nothing known", onGlobe, Place{}},
		{"codes, where coordinates are needed", onGlobe, Place{Continent: "EU", Country: "DE"}},
		{"coordinates, where codes are needed", byCode, Place{}.At(1, 1)},
		{"a country without a continent", byCode, Place{Country: "DE"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.p.Snapshot().Choices[V4].Places(tc.client) {
				t.Error("the client is placed, want not")
			}
			first := near(tc.p, tc.client)[0]
			for i := range 9 {
				if got := near(tc.p, tc.client); got[0] != (first+1+i)%3 || got[1] != (first+2+i)%3 {
					t.Fatalf("answer %d is %v, want the list turned by one", i, got)
				}
			}
		})
	}
}

func TestFallbackAddressesAreNowhere(t *testing.T) {
	c := config(t, Nearest, "1")
	c.Backends[0].Place = Place{}.At(1, 1)
	c.AllDown = ActAddresses
	c.Fallback = append(c.Fallback, address(t, "8"), address(t, "9"))
	p := newPool(c)
	p.Store(Build(c, healths("D")))
	a, b := near(p, Place{}.At(1, 1))[0], near(p, Place{}.At(1, 1))[0]
	if a == b {
		t.Errorf("the first is %d twice, want a rotation", a)
	}
}
