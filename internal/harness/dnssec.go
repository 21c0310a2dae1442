package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/lease"
)

// SOA begins a zone that Zone writes: its SOA record, name server, and the
// address of that.
const SOA = "@ IN SOA ns hostmaster 1 7200 1800 86400 60\n@ IN NS ns\nns IN A 192.0.2.53\n"

// NewKey writes a signing key for example.org the way the dnssec plugin reads
// it. It returns the name of its files, without extension, and its DNSKEY.
func NewKey(t testing.TB) (base string, key *dns.DNSKEY) {
	t.Helper()
	return NewKeyFor(t, "example.org.")
}

// NewKeyFor does the same for another zone.
func NewKeyFor(t testing.TB, zone string) (base string, key *dns.DNSKEY) {
	t.Helper()
	key = &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	base = filepath.Join(t.TempDir(), fmt.Sprintf("K%s+%03d+%05d", zone, key.Algorithm, key.KeyTag()))
	for name, text := range map[string]string{
		base + ".key":     key.String() + "\n",
		base + ".private": key.PrivateKeyString(private),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return base, key
}

// Presigned signs a zone file with a key that the server does not have.
func Presigned(t testing.TB, file string) (signed string, key *dns.DNSKEY) {
	t.Helper()
	path := Program(t, "ldns-signzone", "ldnsutils")
	base, key := NewKey(t)
	signed = filepath.Join(t.TempDir(), "db.example.org.signed")
	Run(t, "", path, "-o", "example.org.", "-f", signed, file, base)
	return signed, key
}

// Unbound starts a validating resolver that knows example.org's key and asks
// the server at addr for it. It keeps nothing, so that every query shows what
// the server answers now.
func Unbound(t testing.TB, addr string, key *dns.DNSKEY) *Asker {
	t.Helper()
	path := Program(t, "unbound", "unbound")
	dir, port := t.TempDir(), lease.Port(t, "127.0.0.1")
	host, serverPort, _ := strings.Cut(addr, ":")
	config := filepath.Join(dir, "unbound.conf")
	text := fmt.Sprintf(`server:
	interface: 127.0.0.1@%s
	port: %s
	directory: %q
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	do-daemonize: no
	do-ip6: no
	num-threads: 1
	do-not-query-localhost: no
	module-config: "validator iterator"
	trust-anchor: %q
	val-log-level: 2
	cache-max-ttl: 0
	cache-max-negative-ttl: 0
	aggressive-nsec: no
	local-zone: "example.net." static
stub-zone:
	name: "example.org"
	stub-addr: %s@%s
remote-control:
	control-enable: no
`, port, port, dir, strings.ReplaceAll(key.String(), "\t", " "), host, serverPort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	Background(t, path, "-d", "-c", config)
	Eventually(t, "unbound answers", func() bool {
		_, err := Exchange(Query("example.org.", dns.TypeSOA, true), "udp", "127.0.0.1:"+port)
		return err == nil
	})
	return NewAsker(t, "127.0.0.1:"+port)
}
