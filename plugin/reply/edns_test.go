package reply

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// extended returns the texts of the extended errors in m.
func extended(m *dns.Msg) (texts []string) {
	if o := m.IsEdns0(); o != nil {
		for _, option := range o.Option {
			if e, ok := option.(*dns.EDNS0_EDE); ok {
				texts = append(texts, e.ExtraText)
			}
		}
	}
	return texts
}

func TestAReplyHasAnOPTRecordOnlyIfTheQueryHas(t *testing.T) {
	for _, size := range []int{-1, 512, 1232} {
		r := form{size: size}.query("www.example.org.", dns.TypeA)
		m := Failure(r, dns.RcodeServerFailure)
		Explain(m, r, "all is down")
		switch o := m.IsEdns0(); {
		case size < 0 && o != nil:
			t.Errorf("without EDNS: %v", o)
		case size >= 0 && (o == nil || o.UDPSize() != uint16(size) || fmt.Sprint(extended(m)) != "[all is down]"):
			t.Errorf("size %d: %v", size, o)
		}
	}
}

func TestAMessageHasOneOPTRecord(t *testing.T) {
	r := form{size: 1232, options: "ecs"}.query("www.example.org.", dns.TypeA)
	m := Failure(r, dns.RcodeServerFailure)
	ecs, ok := Subnet(r)
	if !ok {
		t.Fatal("the option of the query is malformed")
	}
	Explain(m, r, "one")
	EchoSubnet(m, r, ecs, 20)
	Explain(m, r, "two")
	if len(m.Extra) != 1 || fmt.Sprint(extended(m)) != "[one two]" || subnets(m) != "192.0.2.0/24/20" {
		t.Errorf("got\n%v", m)
	}
}

// An OPT record may belong to the plugin that wrote the message.
func TestOwnExtraCopies(t *testing.T) {
	r := form{size: 1232}.query("www.example.org.", dns.TypeA)
	theirs := new(dns.Msg).SetReply(r)
	theirs.Extra = append(make([]dns.RR, 0, 8), rr(t, "ns.example.org. 30 IN A 192.0.2.53"))
	optOf(theirs, r)
	before := theirs.String()
	ours := *theirs
	OwnExtra(&ours)
	Explain(&ours, r, "all is down")
	_ = append(ours.Extra, nil)
	if len(ours.Extra) != 2 || fmt.Sprint(extended(&ours)) != "[all is down]" {
		t.Errorf("got\n%v", &ours)
	}
	if theirs.String() != before || theirs.Extra[:3][2] != nil {
		t.Errorf("the message of the other plugin has become\n%v", theirs)
	}
}

func TestWantsDNSSEC(t *testing.T) {
	for f, want := range map[form]bool{{size: -1}: false, {size: 1232}: false, {size: 1232, flags: 4}: true} {
		if got := WantsDNSSEC(f.query("www.example.org.", dns.TypeA)); got != want {
			t.Errorf("%v: got %t, want %t", f, got, want)
		}
	}
}

// subnets returns the client subnet options of m, each as ADDRESS/SOURCE/SCOPE.
func subnets(m *dns.Msg) string {
	var all []string
	for _, option := range m.IsEdns0().Option {
		if s, ok := option.(*dns.EDNS0_SUBNET); ok {
			all = append(all, fmt.Sprintf("%s/%d/%d", s.Address, s.SourceNetmask, s.SourceScope))
		}
	}
	return strings.Join(all, " ")
}

func TestSubnet(t *testing.T) {
	v4, v6 := net.IPv4(198, 51, 100, 0), net.ParseIP("2001:db8:1::")
	for _, tc := range []struct {
		name string
		ecs  dns.EDNS0_SUBNET
		ok   bool
		addr string
	}{
		{"IPv4", dns.EDNS0_SUBNET{Family: 1, SourceNetmask: 24, Address: v4.To4()}, true, "198.51.100.0"},
		{"IPv4 in 16 bytes", dns.EDNS0_SUBNET{Family: 1, SourceNetmask: 24, Address: v4}, true, "198.51.100.0"},
		{"IPv6", dns.EDNS0_SUBNET{Family: 2, SourceNetmask: 48, Address: v6}, true, "2001:db8:1::"},
		{"no bits", dns.EDNS0_SUBNET{Family: 1, Address: net.IPv4zero}, true, "0.0.0.0"},
		{"dig +subnet=0", dns.EDNS0_SUBNET{}, true, "invalid IP"},
		{"a scope", dns.EDNS0_SUBNET{Family: 1, SourceNetmask: 24, SourceScope: 1, Address: v4}, false, "198.51.100.0"},
		{"bits beyond the length", dns.EDNS0_SUBNET{Family: 1, SourceNetmask: 20, Address: v4}, false, "198.51.100.0"},
		{"bits beyond the length of IPv6", dns.EDNS0_SUBNET{Family: 2, SourceNetmask: 47, Address: v6}, false, "2001:db8:1::"},
		{"longer than the address", dns.EDNS0_SUBNET{Family: 1, SourceNetmask: 33, Address: v4}, false, "198.51.100.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := form{size: 1232}.query("www.example.org.", dns.TypeA)
			r.IsEdns0().Option = []dns.EDNS0{new(dns.EDNS0_NSID), &tc.ecs}
			ecs, ok := Subnet(r)
			if ecs != &tc.ecs || ok != tc.ok {
				t.Errorf("got %v, %t, want %t", ecs, ok, tc.ok)
			}
			if got := SubnetAddr(&tc.ecs).String(); got != tc.addr {
				t.Errorf("address %s, want %s", got, tc.addr)
			}
		})
	}
	for _, size := range []int{-1, 1232} {
		if ecs, ok := Subnet(form{size: size}.query("www.example.org.", dns.TypeA)); ecs != nil || !ok {
			t.Errorf("size %d, no option: got %v, %t", size, ecs, ok)
		}
	}
}

func TestEchoSubnetLeavesTheQuery(t *testing.T) {
	r := form{size: 1232, options: "ecs"}.query("www.example.org.", dns.TypeA)
	ecs, _ := Subnet(r)
	m := NoData(r, "example.org.", 30)
	EchoSubnet(m, r, ecs, 16)
	if subnets(m) != "192.0.2.0/24/16" || subnets(r) != "192.0.2.0/24/0" {
		t.Errorf("got %s, and the query has %s", subnets(m), subnets(r))
	}
	m = NoData(r, "example.org.", 30)
	if EchoSubnet(m, r, nil, 0); len(m.Extra) != 0 {
		t.Errorf("without an option: %v", m.Extra)
	}
}

func TestTakeSubnet(t *testing.T) {
	r := form{size: 1232, options: "ecs"}.query("www.example.org.", dns.TypeA)
	m := NoData(r, "example.org.", 30)
	m.Extra = append(m.Extra, rr(t, "ns.example.org. 30 IN A 192.0.2.53"))
	Explain(m, r, "kept")
	ecs, _ := Subnet(r)
	EchoSubnet(m, r, ecs, 20)
	EchoSubnet(m, r, ecs, 16)
	if scope := TakeSubnet(m); scope != 20 || subnets(m) != "" || fmt.Sprint(extended(m)) != "[kept]" || len(m.Extra) != 2 {
		t.Errorf("scope %d, want 20; left is\n%v", scope, m.Extra)
	}
	if scope := TakeSubnet(m); scope != 0 {
		t.Errorf("scope %d of none", scope)
	}
	if addr := SubnetAddr(ecs); addr != netip.MustParseAddr("192.0.2.0") {
		t.Errorf("the option of the query has the address %s", addr)
	}
}
