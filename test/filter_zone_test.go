package test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// A farm is a number of addresses on loopback, of which some accept
// connections on one port and some do not.
type farm struct {
	t         *testing.T
	port      string
	all       []string
	down      map[string]bool
	listeners map[string]net.Listener
	pace      string          // of stanza
	pools     *harness.Server // see settled
}

// newFarm makes a farm of n addresses, all of them up.
func newFarm(t *testing.T, n int) *farm {
	t.Helper()
	// Nothing listens at ::1 on the farm's port.
	net1 := lease.Net(t)
	f := &farm{t: t, port: lease.Port(t, net1+"1"), down: map[string]bool{"::1": true}, listeners: make(map[string]net.Listener), pace: harness.Quick}
	for len(f.all) < n {
		if len(f.all) > 0 && len(f.all)%200 == 0 {
			net1 = lease.Net(t)
		}
		addr := fmt.Sprintf("%s%d", net1, 1+len(f.all)%200)
		f.all = append(f.all, addr)
		f.start(addr)
	}
	t.Cleanup(func() { f.stop(f.all...) })
	return f
}

// start lets addresses accept connections.
func (f *farm) start(addrs ...string) {
	f.t.Helper()
	for _, addr := range addrs {
		l, err := net.Listen("tcp", net.JoinHostPort(addr, f.port))
		if err != nil {
			f.t.Fatal(err)
		}
		f.listeners[addr] = l
		delete(f.down, addr)
		go harness.Accept(l)
	}
}

// stop lets addresses refuse connections.
func (f *farm) stop(addrs ...string) {
	for _, addr := range addrs {
		if l := f.listeners[addr]; l != nil {
			_ = l.Close()
			delete(f.listeners, addr)
		}
		f.down[addr] = true
	}
}

// third lists every third address.
func (f *farm) third() []string {
	var some []string
	for i := 2; i < len(f.all); i += 3 {
		some = append(some, f.all[i])
	}
	return some
}

// farmPool is the name of the pool by which settled sees the verdicts.
const farmPool = "farm.example.net."

// settled waits until the verdicts on the farm's addresses are true, and zones
// have been walked for them. A server of its own has a pool of all of them with
// the check of stanza: it shares the probes of the filters, whose addresses have
// their verdicts before the metrics of a pool show them.
func (f *farm) settled() {
	f.t.Helper()
	backends := append(slices.Clone(f.all), "::1")
	if f.pools == nil {
		f.pools = harness.Start(f.t, fmt.Sprintf("example.net:0 {\nbind 127.0.0.1\nrrhealth %s {\nbackend %s\ncheck tcp://:%s\n%s\n}\n}\n",
			farmPool, strings.Join(backends, " "), f.port, f.pace))
	}
	f.pools.AwaitReady()
	harness.Eventually(f.t, "verdicts are true", func() bool {
		series := harness.Series(f.t)
		return !slices.ContainsFunc(backends, func(addr string) bool {
			state := "up"
			if f.down[addr] {
				state = "down"
			}
			return series["backend_state{backend="+addr+",pool="+farmPool+",state="+state+"}"] != 1
		})
	})
}

// watched returns how many addresses filters watch.
func watched(t *testing.T) float64 {
	t.Helper()
	return harness.Metric(t, "coredns_rrhealth_watched_addresses")
}

// zone writes a zone of about names names that uses the farm's addresses in
// every way a zone can. It returns the file and the names to ask for.
func (f *farm) zone(t *testing.T, names int) (file string, ask []string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same zone each time
	some := func(n int) []string {
		var picked []string
		for len(picked) < n {
			if a := f.all[random.IntN(len(f.all))]; !slices.Contains(picked, a) {
				picked = append(picked, a)
			}
		}
		return picked
	}
	var z strings.Builder
	z.WriteString("$ORIGIN example.org.\n$TTL 300\n@ IN SOA ns hostmaster 7 7200 1800 86400 60\n@ IN NS ns\n@ IN MX 10 h0\nns IN A 192.0.2.53\n")
	for _, a := range some(3) {
		fmt.Fprintf(&z, "@ IN A %s\n", a)
	}
	ask = append(ask, "@", "ns", "not-there", "not.h0")
	for i := range names {
		name := fmt.Sprintf("h%d", i)
		host := fmt.Sprintf("h%d", i/10*10) // the last one with addresses
		switch i % 10 {
		case 0: // addresses, in number from 1 to 6
			for _, a := range some(1 + i/10%6) {
				fmt.Fprintf(&z, "%s %d IN A %s\n", name, 1+random.IntN(600), a)
			}
			if i%30 == 0 {
				fmt.Fprintf(&z, "%s IN AAAA ::1\n", name)
			}
			if i%40 == 0 {
				fmt.Fprintf(&z, "%s IN AAAA 2001:db8::%d\n%s IN TXT \"some text\"\n%s IN CAA 0 issue \"ca.example.net\"\n", name, i+1, name, name)
			}
		case 1:
			fmt.Fprintf(&z, "%s IN CNAME %s\n", name, host)
		case 2:
			fmt.Fprintf(&z, "%s IN CNAME h%d\n", name, i-1)
		case 3:
			fmt.Fprintf(&z, "%s IN SRV 1 2 443 %s\n%s IN SRV 1 2 443 h0\n", name, host, name)
		case 4:
			fmt.Fprintf(&z, "%s IN MX 10 %s\n%s IN MX 20 ns\n", name, host, name)
		case 5:
			hints := some(3)
			fmt.Fprintf(&z, "%s IN HTTPS 1 %s mandatory=ipv4hint alpn=h2 ipv4hint=%s ipv6hint=::1,2001:db8::9\n", name, host, strings.Join(hints, ","))
			fmt.Fprintf(&z, "%s IN SVCB 2 . alpn=h3 port=8443 ipv4hint=%s\n", name, hints[0])
		case 6:
			for _, a := range some(4) {
				fmt.Fprintf(&z, "*.%s IN A %s\n", name, a)
			}
			ask = append(ask, "*."+name, "x."+name, "y.z."+name)
		case 7:
			fmt.Fprintf(&z, "%s IN NS ns.%s\n%s IN NS ns\nns.%s IN A %s\n", name, name, name, name, some(1)[0])
			ask = append(ask, "below."+name, "ns."+name)
		case 8:
			fmt.Fprintf(&z, "%s IN CNAME elsewhere.example.net.\n_tcp.%s IN TXT \"below\"\n", name, name)
			ask = append(ask, "_tcp."+name)
		case 9:
			fmt.Fprintf(&z, "%s IN NAPTR 1 2 \"S\" \"SIP+D2T\" \"\" h0\n%s IN PTR h0\n%s IN TXT \"t\"\n%s IN SSHFP 1 1 aabb\n%s IN TLSA 3 1 1 aabb\n", name, name, name, name, name)
		}
		ask = append(ask, name)
	}
	file = filepath.Join(t.TempDir(), "db.example.org")
	if err := os.WriteFile(file, []byte(z.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range ask {
		if ask[i] = name + ".example.org."; name == "@" {
			ask[i] = "example.org."
		}
	}
	return file, ask
}

// stanza returns a filter for the farm.
func (f *farm) stanza(more string) string {
	return fmt.Sprintf("rrhealth {\nwatch 127.0.0.0/8 ::1\ncheck tcp://:%s\n%s\n%s\n}\n", f.port, f.pace, more)
}

// isDown reports whether rr is an address record of an address that is down.
func (f *farm) isDown(rr dns.RR) bool {
	addr := harness.Addr(rr)
	return addr.IsValid() && f.down[addr.String()]
}

// zoneTypes are the types that are asked for.
var zoneTypes = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeSRV, dns.TypeMX, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeTXT,
	dns.TypeNS, dns.TypeSOA, dns.TypeDS, dns.TypePTR, dns.TypeNAPTR, dns.TypeCAA, dns.TypeSSHFP, dns.TypeTLSA, dns.TypeANY,
}

func TestNothingButWhatIsDownGoesFromAZone(t *testing.T) {
	f := newFarm(t, 300)
	f.stop(f.third()...)
	names := 1000
	if testing.Short() {
		names = 100
	}
	file, ask := f.zone(t, names)
	plain := harness.Start(t, harness.Corefile("file "+file+" example.org"))
	// No address goes down here: the probes may leave the processor to the questions.
	f.pace = "interval 4s fast 400ms\ntimeout 2s\n"
	s := harness.Start(t, harness.Corefile(f.stanza("")+"file "+file+" example.org"))
	f.settled()
	asker, plainAsker := harness.NewAsker(t, s.Addr), harness.NewAsker(t, plain.Addr)
	count, differ := 0, 0
	for _, name := range ask {
		for _, qtype := range zoneTypes {
			for _, do := range []bool{false, true} {
				want := f.expected(plainAsker, harness.Query(name, qtype, do))
				got := asker.Exchange(harness.Query(name, qtype, do))
				count++
				if text := difference(got, want); text != "" {
					if differ++; differ < 5 {
						t.Errorf("%s %s, DO %v: %s\ngot:\n%v\nwant, but for order and TTL:\n%v", name, dns.TypeToString[qtype], do, text, got, want)
					}
				}
			}
		}
	}
	if differ > 0 {
		t.Errorf("%d of %d answers differ", differ, count)
	}
	t.Logf("Compared %d answers", count)
}

// expected is what the filter should make of the answer that plain gives.
func (f *farm) expected(plain *harness.Asker, q *dns.Msg) *dns.Msg {
	m := plain.Exchange(q)
	if len(m.Answer) == 0 {
		return m
	}
	qtype := q.Question[0].Qtype
	// All down: the set stays, unless the other family is up.
	if owner := f.allDown(m.Answer, qtype); owner != "" {
		other := dns.TypeA + dns.TypeAAAA - qtype
		sister := plain.Exchange(harness.Query(owner, other, false))
		if slices.ContainsFunc(sister.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == other && !f.isDown(rr) }) {
			m.Answer = slices.DeleteFunc(m.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == qtype })
			m.Ns = plain.Exchange(harness.Query(owner, dns.TypeSOA, false)).Ns
			m.Ns[0].Header().Ttl = math.MaxUint32 // may be lowered
			m.Extra = slices.DeleteFunc(m.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype != dns.TypeOPT })
		}
		return m
	}
	m.Answer = slices.DeleteFunc(m.Answer, f.isDown)
	if slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return harness.Target(rr) != "" }) {
		f.expectTargets(m)
	}
	for _, rr := range m.Answer {
		f.expectHints(rr)
	}
	return m
}

// byTarget reports whether records of a type are judged by their targets. Those
// of MX are not.
func byTarget(rrtype uint16) bool {
	return rrtype == dns.TypeSRV || rrtype == dns.TypeHTTPS || rrtype == dns.TypeSVCB
}

// judgedByFilters reports whether filters judge records of a type.
func judgedByFilters(rrtype uint16) bool {
	return rrtype == dns.TypeA || rrtype == dns.TypeAAAA || byTarget(rrtype)
}

// expectTargets takes the records out of m, and what stands beside them, whose
// targets are down, and of the others the addresses that are down.
func (f *farm) expectTargets(m *dns.Msg) {
	up, beside := make(map[string]bool), make(map[string]bool)
	for _, rr := range m.Extra {
		owner := rr.Header().Name
		beside[owner] = beside[owner] || harness.Addr(rr).IsValid()
		up[owner] = up[owner] || harness.Addr(rr).IsValid() && !f.isDown(rr)
	}
	down := func(rr dns.RR) bool {
		name := harness.Target(rr)
		return byTarget(rr.Header().Rrtype) && beside[name] && !up[name]
	}
	if slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return byTarget(rr.Header().Rrtype) && !down(rr) }) {
		m.Answer = slices.DeleteFunc(m.Answer, down)
	}
	m.Extra = slices.DeleteFunc(m.Extra, func(rr dns.RR) bool {
		owner := rr.Header().Name
		named := slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return harness.Target(rr) == owner })
		return harness.Addr(rr).IsValid() && (!named || up[owner] && f.isDown(rr))
	})
}

// allDown returns the owner of the addresses in rrs if all of them are down.
func (f *farm) allDown(rrs []dns.RR, qtype uint16) string {
	owner := ""
	for _, rr := range rrs {
		if rr.Header().Rrtype != qtype || !harness.Addr(rr).IsValid() {
			continue
		}
		if !f.isDown(rr) {
			return ""
		}
		owner = rr.Header().Name
	}
	return owner
}

// expectHints takes the hints that are down out of rr.
func (f *farm) expectHints(rr dns.RR) {
	var values *[]dns.SVCBKeyValue
	switch rr := rr.(type) {
	case *dns.SVCB:
		values = &rr.Value
	case *dns.HTTPS:
		values = &rr.Value
	default:
		return
	}
	var kept []dns.SVCBKeyValue
	emptied := false // only ever a hint that the record calls mandatory
	for _, v := range *values {
		var ips *[]net.IP
		switch v := v.(type) {
		case *dns.SVCBIPv4Hint:
			ips = &v.Hint
		case *dns.SVCBIPv6Hint:
			ips = &v.Hint
		}
		if ips != nil {
			*ips = slices.DeleteFunc(*ips, func(ip net.IP) bool { return f.down[ip.String()] })
			if len(*ips) == 0 {
				emptied = true
				continue
			}
		}
		kept = append(kept, v)
	}
	if emptied {
		kept = slices.DeleteFunc(kept, func(v dns.SVCBKeyValue) bool { return v.Key() == dns.SVCB_MANDATORY })
	}
	*values = kept
}

// difference says in what got differs from want, apart from the order of an
// address set and of the additional section, lower TTLs, and the reason in the
// OPT record.
func difference(got, want *dns.Msg) string {
	g, w := got.MsgHdr, want.MsgHdr
	if g.Id = w.Id; g != w {
		return "header"
	}
	for _, section := range []struct {
		name      string
		got, want []dns.RR
	}{{"answer", got.Answer, want.Answer}, {"authority", got.Ns, want.Ns}, {"additional", got.Extra, want.Extra}} {
		if len(section.got) != len(section.want) {
			return section.name + ": number of records"
		}
		g, ok := compared(section.got, section.want)
		if !ok {
			return section.name + ": TTL"
		}
		w, _ := compared(section.want, section.want)
		// Before CoreDNS 1.14, file gives a set once for each record that
		// names it. It leaves as one, and its place there means nothing.
		if section.name == "additional" {
			slices.Sort(g)
			slices.Sort(w)
		}
		if !slices.Equal(g, w) {
			return section.name
		}
	}
	return ""
}

// compared returns rrs as text, address sets sorted, without the TTLs. It
// reports false when a TTL is greater than that of any such record in limit,
// when it differs within a set, or when it is lower than in limit for a record
// that the filter has no business with.
func compared(rrs, limit []dns.RR) ([]string, bool) {
	var all []string
	ok := true
	ttls := make(map[string]uint32)
	for _, rr := range rrs {
		h := rr.Header()
		if h.Rrtype == dns.TypeOPT {
			continue
		}
		most := uint32(0)
		for _, l := range limit {
			if setID(l) == setID(rr) {
				most = max(most, l.Header().Ttl)
			}
		}
		set := setID(rr)
		ttl, seen := ttls[set]
		judged := judgedByFilters(h.Rrtype) || most == math.MaxUint32
		if sig, ok := rr.(*dns.RRSIG); ok {
			judged = judgedByFilters(sig.TypeCovered)
		}
		if h.Ttl > most || (h.Ttl < most && !judged) || (seen && ttl != h.Ttl && &rrs[0] != &limit[0]) {
			ok = false
		}
		ttls[set] = h.Ttl
		rr = dns.Copy(rr)
		rr.Header().Ttl = 0
		all = append(all, rr.String())
	}
	// Sort runs of addresses of one set, and nothing else.
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && sameSet(rrs[i], rrs[j]) {
			j++
		}
		slices.Sort(all[i:j])
		i = j
	}
	return all, ok
}

// setID tells the sets of a section apart, signatures by what they cover.
func setID(rr dns.RR) string {
	h := rr.Header()
	id := fmt.Sprint(strings.ToLower(h.Name), " ", h.Rrtype)
	if sig, ok := rr.(*dns.RRSIG); ok {
		id += fmt.Sprint(" ", sig.TypeCovered)
	}
	return id
}

func sameSet(a, b dns.RR) bool {
	return a.Header().Name == b.Header().Name && a.Header().Rrtype == b.Header().Rrtype && harness.Addr(a).IsValid()
}
