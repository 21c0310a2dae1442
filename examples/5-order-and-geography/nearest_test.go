//go:build linux

package order

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

const (
	frankfurt, virginia, tokyo = "10.5.1.1", "10.5.2.1", "10.5.3.1"

	near = "near.example.org."
)

// clients are three places, each with its network and the expected order of
// answers.
var clients = []struct {
	place, network string
	lat, long      float64
	order          string
}{
	{"London", "198.51.100.0/24", 51.5, -0.1, frankfurt + " " + virginia + " " + tokyo},
	{"New York", "203.0.113.0/24", 40.7, -74.0, virginia + " " + frankfurt + " " + tokyo},
	{"Sydney", "192.0.2.0/24", -33.9, 151.2, tokyo + " " + virginia + " " + frankfurt},
}

func TestTheNearestServerThatIsUpComesFirst(t *testing.T) {
	s := build(t, "dig")
	s.ns.CoreDNS("Corefile.nearest", "PLACES="+s.places())
	s.Hold("dig @10.0.0.53 +subnet=198.51.100.0/24 +short near.example.org")
	s.Eventually("all three are answered", func() bool { a, _ := s.client.Lookup(s.ns.Addr(), near); return len(a) == 3 })
	for _, c := range clients {
		if got := s.dig(c.network); got != c.order {
			t.Errorf("%s gets %s, want %s", c.place, got, c.order)
		}
	}

	london := *s.client
	london.Subnet = netip.MustParsePrefix(clients[0].network)
	stream := london.Stream(s.ns.Addr(), near, 80)
	cut := time.Now()
	s.Cut(s.web[0])
	detection := stream.Gone(frankfurt, cut)
	gone := time.Now()
	stream.After(20)
	all, failed := stream.Requests(gone, time.Now())
	stream.Stop()
	for _, r := range all {
		if r.Err == nil && strings.TrimSpace(r.From) != "virginia" {
			t.Errorf("London was served from %s, want the next nearest, virginia", r.From)
		}
	}
	for _, c := range clients {
		want := strings.Join(strings.Fields(strings.Replace(c.order, frankfurt, "", 1)), " ")
		if got := s.dig(c.network); got != want {
			t.Errorf("%s gets %s, want %s", c.place, got, want)
		}
	}

	s.Restore()
	s.Eventually("London has Frankfurt first again", func() bool { return s.dig(clients[0].network) == clients[0].order })
	lab.Report(t, lab.Row{
		Scenario: "5 geography", Killed: "the nearest server, packets dropped",
		Detection: detection, Bound: bound, Failed: len(failed), Of: len(all),
	})
}

// dig queries as a resolver does for a client of the network.
func (s set) dig(network string) string {
	s.T.Helper()
	out, err := s.client.Run("dig", "@"+s.ns.Addr(), "+short", "+subnet="+network, near)
	if err != nil {
		s.T.Fatal(err)
	}
	return strings.Join(strings.Fields(out), " ")
}

// places writes a database with the places of the clients, and returns its
// path.
func (s set) places() string {
	s.T.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-City", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		s.T.Fatal(err)
	}
	for _, c := range clients {
		_, network, err := net.ParseCIDR(c.network)
		if err != nil {
			s.T.Fatal(err)
		}
		where := mmdbtype.Map{"latitude": mmdbtype.Float64(c.lat), "longitude": mmdbtype.Float64(c.long)}
		if err := tree.Insert(network, mmdbtype.Map{"location": where}); err != nil {
			s.T.Fatal(err)
		}
	}
	path := filepath.Join(s.Dir, "places.mmdb")
	f, err := os.Create(path) // #nosec G304 -- in the lab's own folder
	if err != nil {
		s.T.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		s.T.Fatal(err)
	}
	return path
}
