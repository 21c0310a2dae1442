package rrhealth

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// An asker asks a server for explanations at its control socket.
type asker struct {
	*gallery
	t      *testing.T
	client http.Client
}

func newAsker(t *testing.T) *asker {
	t.Helper()
	a := &asker{gallery: newGallery(t), t: t}
	p := &config.Process{Control: filepath.Join(t.TempDir(), "s"), Mode: 0o600}
	if err := a.operations.Start(p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.operations.Stop(p) })
	a.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", p.Control)
	}}
	return a
}

// explain returns the explanation, or the error and its code.
func (a *asker) explain(name, qtype, client string) (e api.Explanation, problem string, code int) {
	a.t.Helper()
	res, err := a.client.Get("http://control" + api.PathExplain + "?" + url.Values{"name": {name}, "type": {qtype}, "client": {client}}.Encode())
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var failed api.Error
		err = json.NewDecoder(res.Body).Decode(&failed)
		problem = failed.Problem
	} else {
		err = json.NewDecoder(res.Body).Decode(&e)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return e, problem, res.StatusCode
}

// run has h answer in the place of the handler before. No probe of its ends.
func (a *asker) run(block string) (*RRHealth, error) {
	c := caddy.NewTestController("dns", block)
	c.ServerBlockKeys = []string{"example.org."}
	stanzas, err := parse(c, "")
	if err != nil {
		return nil, err
	}
	for i := range stanzas {
		for j := range stanzas[i].Checks {
			stanzas[i].Checks[j].Probe.Probe = func(ctx context.Context, _ netip.Addr) error {
				<-ctx.Done()
				return ctx.Err()
			}
		}
	}
	h := newHandler(c.ServerBlockKeys, stanzas)
	h.instance, h.block.Identity, h.collector = new(instance), "block", places{}
	if err := a.start(h); err != nil {
		return nil, err
	}
	for _, before := range a.handlers {
		a.stop(before)
	}
	a.handlers = []*RRHealth{h}
	return h, nil
}

// places is a metadata plugin with a geoip plugin that knows the continents of half
// of the clients.
type places struct{}

func (places) Collect(ctx context.Context, state request.Request) context.Context {
	ctx = metadata.ContextWithMetadata(ctx)
	addr := remoteAddr(state.W)
	if last := addr.AsSlice()[addr.BitLen()/8-1]; last%2 == 0 {
		metadata.SetValueFunc(ctx, "geoip/continent/code", func() string { return continents[int(last/2)%len(continents)] })
	}
	return ctx
}

var continents = []string{"EU", "NA", "AS"}

// someOf returns one of words.
func someOf(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

// unhurried has no probe end before a test does, on a busy machine either.
const unhurried = "interval 2m\ntimeout 1m"

// anyStanza returns the stanza of a random pool, which may be wrong.
func anyStanza(r *rand.Rand) string {
	policy := someOf(r, "rotate", "shuffle", "weighted", "sticky", "nearest", "sequential")
	lines := []string{"policy " + policy, unhurried}
	add := func(share float64, line string) {
		if r.Float64() < share {
			lines = append(lines, line)
		}
	}
	n := 1 + r.IntN(6)
	tiers := r.IntN(2) == 0
	for i := range n {
		line := "backend " + someOf(r, "192.0.2.", "192.0.2.", "2001:db8::") + fmt.Sprint(i+1)
		if policy == "weighted" || policy == "sticky" {
			line += fmt.Sprint(" weight ", 1+r.IntN(4))
		}
		if tiers {
			line += fmt.Sprint(" tier ", 1+r.IntN(3))
		}
		if policy == "nearest" {
			line += " location " + someOf(r, continents...)
		}
		if r.IntN(7) == 0 {
			line += " drain"
		}
		lines = append(lines, line)
	}
	add(0.3, fmt.Sprint("max_answers ", 1+r.IntN(4)))
	add(0.3, fmt.Sprint("min_up ", 1+r.IntN(n)))
	add(0.5, "all_down "+someOf(r, "answer", "servfail", "refused", "nodata", "drop", "198.51.100.1 198.51.100.2"))
	add(0.2, "dry_run")
	add(0.1, "hold_down 10s")
	return "rrhealth www.example.org {\n" + strings.Join(lines, "\n") + "\n}"
}

// anyHealth returns random health of n backends.
func anyHealth(r *rand.Rand, n int) []pool.Health {
	all := make([]pool.Health, n)
	worst := r.IntN(5) // more are down in some pools than in others
	for i := range all {
		h := &all[i]
		h.State = verdict.States[r.IntN(len(verdict.States))]
		if worst == 0 || r.IntN(3) == 0 {
			h.State = verdict.Down
		}
		h.HeldDown = h.State == verdict.Up && r.IntN(8) == 0
		h.Admin.Drained = r.IntN(8) == 0
		if r.IntN(8) == 0 {
			h.Admin.State = verdict.States[r.IntN(len(verdict.States))]
		}
		if r.IntN(8) == 0 {
			h.Admin.Weight = uint16(1 + r.IntN(5)) // #nosec G115 -- small
		}
	}
	return all
}

// answer returns what h answers to the query that e explains.
func answer(h *RRHealth, name, qtype, client string) *dns.Msg {
	r := query(name)
	r.Question[0].Qtype = dns.StringToType[qtype]
	r.SetEdns0(dns.DefaultMsgSize, false)
	addr := netip.IPv6Unspecified()
	if client != "" {
		addr = netip.MustParseAddr(client)
	}
	w := &askingWriter{client: net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))}
	ctx := context.Background()
	if h.collector != nil {
		ctx = h.collector.Collect(ctx, request.Request{W: w, Req: r})
	}
	_, _ = h.ServeDNS(ctx, w, r)
	return w.reply
}

// For any pool, states, overrides and clients: what is explained is what is answered
// next, in that order; to explain counts nothing; and the reasons agree with the
// answer.
func TestWhatIsExplainedIsAnswered(t *testing.T) {
	const configurations = 10_000
	r := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same in each run
	a := newAsker(t)
	wrong := 0
	for n := 0; n < configurations && !t.Failed(); {
		text := anyStanza(r)
		h, err := a.run(text)
		if err != nil {
			if wrong++; wrong > configurations {
				t.Fatalf("most stanzas are wrong, such as %s: %v", text, err)
			}
			continue
		}
		n++
		p := h.block.Stanzas[0].Pools[0]
		health := anyHealth(r, len(p.Backends))
		p.Store(h.block.Stanzas[0].Build(health))
		for range 1 + r.IntN(3) {
			client := someOf(r, "", fmt.Sprint("203.0.113.", r.IntN(256)), fmt.Sprintf("2001:db8:1::%x", r.IntN(256)))
			qtype := someOf(r, "A", "A", "AAAA")
			a.compare(h, qtype, client, n%100 == 0)
		}
		if t.Failed() {
			t.Logf("configuration %d:\n%s\n%+v", n, text, health)
		}
	}
}

// compare compares an explanation with the answer after it, and, if counts is true,
// what is counted before and after the explanation.
func (a *asker) compare(h *RRHealth, qtype, client string, counts bool) {
	a.t.Helper()
	var before, after map[string]float64
	if counts {
		before, _ = a.series(a.t)
	}
	e, problem, _ := a.explain("www.example.org", qtype, client)
	if counts {
		if after, _ = a.series(a.t); !maps.Equal(before, after) {
			a.t.Errorf("counted before %v, and after the explanation %v", before, after)
		}
	}
	m := answer(h, "www.example.org.", qtype, client)
	var want api.Explanation
	want.Rcode = "none"
	if m != nil {
		want.Rcode = dns.RcodeToString[m.Rcode]
		for _, rr := range m.Answer {
			want.Answer, want.TTL = append(want.Answer, addrOf(rr)), int(rr.Header().Ttl)
		}
	}
	p := h.block.Stanzas[0].Pools[0]
	same := slices.Equal(e.Answer, want.Answer)
	if p.Policy == pool.Shuffle {
		same = len(e.Answer) == len(want.Answer) && (p.MaxAnswers > 0 || sameSet(e.Answer, want.Answer))
	}
	if !same || e.Rcode != want.Rcode || e.TTL != want.TTL || e.Order != (p.Policy != pool.Shuffle) {
		a.t.Errorf("%s for %q: explained %v %s %d (order %v), answered %v %s %d; %s", qtype, client, e.Answer, e.Rcode, e.TTL, e.Order, want.Answer, want.Rcode, want.TTL, problem)
	}
	var members []string
	for _, reason := range e.Members {
		if reason.Answered {
			members = append(members, reason.Address)
		}
		if !slices.Contains(api.Rules[:], reason.Rule) || reason.Text == "" {
			a.t.Errorf("reason %+v", reason)
		}
	}
	if !sameSet(members, e.Answer) {
		a.t.Errorf("%s for %q: answered %v, by the reasons %v: %+v", qtype, client, e.Answer, members, e.Members)
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func addrOf(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.AAAA:
		return rr.AAAA.String()
	}
	return rr.String()
}

// An aliaser answers every name as an alias of www.example.org, and nothing else.
type aliaser struct{}

func (aliaser) Name() string { return "aliaser" }

func (aliaser) ServeDNS(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	m := new(dns.Msg)
	m.SetReply(r)
	if q := r.Question[0]; q.Name != "www.example.org." && q.Name != "none.example.org." {
		m.Answer = []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: "www.example.org."}}
	}
	return dns.RcodeSuccess, w.WriteMsg(m)
}

// Neither does an explanation count or move anything if the pool is at the end of an
// alias, or if the query is for another type.
func TestToExplainCountsNothing(t *testing.T) {
	a := newAsker(t)
	h, err := a.run("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\n" + unhurried + "\n}")
	if err != nil {
		t.Fatal(err)
	}
	before, _ := a.series(t)
	for _, below := range []bool{false, true} {
		if below {
			h.Next = aliaser{}
		}
		for _, c := range []struct{ name, qtype string }{{"www.example.org", "A"}, {"www.example.org", "MX"}, {"www.example.org", "ANY"}, {"alias.example.org", "A"}} {
			for range 4 {
				a.explain(c.name, c.qtype, "")
			}
		}
	}
	if after, _ := a.series(t); !maps.Equal(before, after) {
		t.Errorf("counted before %v, and after the explanations %v", before, after)
	}
	for range 3 {
		e, _, _ := a.explain("Alias.example.org", "A", "")
		m := answer(h, "alias.example.org.", "A", "")
		var got []string
		for _, rr := range m.Answer[1:] {
			got = append(got, addrOf(rr))
		}
		if !slices.Equal(e.Answer, got) || len(got) != 3 {
			t.Errorf("explained %v, answered %v", e.Answer, got)
		}
	}
}

// A server block among several with the same zone is explained, with a note.
func TestExplainNamesOtherServerBlocks(t *testing.T) {
	a := newAsker(t)
	h, err := a.run("rrhealth www.example.org {\nbackend 192.0.2.1\n}")
	if err != nil {
		t.Fatal(err)
	}
	if e, _, _ := a.explain("www.example.org", "A", ""); len(e.Notes) > 0 {
		t.Errorf("notes %q of the only server block", e.Notes)
	}
	a.handlers = nil // both go on
	view, err := a.run("rrhealth www.example.org {\nbackend 192.0.2.2\n}")
	if err != nil {
		t.Fatal(err)
	}
	a.stop(view)
	view.block.Identity, view.block.View = "a view", "inside"
	if err := a.start(view); err != nil {
		t.Fatal(err)
	}
	a.handlers = []*RRHealth{h, view}
	e, _, _ := a.explain("www.example.org", "A", "")
	if want := []string{"1 more server blocks have this zone: the view, the address or the port that a client uses decides"}; !slices.Equal(e.Notes, want) || e.View != "inside" {
		t.Errorf("view %q, notes %q, want %q", e.View, e.Notes, want)
	}
}

// Names without a pool are explained as far as the server block has them.
func TestExplainOtherNames(t *testing.T) {
	a := newAsker(t)
	h, err := a.run("rrhealth www.example.org *.w.example.org {\nbackend 192.0.2.1\n}")
	if err != nil {
		t.Fatal(err)
	}
	h.Next = aliaser{}
	for _, c := range []struct {
		name, qtype, client string
		want                string
		code                int
	}{
		{"www.example.org", "A", "", "www.example.org. NOERROR [192.0.2.1]", 200},
		{"a.b.W.example.org.", "", "", "*.w.example.org. NOERROR [192.0.2.1]", 200},
		{"none.example.org", "A", "", " NOERROR []", 200},
		{"www.example.net", "A", "", "www.example.net.: in no zone of a server block with rrhealth", 404},
		{"www..example.org", "A", "", `name: no domain name (got "www..example.org"); use one such as www.example.org`, 400},
		{"www.example.org", "AXFR", "", `type: unknown (got "AXFR"); use one such as A, AAAA or HTTPS`, 400},
	} {
		e, problem, code := a.explain(c.name, c.qtype, c.client)
		if code == http.StatusOK {
			problem = fmt.Sprint(e.Pool, " ", e.Rcode, " ", e.Answer)
		}
		if code != c.code || problem != c.want {
			t.Errorf("%s %s: %d %q, want %d %q", c.name, c.qtype, code, problem, c.code, c.want)
		}
	}
}
