package test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// inPath is set in the process of a test that runs on the prober of a path. It
// has the prefix of the path's namespaces.
const inPath = "RRHEALTH_TEST_PATH"

// A path is three hosts in network namespaces, prober, router and backend, of
// which only the router has a way to both others' addresses.
type path struct {
	t      *testing.T
	prefix string
}

const farV4, farV6 = "10.98.3.1", "fd98:3::1"

// TestOnlyLocalErrorsKeepAnUnreachableBackend: a backend behind a router leaves
// the answers, if the router reports something or nothing. Where the local
// system has no way to the backend, it stays.
func TestOnlyLocalErrorsKeepAnUnreachableBackend(t *testing.T) {
	if prefix := os.Getenv(inPath); prefix != "" {
		onThePath(t, path{t, prefix})
		return
	}
	_, noIP := exec.LookPath("ip")
	_, noNFT := exec.LookPath("nft")
	if os.Getuid() != 0 || noIP != nil || noNFT != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root, ip and nft, for network namespaces")
		}
		t.Skip("needs root, ip and nft, for network namespaces")
	}
	p := path{t, fmt.Sprintf("rrhpath-%d-", os.Getpid())}
	p.build()
	cmd := exec.Command("ip", "netns", "exec", p.prefix+"p", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "4m") // #nosec G204 -- this test itself
	cmd.Env = append(os.Environ(), inPath+"="+p.prefix)
	out, err := cmd.CombinedOutput()
	t.Logf("on the prober:\n%s", out)
	if err != nil {
		t.Error(err)
	}
}

func onThePath(t *testing.T, p path) {
	t.Helper()
	p.serve("b", farV4, farV6)
	p.serve("p", "127.0.0.1", "::1")
	checks := map[string]string{
		"tcp": "tcp://:8080", "http": "http://:8081", "icmp": "icmp", "udp": "udp://:8080 {\nsend ping\nexpect ping\n}",
	}
	stanzas := ""
	for kind, check := range checks {
		stanzas += fmt.Sprintf("rrhealth %s.example.org {\nbackend %s 127.0.0.1 %s ::1\ninterval 300ms fast 100ms\ntimeout 250ms\ncheck %s\n}\n", kind, farV4, farV6, check)
	}
	s := harness.Start(t, harness.Corefile(stanzas))
	settled := func(far bool) {
		t.Helper()
		v4, v6 := []string{"127.0.0.1"}, []string{"::1"}
		if far {
			v4, v6 = append(v4, farV4), append(v6, farV6)
		}
		for kind := range checks {
			s.Settled(kind+".example.org.", dns.TypeA, v4...)
			s.Settled(kind+".example.org.", dns.TypeAAAA, v6...)
		}
	}
	for _, tc := range []struct {
		name       string
		begin, end string // of the trouble, for sh: $P, $R and $B are the namespaces
		local      string // the local error; "" for trouble elsewhere
	}{
		{"a router without a route", "way $R del", "way $R add via", ""},
		{"a router without a route, at every probe", "on $R nft add rule inet f fw reject with icmpx no-route", "on $R nft flush chain inet f fw", ""},
		{"a router with a prohibiting route", "way $R del; way $R add prohibit", "way $R del prohibit; way $R add via", ""},
		{"a router with an unreachable route", "way $R del; way $R add unreachable", "way $R del unreachable; way $R add via", ""},
		{"a router with a blackhole", "way $R del; way $R add blackhole", "way $R del blackhole; way $R add via", ""},
		{"a router with a firewall", "on $R nft add rule inet f fw reject with icmpx admin-prohibited", "on $R nft flush chain inet f fw", ""},
		{"a router that is switched off", "on $R nft add rule netdev off c drop; flush", "on $R nft flush chain netdev off c; flush", ""},
		{"no route here", "way $P del default", "way $P add default", "ENETUNREACH"},
		{"a prohibiting route here", "way $P add prohibit", "way $P del prohibit", "EACCES"},
		{"an unreachable route here", "way $P add unreachable", "way $P del unreachable", "EHOSTUNREACH"},
		{"a blackhole here", "way $P add blackhole", "way $P del blackhole", "EINVAL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settled(true)
			p.sh(tc.begin)
			if tc.local == "" {
				settled(false)
			} else {
				// Eight targets, stale after five intervals: in eleven of
				// them each has become unknown.
				before := localErrorsOf(t, tc.local)
				harness.Eventually(t, "local errors", func() bool {
					return localErrorsOf(t, tc.local) >= before+8*11
				})
				for kind := range checks {
					if a, b := s.Ask(kind+".example.org.", dns.TypeA), s.Ask(kind+".example.org.", dns.TypeAAAA); len(a.Answer) != 2 || len(b.Answer) != 2 {
						t.Errorf("%s: answers are %v and %v, want both addresses", kind, harness.Addrs(a), harness.Addrs(b))
					}
				}
			}
			p.sh(tc.end)
			settled(true)
		})
	}
}

// build makes the three hosts. The kernel's limit of one ICMP error a second is
// off, or most probes would time out (the one for errors of routing is not to be
// set for a namespace), and neighbors are given up soon.
func (p path) build() {
	p.t.Helper()
	p.t.Cleanup(func() { p.sh("for n in $P $R $B; do ip netns del $n || true; done") })
	p.sh(`
for n in $P $R $B; do ip netns add $n; ip -n $n link set lo up; done
net() { on $1 sh -c "echo $3 >/proc/sys/net/$2"; }
net $R ipv4/ip_forward 1; net $R ipv6/conf/all/forwarding 1; net $R ipv4/icmp_ratelimit 0; net $R ipv6/icmp/ratelimit 0
ip -n $P link add r type veth peer name p netns $R
ip -n $B link add r type veth peer name b netns $R
link() { ip -n $1 addr add $3/24 dev $2; ip -n $1 addr add $4/64 dev $2 nodad; ip -n $1 link set dev $2 up; }
link $P r 10.98.1.1 fd98:1::1; link $R p 10.98.1.2 fd98:1::2
link $R b 10.98.2.1 fd98:2::1; link $B r 10.98.2.2 fd98:2::2
ip -n $B addr add $V4/32 dev lo; ip -n $B addr add $V6/128 dev lo nodad
ip -n $B route add default via 10.98.2.1; ip -n $B route add default via fd98:2::1
way $P add default; way $R add via
net $P ipv4/neigh/r/retrans_time_ms 50; net $P ipv6/neigh/r/retrans_time_ms 50
on $R nft "add table inet f; add chain inet f fw { type filter hook forward priority 0; }"
on $R nft "add table netdev off; add chain netdev off c { type filter hook ingress device p priority 0; }"
`)
}

// sh runs a script on the paths' hosts.
func (p path) sh(script string) {
	p.t.Helper()
	const words = `set -e
on() { ip netns exec "$@"; }
flush() { ip -n $P neigh flush dev r nud all; ip -n $P -6 neigh flush dev r nud all; }
way() {
	n=$1; shift
	case "$*" in
	"add via") ip -n $n route add $V4 via 10.98.2.2; ip -n $n route add $V6 via fd98:2::2;;
	*default) ip -n $n route $1 default via 10.98.1.2; ip -n $n route $1 default via fd98:1::2;;
	*) ip -n $n route $* $V4; ip -n $n -6 route $* $V6;;
	esac
}
`
	cmd := exec.Command("sh", "-c", words+script) // #nosec G204 -- the words of this file
	cmd.Env = append(os.Environ(), "P="+p.prefix+"p", "R="+p.prefix+"r", "B="+p.prefix+"b", "V4="+farV4, "V6="+farV6)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// serve answers every check at addrs of a host. Sockets belong to the namespace
// that their thread is in when it opens them.
func (p path) serve(host string, addrs ...string) {
	p.t.Helper()
	for _, addr := range addrs {
		var tcp, http net.Listener
		var udp net.PacketConn
		p.within(host, func() (err error) {
			if tcp, err = net.Listen("tcp", net.JoinHostPort(addr, "8080")); err != nil {
				return err
			}
			if http, err = net.Listen("tcp", net.JoinHostPort(addr, "8081")); err != nil {
				return err
			}
			udp, err = net.ListenPacket("udp", net.JoinHostPort(addr, "8080"))
			return err
		})
		p.t.Cleanup(func() { _, _ = tcp.Close(), udp.Close() })
		accept(tcp, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		serveHTTP(p.t, http, harness.Healthy)
		go echoPackets(udp)
	}
}

func echoPackets(c net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(buf[:n], from)
	}
}

// within runs f on a thread in the namespace of host. The thread ends with it.
func (p path) within(host string, f func() error) {
	p.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: others have no use for it
		ns, err := os.Open("/run/netns/" + p.prefix + host)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		p.t.Fatalf("in the namespace of %s: %v", host, err)
	}
}

// localErrorsOf returns how many probes have ended in a local error of a kind.
func localErrorsOf(t *testing.T, reason string) float64 {
	t.Helper()
	return harness.Metric(t, "coredns_rrhealth_probe_local_errors_total", "reason", reason)
}
