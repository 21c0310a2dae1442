package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// A site is what the servers share: a zone file, a port at which every backend
// accepts connections, an upstream to forward to.
type site struct {
	binary   string // of CoreDNS
	dir      string
	zone     string // file
	backends int    // port
	upstream int    // port
}

// A place has the directory and the ports of one server.
type place struct {
	site
	dir     string // its own
	port    int
	metrics int // port
}

// write writes a file into the server's own directory and returns its path.
func (p place) write(name, text string) (string, error) {
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// fill replaces the placeholders for ports and files.
func (p place) fill(text string) string {
	return os.Expand(text, func(key string) string {
		switch key {
		case "ZONE":
			return p.zone
		case "DIR":
			return p.dir
		case "PORT":
			return fmt.Sprint(p.port)
		case "METRICS":
			return fmt.Sprint(p.metrics)
		case "BACKENDS":
			return fmt.Sprint(p.backends)
		case "UPSTREAM":
			return fmt.Sprint(p.upstream)
		}
		return "$" + key
	})
}

// address returns the address of the nth backend. All are on this machine.
func address(n int) string { return fmt.Sprintf("127.%d.%d.%d", 1+n/62500, n/250%250, n%250+1) }

// addresses returns the first n backends.
func addresses(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = address(i)
	}
	return all
}

// names is the number of names to query: www.example.org, or n0.example.org and
// so on.
type names int

// at returns the ith name; after the last comes the first.
func (n names) at(i int) string {
	if n <= 1 {
		return "www.example.org."
	}
	return fmt.Sprintf("n%d.example.org.", i*(int(n)/asks+1)%int(n))
}

// all returns the names, without their final dots.
func (n names) all() []string {
	if n <= 1 {
		return []string{"www.example.org"}
	}
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("n%d.example.org", i)
	}
	return all
}

// queries writes the file that dnsperf reads in a loop. The order is random, so
// that no cache of the processor profits from it.
func (n names) queries(dir string) (string, error) {
	path := filepath.Join(dir, fmt.Sprintf("queries-%d", n))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	lines := n.all()
	rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return path, os.WriteFile(path, []byte(strings.Join(lines, " A\n")+" A\n"), 0o600)
}

// zoneText returns the zone example.org with the records www, for all servers
// that serve a zone.
func zoneText(www string) string {
	return "$ORIGIN example.org.\n$TTL 3600\n" +
		"@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60\n@ IN NS ns1\nns1 IN A 127.0.0.1\n" + www
}

// records returns the three backends as zone file lines.
func records() string {
	var b strings.Builder
	for _, a := range addresses(3) {
		fmt.Fprintf(&b, "www IN A %s\n", a)
	}
	return b.String()
}
