package rrhealth

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/request"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// from returns a query for name's addresses on behalf of the client network,
// which may be "" (no option) or /0.
func from(name, network string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	m.SetEdns0(1232, false)
	if network == "" {
		return m
	}
	prefix := netip.MustParsePrefix(network)
	family := uint16(1)
	if prefix.Addr().Is6() {
		family = 2
	}
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(prefix.Bits()), Address: prefix.Addr().AsSlice(),
	})
	return m
}

// subnet returns the client subnet option of m as text: 198.51.100.0/24/20 with
// the scope last, or "" if it has none.
func subnet(t *testing.T, m *dns.Msg) string {
	t.Helper()
	if m.IsEdns0() == nil {
		return ""
	}
	var found []string
	for _, o := range m.IsEdns0().Option {
		if s, ok := o.(*dns.EDNS0_SUBNET); ok {
			found = append(found, fmt.Sprintf("%s/%d/%d", s.Address, s.SourceNetmask, s.SourceScope))
		}
	}
	if len(found) > 1 {
		t.Errorf("%d client subnet options, want one: %v", len(found), found)
	}
	return strings.Join(found, " ")
}

const tenBackends = "backend 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9 192.0.2.10\n"

func TestStickyGivesEachNetworkItsOwn(t *testing.T) {
	block := "rrhealth www.example.org {\n" + tenBackends + "policy sticky\nanswers 1\n}"
	s, replica := start(t, corefile(block)), start(t, corefile(block))
	seen := make(map[string]bool)
	for i := range 40 {
		network := fmt.Sprintf("198.51.%d.0/24", i)
		want := addrs(s.exchange(from("www.example.org.", network), "udp"))
		seen[want[0]] = true
		for _, other := range []struct {
			s       *server
			network string
		}{{s, network}, {replica, network}, {s, fmt.Sprintf("198.51.%d.77/32", i)}, {s, fmt.Sprintf("198.51.%d.128/25", i)}} {
			if got := addrs(other.s.exchange(from("www.example.org.", other.network), "tcp")); !slices.Equal(got, want) {
				t.Errorf("%s gets %v, want %v as at first", other.network, got, want)
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("40 networks share %d of 10 backends", len(seen))
	}
	// Without the option the network of whoever asks counts.
	direct := addrs(s.ask("www.example.org.", dns.TypeA))
	if got := addrs(s.exchange(from("www.example.org.", "127.0.0.0/24"), "udp")); !slices.Equal(got, direct) {
		t.Errorf("127.0.0.0/24 gets %v by the option and %v by itself", got, direct)
	}
	// /0 is how a client asks not to be told apart.
	if got := addrs(s.exchange(from("www.example.org.", "0.0.0.0/0"), "udp")); !slices.Equal(got, direct) {
		t.Errorf("/0 gets %v, want %v as the resolver itself", got, direct)
	}
}

func TestStickySurvivesAReloadAndAnotherOrder(t *testing.T) {
	s := start(t, corefile("rrhealth www.example.org {\n"+tenBackends+"policy sticky\n}"))
	var before [][]string
	for i := range 20 {
		before = append(before, addrs(s.exchange(from("www.example.org.", fmt.Sprintf("198.51.%d.0/24", i)), "udp")))
	}
	list := strings.Fields(strings.TrimPrefix(tenBackends, "backend"))
	slices.Reverse(list)
	if err := s.reload(corefile("rrhealth www.example.org {\nbackend " + strings.Join(list, " ") + "\npolicy sticky\n}")); err != nil {
		t.Fatal(err)
	}
	for i, want := range before {
		if got := addrs(s.exchange(from("www.example.org.", fmt.Sprintf("198.51.%d.0/24", i)), "udp")); !slices.Equal(got, want) {
			t.Errorf("network %d: %v after the reload, %v before", i, got, want)
		}
	}
}

// RFC 7871, section 7.2.1: whoever sends the option gets it back, with a scope
// of 0 where the answer is the same for everybody.
func TestTheScopeOfAnAnswer(t *testing.T) {
	s := start(t, corefile(`
	metadata
	rrhealth sticky.example.org {
		backend 192.0.2.1 192.0.2.2 192.0.2.3
		policy sticky
	}
	rrhealth narrow.example.org {
		backend 192.0.2.1 192.0.2.2 192.0.2.3
		policy sticky 20 48
	}
	rrhealth lone.example.org {
		backend 192.0.2.1
		policy sticky
	}
	rrhealth nearest.example.org {
		backend 192.0.2.1 location 50 8
		backend 192.0.2.2 location 40 -74
		policy nearest
	}
	rrhealth rotate.example.org {
		backend 192.0.2.1 192.0.2.2
	}`))
	for _, tc := range []struct {
		name, network string
		qtype         uint16
		want          string
	}{
		{"sticky", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/24"},
		{"sticky", "198.51.100.7/32", dns.TypeA, "198.51.100.7/32/24"}, // as much as was used
		{"sticky", "198.51.0.0/16", dns.TypeA, "198.51.0.0/16/16"},     // as much as there was
		{"sticky", "0.0.0.0/0", dns.TypeA, "0.0.0.0/0/0"},
		{"sticky", "2001:db8:1:2::/64", dns.TypeA, "2001:db8:1:2::/64/56"},
		{"sticky", "2001:db8::/32", dns.TypeA, "2001:db8::/32/32"},
		{"sticky", "198.51.100.0/24", dns.TypeAAAA, "198.51.100.0/24/0"}, // NODATA is for all
		{"sticky", "198.51.100.0/24", dns.TypeTXT, "198.51.100.0/24/0"},
		{"sticky", "", dns.TypeA, ""},
		{"narrow", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/20"},
		{"narrow", "2001:db8:1:2::/64", dns.TypeA, "2001:db8:1:2::/64/48"},
		{"lone", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/0"},
		{"nearest", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/24"},
		{"nearest", "198.51.100.7/32", dns.TypeA, "198.51.100.7/32/32"},
		{"nearest", "0.0.0.0/0", dns.TypeA, "0.0.0.0/0/0"},
		{"rotate", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/0"},
		{"rotate", "", dns.TypeA, ""},
	} {
		m := from(tc.name+".example.org.", tc.network)
		m.Question[0].Qtype = tc.qtype
		r := s.exchange(m, "udp")
		if got := subnet(t, r); got != tc.want || r.Rcode != dns.RcodeSuccess {
			t.Errorf("%s, type %s, %q: %s, option %q, want %q", tc.name, dns.TypeToString[tc.qtype], tc.network, dns.RcodeToString[r.Rcode], got, tc.want)
		}
	}
	// Without EDNS there is no place for an option.
	if r := s.ask("sticky.example.org.", dns.TypeA); r.IsEdns0() != nil {
		t.Errorf("OPT for a client without EDNS: %v", r)
	}
	// What dig sends for +subnet=0.
	m := from("sticky.example.org.", "0.0.0.0/0")
	m.IsEdns0().Option[0].(*dns.EDNS0_SUBNET).Family = 0
	if r := s.exchange(m, "udp"); r.Rcode != dns.RcodeSuccess || len(r.Answer) != 3 {
		t.Errorf("family 0: %v", r)
	}
	// The flags of the query's OPT come back beside the option.
	m = from("sticky.example.org.", "198.51.100.0/24")
	m.IsEdns0().SetDo()
	if r := s.exchange(m, "udp"); !r.IsEdns0().Do() || subnet(t, r) == "" {
		t.Errorf("DO and the option: %v", r)
	}
}

func TestAMalformedClientSubnetIsAFormErr(t *testing.T) {
	s := start(t, corefile("rrhealth www.example.org {\n"+tenBackends+"policy sticky\n}"))
	scoped := from("www.example.org.", "198.51.100.0/24")
	scoped.IsEdns0().Option[0].(*dns.EDNS0_SUBNET).SourceScope = 24
	// The library zeroes the bits beyond the length, so their bytes are put in.
	beyond, err := from("www.example.org.", "198.51.100.0/24").Pack()
	if err != nil {
		t.Fatal(err)
	}
	beyond[len(beyond)-5]-- // the length: 23 of an odd third byte
	if beyond[len(beyond)-1] = 101; beyond[len(beyond)-5] != 23 {
		t.Fatalf("no length where it was looked for: %x", beyond)
	}
	packed, err := scoped.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for name, query := range map[string][]byte{"a scope": packed, "bits beyond the length": beyond} {
		r := exchangeBytes(t, s.addr, query)
		if r.Rcode != dns.RcodeFormatError || len(r.Answer) != 0 || subnet(t, r) != "" {
			t.Errorf("%s: %v\nwant FORMERR", name, r)
		}
	}
}

func exchangeBytes(t *testing.T, addr string, query []byte) *dns.Msg {
	t.Helper()
	conn, err := dns.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(query); err != nil {
		t.Fatal(err)
	}
	r, err := conn.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An extended error and a client subnet share the one OPT record that a message
// may have.
func TestOneOPTRecordHoldsAllThatIsToSay(t *testing.T) {
	s := start(t, corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend 127.0.63.1 127.0.63.2
		check tcp://:%s
		%s
		policy sticky
	}`, closedPort(t), quick)))
	eventually(t, "all is down", func() bool { return allDown(s) })
	r := s.exchange(from("www.example.org.", "198.51.100.0/24"), "udp")
	opts := 0
	for _, rr := range r.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			opts++
		}
	}
	if opts != 1 || subnet(t, r) != "198.51.100.0/24/24" || ede(r) == "" {
		t.Errorf("%d OPT records, option %q, extended error %q in\n%v", opts, subnet(t, r), ede(r), r)
	}
}

func TestWhyAnAnswerIsOutOfTheOrdinary(t *testing.T) {
	backends, port := fleet(t, 2)
	closed := closedPort(t)
	s := start(t, corefile(fmt.Sprintf(`rrhealth few.example.org {
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
	}`, strings.Join(ips(backends...), " "), port, quick, closed, quick, backends[0].ip(), port, quick)))
	for _, tc := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"few", dns.TypeA, "fewer backends of few.example.org. are up than it takes: answered all"},
		{"few", dns.TypeAAAA, ""}, // it never had one
		{"six", dns.TypeA, "all backends of six.example.org. are down: answered the fallback"},
		{"six", dns.TypeAAAA, "all backends of six.example.org. are down"},
		{"half", dns.TypeA, ""},
		{"half", dns.TypeAAAA, "all backends of half.example.org. with an IPv6 address are down"},
	} {
		var got string
		m := from(tc.name+".example.org.", "")
		m.Question[0].Qtype = tc.qtype
		eventually(t, fmt.Sprintf("%s %d: extended error %q", tc.name, tc.qtype, tc.want), func() bool {
			got = ede(s.exchange(m, "udp"))
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
	backends, port := fleet(t, 3)
	frankfurt, newYork, tokyo := backends[0], backends[1], backends[2]
	s := start(t, corefile(fmt.Sprintf(`
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
	}`, threePlaces(t), frankfurt.ip(), newYork.ip(), tokyo.ip(), port, quick)))
	london, york, sydney, paris := "198.51.100.0/24", "203.0.113.9/32", "192.0.2.0/24", "2001:db8:4444::/48"
	check := func(when string, want map[string][]*backend) {
		t.Helper()
		for network, order := range want {
			eventually(t, fmt.Sprintf("%s: %s gets %v", when, network, ips(order...)), func() bool {
				return slices.Equal(addrs(s.exchange(from("www.example.org.", network), "udp")), ips(order...))
			})
		}
	}
	check("all up", map[string][]*backend{
		london: {frankfurt, newYork, tokyo}, paris: {frankfurt, newYork, tokyo},
		york: {newYork, frankfurt, tokyo}, sydney: {tokyo, newYork, frankfurt},
	})
	frankfurt.stop()
	check("Frankfurt down", map[string][]*backend{london: {newYork, tokyo}, paris: {newYork, tokyo}, york: {newYork, tokyo}})
	newYork.stop()
	check("New York down too", map[string][]*backend{london: {tokyo}, york: {tokyo}, sydney: {tokyo}})
	frankfurt.start()
	check("Frankfurt back", map[string][]*backend{london: {frankfurt, tokyo}, york: {frankfurt, tokyo}, sydney: {tokyo, frankfurt}})
}

func TestNearestByCodesOfTheDatabase(t *testing.T) {
	s := start(t, corefile(fmt.Sprintf(`
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
			if got := addrs(s.exchange(from("www.example.org.", network), "udp"))[0]; !strings.Contains(want, got) {
				t.Errorf("%s gets %s first, want %s", network, got, want)
			}
		}
	}
}

func TestWhoIsNowhereIsRotatedAndCounted(t *testing.T) {
	s := start(t, corefile(fmt.Sprintf(`
	metadata
	geoip %s {
		edns-subnet
	}
	rrhealth www.example.org {
		backend 192.0.2.1 location 50.1 8.7
		backend 192.0.2.2 location 40.7 -74
		policy nearest
	}`, threePlaces(t))))
	placeless := func() float64 { return series(t)["placeless_answers_total{pool=www.example.org.}"] }
	before := placeless()
	first := addrs(s.exchange(from("www.example.org.", "100.64.0.0/24"), "udp"))
	for i := range 9 {
		next := addrs(s.exchange(from("www.example.org.", "100.64.0.0/24"), "udp"))
		if next[0] == first[0] {
			t.Fatalf("answer %d starts with %s again, want the list turned", i, next[0])
		}
		first = next
	}
	s.exchange(from("www.example.org.", "198.51.100.0/24"), "udp") // London
	if got := placeless() - before; got != 10 {
		t.Errorf("%v answers were counted, want 10", got)
	}
}

// Labels can be used by view, which decides before the chain, and by log,
// which writes after it.
func TestWhatIsToldToOtherPlugins(t *testing.T) {
	h := handler(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy first\n}")
	h.metadata = true
	told := func(name string, qtype uint16) (before, after map[string]string) {
		r := query(name)
		r.Question[0].Qtype = qtype
		values := func(ctx context.Context) map[string]string {
			all := make(map[string]string)
			for label, f := range metadata.ValueFuncs(ctx) {
				all[strings.TrimPrefix(label, "rrhealth/")] = f()
			}
			return all
		}
		ctx := h.Metadata(metadata.ContextWithMetadata(context.Background()), request.Request{Req: r, W: nullWriter{}})
		before = values(ctx)
		_, _ = h.ServeDNS(ctx, nullWriter{}, r)
		return before, values(ctx)
	}
	for _, tc := range []struct {
		name          string
		qtype         uint16
		before, after string
	}{
		{"www.example.org.", dns.TypeA,
			"map[outcome:served policy:first pool:www.example.org.]",
			"map[first:192.0.2.1 outcome:served policy:first pool:www.example.org.]"},
		{"WWW.example.org.", dns.TypeAAAA,
			"map[outcome:nodata policy:first pool:www.example.org.]",
			"map[outcome:nodata policy:first pool:www.example.org.]"},
		{"www.example.org.", dns.TypeTXT, "map[policy:first pool:www.example.org.]", "map[policy:first pool:www.example.org.]"},
		{"other.example.org.", dns.TypeA, "map[]", "map[]"},
	} {
		before, after := told(tc.name, tc.qtype)
		if got := fmt.Sprint(before); got != tc.before {
			t.Errorf("%s %d, before the chain: %s, want %s", tc.name, tc.qtype, got, tc.before)
		}
		if got := fmt.Sprint(after); got != tc.after {
			t.Errorf("%s %d, after it: %s, want %s", tc.name, tc.qtype, got, tc.after)
		}
	}
}

// A query may come by a name that it did not have when metadata was collected.
func TestARewrittenNameIsToldAsItWasAnswered(t *testing.T) {
	h := handler(t, "rrhealth www.example.org {\nbackend 192.0.2.1\n}\nrrhealth old.example.org {\nbackend 192.0.2.2\npolicy first\n}")
	h.metadata = true
	ctx := h.Metadata(metadata.ContextWithMetadata(context.Background()), request.Request{Req: query("old.example.org."), W: nullWriter{}})
	_, _ = h.ServeDNS(ctx, nullWriter{}, query("www.example.org."))
	var got []string
	for _, label := range []string{"pool", "policy", "first"} {
		got = append(got, metadata.ValueFunc(ctx, "rrhealth/"+label)())
	}
	if want := []string{"www.example.org.", "rotate", "192.0.2.1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLogAndViewSeeTheMetadata(t *testing.T) {
	out := captureLog(t)
	closed := closedPort(t)
	s := start(t, fmt.Sprintf(`example.org:0 {
		bind 127.0.0.1
		view alive {
			expr metadata('rrhealth/outcome') != 'all_down'
		}
		metadata
		log . "told {/rrhealth/pool} {/rrhealth/policy} {/rrhealth/outcome} {/rrhealth/first}"
		rrhealth www.example.org {
			backend 127.0.63.1 127.0.63.2
			policy first
		}
		rrhealth dead.example.org {
			backend 127.0.63.1
			check tcp://:%s
			%s
		}
	}
	example.org:0 {
		bind 127.0.0.1
		rrhealth dead.example.org {
			backend 198.51.100.99
		}
	}`, closed, quick))
	s.ask("www.example.org.", dns.TypeA)
	eventually(t, "the log tells what was answered", func() bool {
		return strings.Contains(out(), "told www.example.org. first served 127.0.63.1")
	})
	// When all of the first view's pool is down, the view after it answers.
	s.settled("dead.example.org.", dns.TypeA, "198.51.100.99")
}

func TestSetUpsThatCannotWorkAreWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		name, stanza string
		want         []string
	}{
		{"nearest without anything", "rrhealth www.example.org {\nbackend 192.0.2.1 location EU\nbackend 192.0.2.2 location AS\npolicy nearest\n}", []string{
			"policy nearest of www.example.org. needs the geoip plugin", "policy nearest of www.example.org. needs the metadata plugin",
		}},
		{"geoip without metadata", "geoip " + threePlaces(t) + "\nrrhealth www.example.org {\nbackend 192.0.2.1 location EU\npolicy nearest\n}", []string{
			"policy nearest of www.example.org. needs the metadata plugin",
		}},
		{"nearest with all it needs", "metadata\ngeoip " + threePlaces(t) + "\nrrhealth www.example.org {\nbackend 192.0.2.1 location EU\npolicy nearest\n}", nil},
		{"loadbalance", "loadbalance\nrrhealth www.example.org {\nbackend 192.0.2.1\npolicy sticky\n}", []string{"loadbalance in the server block of example.org. shuffles"}},
		{"weights that nobody looks at", "rrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy rotate\n}", []string{
			"the weights of www.example.org. have no effect under policy rotate",
		}},
		{"weights that somebody looks at", "cache\nrrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy sticky\n}", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := captureLog(t)
			start(t, corefile(tc.stanza))
			var warnings []string
			for l := range strings.Lines(out()) {
				if strings.Contains(l, "[WARNING] plugin/rrhealth") {
					warnings = append(warnings, l)
				}
			}
			if len(warnings) != len(tc.want) {
				t.Errorf("warnings %q, want %d", warnings, len(tc.want))
			}
			for _, want := range tc.want {
				if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, want) }) {
					t.Errorf("warnings %q, want one with %q", warnings, want)
				}
			}
		})
	}
}

// No cache that is known stands above us in a build that starts, so one is made
// of a plugin that does.
func TestACacheAboveUsIsWarnedOf(t *testing.T) {
	known := caches
	defer func() { caches = known }()
	caches = []string{"cache", "loadbalance"}
	for policy, want := range map[string]int{"sticky": 1, "rotate": 0} {
		out := captureLog(t)
		start(t, corefile("cache\nloadbalance\nrrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy "+policy+"\n}"))
		if got := strings.Count(out(), "loadbalance stands above rrhealth and hands the answers that policy sticky of www.example.org. means for one client to all"); got != want {
			t.Errorf("%s: warned %d times, want %d: %s", policy, got, want, out())
		}
	}
}

func TestWeightsThroughTheServer(t *testing.T) {
	s := start(t, corefile("rrhealth www.example.org {\nbackend 192.0.2.1 weight 5\nbackend 192.0.2.2 weight 3\nbackend 192.0.2.3 weight 2\n}"))
	counts := make(map[string]int)
	for range 100 {
		counts[addrs(s.ask("www.example.org.", dns.TypeA))[0]]++
	}
	if got, want := fmt.Sprint(counts), "map[192.0.2.1:50 192.0.2.2:30 192.0.2.3:20]"; got != want {
		t.Errorf("first %s, want %s", got, want)
	}
	if p := handlerOf(t, s).pools[0]; p.Policy != pool.Weighted {
		t.Errorf("policy %s, want weighted", p.Policy)
	}
	// Eight clients at once share the one sequence.
	var wg sync.WaitGroup
	firsts := make(chan string, 800)
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r, err := exchange(query("www.example.org."), "udp", s.addr)
				if err != nil {
					t.Error(err)
					return
				}
				firsts <- addrs(r)[0]
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

// A writer from somewhere.
type writerFrom struct {
	nullWriter
	addr net.Addr
}

func (w writerFrom) RemoteAddr() net.Addr { return w.addr }

type textAddr string

func (a textAddr) Network() string { return "?" }
func (a textAddr) String() string  { return string(a) }

func TestRemoteAddr(t *testing.T) {
	for _, tc := range []struct {
		addr net.Addr
		want string
	}{
		{&net.UDPAddr{IP: net.ParseIP("198.51.100.7"), Port: 53}, "198.51.100.7"}, // in 16 bytes
		{&net.TCPAddr{IP: net.IPv4(198, 51, 100, 7).To4(), Port: 53}, "198.51.100.7"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 53}, "fe80::1"},
		{textAddr("[2001:db8::1]:443"), "2001:db8::1"},
		{textAddr("somewhere"), "invalid IP"},
		{nil, "invalid IP"},
	} {
		if got := remoteAddr(writerFrom{addr: tc.addr}).String(); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.addr, got, tc.want)
		}
	}
	// Whoever has no address is answered all the same.
	h := handler(t, "rrhealth www.example.org {\n"+tenBackends+"policy sticky\n}")
	if _, err := h.ServeDNS(context.Background(), writerFrom{}, query("www.example.org.")); err != nil {
		t.Error(err)
	}
}
