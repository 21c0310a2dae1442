package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

const tenBackends = "backend 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9 192.0.2.10\n"

func TestStickyGivesEachNetworkItsOwn(t *testing.T) {
	block := "rrhealth www.example.org {\n" + tenBackends + "policy sticky\nmax_answers 1\n}"
	s, replica := harness.Start(t, harness.Corefile(block)), harness.Start(t, harness.Corefile(block))
	seen := make(map[string]bool)
	for i := range 40 {
		network := fmt.Sprintf("198.51.%d.0/24", i)
		want := harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", network), "udp"))
		seen[want[0]] = true
		for _, other := range []struct {
			s       *harness.Server
			network string
		}{{s, network}, {replica, network}, {s, fmt.Sprintf("198.51.%d.77/32", i)}, {s, fmt.Sprintf("198.51.%d.128/25", i)}} {
			if got := harness.Addrs(other.s.Exchange(harness.QueryFrom("www.example.org.", other.network), "tcp")); !slices.Equal(got, want) {
				t.Errorf("%s gets %v, want %v as at first", other.network, got, want)
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("40 networks share %d of 10 backends", len(seen))
	}
	// Without the option the network of the client counts.
	direct := harness.Addrs(s.Ask("www.example.org.", dns.TypeA))
	if got := harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", "127.0.0.0/24"), "udp")); !slices.Equal(got, direct) {
		t.Errorf("127.0.0.0/24 gets %v by the option and %v by itself", got, direct)
	}
	// /0 is how a client asks not to be identified.
	if got := harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", "0.0.0.0/0"), "udp")); !slices.Equal(got, direct) {
		t.Errorf("/0 gets %v, want %v as the resolver itself", got, direct)
	}
}

func TestStickySurvivesAReloadAndAnotherOrder(t *testing.T) {
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\n"+tenBackends+"policy sticky\n}"))
	var before [][]string
	for i := range 20 {
		before = append(before, harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", fmt.Sprintf("198.51.%d.0/24", i)), "udp")))
	}
	list := strings.Fields(strings.TrimPrefix(tenBackends, "backend"))
	slices.Reverse(list)
	if err := s.Reload(harness.Corefile("rrhealth www.example.org {\nbackend " + strings.Join(list, " ") + "\npolicy sticky\n}")); err != nil {
		t.Fatal(err)
	}
	for i, want := range before {
		if got := harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", fmt.Sprintf("198.51.%d.0/24", i)), "udp")); !slices.Equal(got, want) {
			t.Errorf("network %d: %v after the reload, %v before", i, got, want)
		}
	}
}

func TestWhyAnAnswerIsOutOfTheOrdinary(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	closed := lease.Closed(t)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth few.example.org {
		backend %s 127.0.63.9
		check tcp://:%s
		%s
		min_up 3
	}
	rrhealth six.example.org {
		backend 127.0.63.1 ::1
		check tcp://:%s
		%s
		all_down 198.51.100.1
	}
	rrhealth half.example.org {
		backend %s ::1
		check tcp://:%s
		%s
	}`, strings.Join(harness.IPs(backends...), " "), port, harness.Quick, closed, harness.Quick, backends[0].IP(), port, harness.Quick)))
	for _, tc := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"few", dns.TypeA, "fewer backends of few.example.org. are up than min_up: all are answered"},
		{"few", dns.TypeAAAA, ""}, // it never had one
		{"six", dns.TypeA, "all backends of six.example.org. are down: the fallback is answered"},
		{"six", dns.TypeAAAA, "all backends of six.example.org. are down"},
		{"half", dns.TypeA, ""},
		{"half", dns.TypeAAAA, "all backends of half.example.org. with an IPv6 address are down"},
	} {
		var got string
		m := harness.QueryFrom(tc.name+".example.org.", "")
		m.Question[0].Qtype = tc.qtype
		harness.Eventually(t, fmt.Sprintf("%s %d: extended error %q", tc.name, tc.qtype, tc.want), func() bool {
			got = harness.EDE(s.Exchange(m, "udp"))
			return got == tc.want
		})
	}
}

// threePlaces writes a database of three networks, and returns its path.
func threePlaces(t *testing.T) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-City", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, place := range map[string]struct {
		lat, long          float64
		continent, country string
	}{
		"198.51.100.0/24":    {51.5, -0.1, "EU", "GB"},
		"203.0.113.0/24":     {40.7, -74.0, "NA", "US"},
		"192.0.2.0/24":       {-33.9, 151.2, "OC", "AU"},
		"2001:db8:4000::/36": {48.9, 2.4, "EU", "FR"},
	} {
		_, ipnet, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		err = tree.Insert(ipnet, mmdbtype.Map{
			"continent": mmdbtype.Map{"code": mmdbtype.String(place.continent)},
			"country":   mmdbtype.Map{"iso_code": mmdbtype.String(place.country)},
			"location":  mmdbtype.Map{"latitude": mmdbtype.Float64(place.lat), "longitude": mmdbtype.Float64(place.long)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "places.mmdb")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNearestByTheClientsNetwork(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	frankfurt, newYork, tokyo := backends[0], backends[1], backends[2]
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`
	metadata
	geoip %s {
		edns-subnet
	}
	rrhealth www.example.org {
		backend %s location 50.1 8.7
		backend %s location 40.7 -74
		backend %s location 35.7 139.7
		check tcp://:%s
		%s
		policy nearest
	}`, threePlaces(t), frankfurt.IP(), newYork.IP(), tokyo.IP(), port, harness.Quick)))
	london, york, sydney, paris := "198.51.100.0/24", "203.0.113.9/32", "192.0.2.0/24", "2001:db8:4444::/48"
	check := func(when string, want map[string][]*harness.Backend) {
		t.Helper()
		for network, order := range want {
			harness.Eventually(t, fmt.Sprintf("%s: %s gets %v", when, network, harness.IPs(order...)), func() bool {
				return slices.Equal(harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", network), "udp")), harness.IPs(order...))
			})
		}
	}
	check("all up", map[string][]*harness.Backend{
		london: {frankfurt, newYork, tokyo}, paris: {frankfurt, newYork, tokyo},
		york: {newYork, frankfurt, tokyo}, sydney: {tokyo, newYork, frankfurt},
	})
	frankfurt.Stop()
	check("Frankfurt down", map[string][]*harness.Backend{london: {newYork, tokyo}, paris: {newYork, tokyo}, york: {newYork, tokyo}})
	newYork.Stop()
	check("New York down too", map[string][]*harness.Backend{london: {tokyo}, york: {tokyo}, sydney: {tokyo}})
	frankfurt.Start()
	check("Frankfurt back", map[string][]*harness.Backend{london: {frankfurt, tokyo}, york: {frankfurt, tokyo}, sydney: {tokyo, frankfurt}})
}

func TestNearestByCodesOfTheDatabase(t *testing.T) {
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`
	metadata
	geoip %s {
		edns-subnet
	}
	rrhealth www.example.org {
		backend 192.0.2.1 location EU/FR
		backend 192.0.2.2 location EU
		backend 192.0.2.3 location NA/US
		policy nearest
	}`, threePlaces(t))))
	for network, want := range map[string]string{"198.51.100.0/24": "192.0.2.1 192.0.2.2", "2001:db8:4444::/48": "192.0.2.1", "203.0.113.0/24": "192.0.2.3"} {
		// Those in the same continent take turns.
		for range 4 {
			if got := harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", network), "udp"))[0]; !strings.Contains(want, got) {
				t.Errorf("%s gets %s first, want %s", network, got, want)
			}
		}
	}
}

func TestWhoIsNowhereIsRotatedAndCounted(t *testing.T) {
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`
	metadata
	geoip %s {
		edns-subnet
	}
	rrhealth www.example.org {
		backend 192.0.2.1 location 50.1 8.7
		backend 192.0.2.2 location 40.7 -74
		policy nearest
	}`, threePlaces(t))))
	unlocated := func() float64 { return harness.Series(t)["nearest_unlocated_answers_total{pool=www.example.org.}"] }
	before := unlocated()
	first := harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", "100.64.0.0/24"), "udp"))
	for i := range 9 {
		next := harness.Addrs(s.Exchange(harness.QueryFrom("www.example.org.", "100.64.0.0/24"), "udp"))
		if next[0] == first[0] {
			t.Fatalf("answer %d starts with %s again, want the list turned", i, next[0])
		}
		first = next
	}
	s.Exchange(harness.QueryFrom("www.example.org.", "198.51.100.0/24"), "udp") // London
	if got := unlocated() - before; got != 10 {
		t.Errorf("%v answers were counted, want 10", got)
	}
}

func TestWeightsThroughTheServer(t *testing.T) {
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1 weight 5\nbackend 192.0.2.2 weight 3\nbackend 192.0.2.3 weight 2\n}"))
	counts := make(map[string]int)
	for range 100 {
		counts[harness.Addrs(s.Ask("www.example.org.", dns.TypeA))[0]]++
	}
	if got, want := fmt.Sprint(counts), "map[192.0.2.1:50 192.0.2.2:30 192.0.2.3:20]"; got != want {
		t.Errorf("first %s, want %s", got, want)
	}
	// Eight clients at once share the one sequence.
	var wg sync.WaitGroup
	firsts := make(chan string, 800)
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r, err := harness.Exchange(new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA), "udp", s.Addr)
				if err != nil {
					t.Error(err)
					return
				}
				firsts <- harness.Addrs(r)[0]
			}
		})
	}
	wg.Wait()
	close(firsts)
	clear(counts)
	for first := range firsts {
		counts[first]++
	}
	if got, want := fmt.Sprint(counts), "map[192.0.2.1:400 192.0.2.2:240 192.0.2.3:160]"; got != want {
		t.Errorf("with 8 clients first %s, want %s", got, want)
	}
}
