package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// A network is where the resolvers and the servers live: addresses on the
// loopback device that are not loopback addresses, which Knot would not ask.
type network struct {
	t    *testing.T
	root *dns.DNSKEY
	hint string // a file of root hints
	dir  string
}

const (
	rootServer = "10.53.0.1"
	v4Backend  = "10.53.1.11"  // nothing listens here
	v6Backend  = "fd53::1:13"  // something does
	unsigned   = "10.53.0.100" // the server of the zones that are not signed
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	ip := harness.Program(t, "ip", "iproute2")
	harness.Run(t, "", ip, "route", "add", "local", "10.53.0.0/16", "dev", "lo")
	for i := range 4 { // named listens on addresses of interfaces only
		harness.Run(t, "", ip, "address", "add", fmt.Sprintf("10.53.2.%d/32", i+1), "dev", "lo")
	}
	harness.Run(t, "", ip, "address", "add", v6Backend+"/128", "dev", "lo", "nodad")
	n := &network{t: t, dir: t.TempDir()}
	n.hint = n.write("hints", ". 3600000 IN NS a.root.\na.root. 3600000 IN A "+rootServer+"\n")
	return n
}

// write writes a file and returns its name.
func (n *network) write(name, text string) string {
	n.t.Helper()
	file := filepath.Join(n.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return file
}

// signedRoot writes a signed root zone that delegates the zones of keys
// securely, to the addresses given. It returns the server block for it.
func (n *network) signedRoot(servers map[string]string, keys map[string]*dns.DNSKEY) string {
	n.t.Helper()
	zone := ". 300 IN SOA a.root. hostmaster. 1 7200 1800 86400 60\n. 300 IN NS a.root.\na.root. 300 IN A " + rootServer + "\n"
	for name, addr := range servers {
		zone += fmt.Sprintf("%s 300 IN NS ns.%s\nns.%s 300 IN A %s\n%s\n", name, name, name, addr, keys[name].ToDS(dns.SHA256))
	}
	base, key := harness.NewKeyFor(n.t, ".")
	n.root = key
	file := n.write("root", zone)
	harness.Run(n.t, n.dir, harness.Program(n.t, "ldns-signzone", "ldnsutils"), "-o", ".", "-f", file+".signed", file, base)
	return fmt.Sprintf(".:53 {\nbind %s\nerrors\nfile %s.signed .\n}\n", rootServer, file)
}

// A resolver is a validating resolver.
type resolver struct {
	program, addr string
	args          []string
	*harness.Asker
	t *testing.T
}

// resolvers starts four of them, which know the root's key and nothing else,
// with caches and the use of NSEC records as they come.
func (n *network) resolvers() []resolver {
	n.t.Helper()
	all := []resolver{n.unbound("10.53.2.1"), n.bind("10.53.2.2"), n.powerDNS("10.53.2.3"), n.knot("10.53.2.4")}
	for _, r := range all {
		harness.Background(n.t, r.program, r.args...)
	}
	for i, r := range all {
		harness.Eventually(n.t, r.program+" answers", func() bool {
			m, err := harness.Exchange(harness.Query(".", dns.TypeSOA, true), "udp", r.addr+":53")
			return err == nil && m.AuthenticatedData
		})
		all[i].t, all[i].Asker = n.t, harness.NewAsker(n.t, r.addr+":53")
	}
	return all
}

func (n *network) unbound(addr string) resolver {
	config := n.write("unbound.conf", fmt.Sprintf(`server:
	interface: %s
	access-control: 10.0.0.0/8 allow
	directory: %q
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	do-daemonize: no
	do-ip6: no
	num-threads: 1
	root-hints: %q
	trust-anchor: %q
	val-log-level: 2
remote-control:
	control-enable: no
`, addr, n.dir, n.hint, strings.ReplaceAll(n.root.String(), "\t", " ")))
	return resolver{program: harness.Program(n.t, "unbound", "unbound"), addr: addr, args: []string{"-d", "-c", config}}
}

func (n *network) bind(addr string) resolver {
	config := n.write("named.conf", fmt.Sprintf(`options {
	directory %q;
	listen-on { %s; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion yes;
	allow-query { any; };
	dnssec-validation yes;
	empty-zones-enable no;
};
controls {};
trust-anchors { "." static-key %d %d %d %q; };
zone "." { type hint; file %q; };
`, n.dir, addr, n.root.Flags, n.root.Protocol, n.root.Algorithm, n.root.PublicKey, n.hint))
	return resolver{program: harness.Program(n.t, "named", "bind9"), addr: addr, args: []string{"-g", "-c", config}}
}

func (n *network) powerDNS(addr string) resolver {
	ds := n.root.ToDS(dns.SHA256)
	anchor := n.write("recursor.lua", fmt.Sprintf("clearTA()\naddTA('.', '%d %d %d %s')\n", ds.KeyTag, ds.Algorithm, ds.DigestType, ds.Digest))
	n.write("recursor.conf", fmt.Sprintf(`local-address=%s
allow-from=10.0.0.0/8
dont-query=
hint-file=%s
dnssec=validate
lua-config-file=%s
socket-dir=%s
`, addr, n.hint, anchor, n.dir))
	return resolver{program: harness.Program(n.t, "pdns_recursor", "pdns-recursor"), addr: addr, args: []string{"--config-dir=" + n.dir, "--daemon=no"}}
}

func (n *network) knot(addr string) resolver {
	anchor := strings.ReplaceAll(n.root.ToDS(dns.SHA256).String(), "\t", " ")
	config := n.write("kresd.conf", fmt.Sprintf(`net.ipv6 = false
net.listen('%s', 53, { kind = 'dns' })
modules = { 'hints > iterate' }
cache.size = 10 * MB
trust_anchors.remove('.')
trust_anchors.add(%q)
hints.root({ ['a.root.'] = { %q } })
`, addr, anchor, rootServer))
	return resolver{program: harness.Program(n.t, "kresd", "knot-resolver"), addr: addr, args: []string{"-n", "-c", config, n.dir}}
}
