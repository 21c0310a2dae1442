package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// process returns the process stanza of a server block for example.org whose root
// is dir.
func process(t *testing.T, dir, block string) *Process {
	t.Helper()
	stanzas, p, err := Parse(text("rrhealth {\n"+block+"\n}"), Block{Zones: exampleOrg.Zones, Root: dir})
	if err != nil {
		t.Fatalf("%q: %v", block, err)
	}
	if p == nil || len(stanzas) > 0 {
		t.Fatalf("%q: process stanza %v beside %d others, want one beside none", block, p, len(stanzas))
	}
	return p
}

// goodProcesses are the blocks of process stanzas, with what they set.
var goodProcesses = []struct{ block, want string }{
	{"status 127.0.0.1:8053", "127.0.0.1:8053 []"},
	{"status [::1]:8053", "[::1]:8053 []"},
	{"status :8053", "127.0.0.1:8053 []"}, // loopback only
	{"status localhost:8053", "127.0.0.1:8053 []"},
	{"status 0.0.0.0:80", "0.0.0.0:80 []"},
	{"status [::]:80", "[::]:80 []"},
	{"status [fe80::1%eth0]:80", "[fe80::1%eth0]:80 []"},
	{"status 192.0.2.1:0", "192.0.2.1:0 []"},
	{"status :1 {\nhost Status.example.org. ns1\n}", "127.0.0.1:1 [status.example.org ns1]"},
	{"status :1 {\nhost *\n}", "127.0.0.1:1 any"},
	{"status :1 {\n}", "127.0.0.1:1 []"},
	{"control /run/x.sock", "/run/x.sock 0660"},
	{"control x.sock", "/root/x.sock 0660"},
	{"control ../run//x.sock", "/run/x.sock 0660"},
	{"control @x", "/root/@x 0660"}, // never an abstract socket, which has no mode
	{"control /run/x.sock {\nmode 0600\n}", "/run/x.sock 0600"},
	{"control /run/x.sock {\nmode 666\n}", "/run/x.sock 0666"},
	{"control /run/x.sock {\nmode 0640\ngroup 0\n}", "/run/x.sock 0640 group 0, number 0"},
	{"control /run/x.sock {\ngroup 2147483647\n}", "/run/x.sock 0660 group 2147483647, number 2147483647"},
	{"state /var/lib/x", "state /var/lib/x"},
	{"state .", "state /root"},
	{"state /tmp\ncontrol /x\nstatus :1", "127.0.0.1:1 [] /x 0660 state /tmp"},
}

func TestAProcessStanzaIsAsTheCorefileHasIt(t *testing.T) {
	for _, tc := range goodProcesses {
		p := process(t, "/root", tc.block)
		if got := described(p); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.block, got, tc.want)
		}
		checkProcess(t, p)
	}
}

// described returns what p sets.
func described(p *Process) string {
	var all []string
	if p.Status.IsValid() {
		hosts := fmt.Sprint(p.StatusHosts)
		if p.AnyHost {
			hosts = "any"
		}
		all = append(all, p.Status.String(), hosts)
	}
	if p.Control != "" {
		all = append(all, p.Control, fmt.Sprintf("%#o", p.Mode))
	}
	if p.Group != "" {
		all = append(all, fmt.Sprintf("group %s, number %d", p.Group, p.GID))
	}
	if p.State != "" {
		all = append(all, "state "+p.State)
	}
	return strings.Join(all, " ")
}

// checkProcess complains about what is missing or unsafe in p.
func checkProcess(t *testing.T, p *Process) {
	t.Helper()
	if !p.Status.IsValid() && (p.AnyHost || len(p.StatusHosts) > 0) || p.AnyHost && len(p.StatusHosts) > 0 {
		t.Errorf("accepted the status page %+v", p)
	}
	for _, name := range p.StatusHosts {
		if _, ok := dns.IsDomainName(name); !ok || name != strings.ToLower(strings.TrimSuffix(name, ".")) {
			t.Errorf("accepted the host %q", name)
		}
	}
	for _, path := range []string{p.Control, p.State} {
		if path != "" && !filepath.IsAbs(path) {
			t.Errorf("accepted the path %q", path)
		}
	}
	if p.Mode&0o600 != 0o600 || p.Mode&^0o666 != 0 || len(p.Control) > 103 || p.Group == "" && p.GID != 0 || p.GID < 0 {
		t.Errorf("accepted the control socket %+v", p)
	}
	if !p.Status.IsValid() && p.Control == "" && p.State == "" {
		t.Error("accepted a process stanza that sets nothing")
	}
}

// Errors that the golden file does not have.
func TestBadProcessStanzasGetErrorsThatHelp(t *testing.T) {
	const listen = "; write ADDRESS:PORT, such as 127.0.0.1:8053 or [::1]:8053"
	long := "/" + strings.Repeat("x", 103)
	for block, want := range map[string]string{
		"status":                            "status: not one address (got nothing)" + listen,
		"status 127.0.0.1 8053":             `status: not one address (got "127.0.0.1 8053")` + listen,
		"status ::1:8053":                   `status: not an address with a port (got "::1:8053")` + listen,
		"status web.example.org:80":         `status: not an IP address (got "web.example.org")` + listen,
		"status *:80":                       `status: not an IP address (got "*")` + listen,
		"status 127.0.0.1:http":             `status: not a port (got "http"); write a number up to 65535`,
		"status 127.0.0.1:":                 `status: not a port (got ""); write a number up to 65535`,
		"status [::ffff:127.0.0.1]:80":      `status: an IPv4 address in IPv6 form (got "::ffff:127.0.0.1"); write 127.0.0.1`,
		"status [fe80::1]:80":               `status: a link-local address without its zone (got "fe80::1"); write [fe80::1%INTERFACE]:PORT`,
		"status 224.0.0.1:80":               `status: no host has this address (got "224.0.0.1"); write one of this machine, or 0.0.0.0 or [::] for all`,
		"status [ff02::1%eth0]:80":          `status: no host has this address (got "ff02::1%eth0"); write one of this machine, or 0.0.0.0 or [::] for all`,
		"status :1 {\nhost\n}":              "host: no name; write host NAME..., or host * for any name",
		"status :1 {\nhost * x\n}":          `host: * beside names (got "* x"); write one or the other`,
		"status :1 {\nhost x:80\n}":         `host: not a name (got "x:80"); write names without scheme and port, such as status.example.org`,
		"status :1 {\nhost .\n}":            `host: not a name (got "."); write names without scheme and port, such as status.example.org`,
		"status :1 {\nhost x X.\n}":         `host: given twice (got "X."); write each name once`,
		"status :1 {\nhost x\nhost y\n}":    "host: given at Corefile:3 already, want it once",
		"status :1 {\nhost x {\n}\n}":       "host: unexpected block { ... }, want none",
		"status :1 {\nimport hosts\n}":      "import: CoreDNS did not expand it (got import hosts)",
		"status :1 {\nhost \uFFFD\n}":       `"host": word 2 is not UTF-8`,
		"control":                           "control: not one path (got nothing); write control PATH, such as control /run/coredns/rrhealth.sock",
		`control ""`:                        `control: not one path (got ""); write control PATH, such as control /run/coredns/rrhealth.sock`,
		"control /x 0660":                   `control: not one path (got "/x 0660"); write control PATH, such as control /run/coredns/rrhealth.sock`,
		"control " + long:                   "control: a socket's path may have 103 bytes (got 104); write a shorter one",
		"control parse.go":                  `control: something that is no socket has this path (got "parse.go"); write that of a file that rrhealth may create`,
		"control .":                         `control: something that is no socket has this path (got "."); write that of a file that rrhealth may create`,
		"control /x {\nmode\n}":             "mode: not one number (got nothing); write an octal number from 0600 to 0666, such as 0660",
		"control /x {\nmode 0060\n}":        `mode: not the mode of a socket (got "0060"); write an octal number from 0600 to 0666, such as 0660`,
		"control /x {\nmode 0670\n}":        `mode: not the mode of a socket (got "0670"); write an octal number from 0600 to 0666, such as 0660`,
		"control /x {\nmode 4660\n}":        `mode: not the mode of a socket (got "4660"); write an octal number from 0600 to 0666, such as 0660`,
		"control /x {\nmode 0o660\n}":       `mode: not the mode of a socket (got "0o660"); write an octal number from 0600 to 0666, such as 0660`,
		"control /x {\nmode rw-rw----\n}":   `mode: not the mode of a socket (got "rw-rw----"); write an octal number from 0600 to 0666, such as 0660`,
		"control /x {\ngroup\n}":            "group: not one group (got nothing); write the name or the number of one",
		"control /x {\ngroup a b\n}":        `group: not one group (got "a b"); write the name or the number of one`,
		"control /x {\ngroup -1\n}":         `group: this machine has no such group (got "-1"); write the name or the number of one`,
		"control /x {\ngroup 4294967295\n}": `group: this machine has no such group (got "4294967295"); write the name or the number of one`, // means no change
		"control /x {\nhost x\n}":           `unknown option "host"; use one of mode, group`,
		"state":                             "state: not one path (got nothing); write state DIRECTORY, such as state /var/lib/coredns",
		"state /x {\n}":                     "state: unexpected block { ... }, want none",
		"state parse.go":                    `state: not a directory (got "parse.go"); write the path of one`,
	} {
		_, p, err := Parse(text("rrhealth {\n"+block+"\n}"), Block{Zones: exampleOrg.Zones})
		if err == nil || !strings.HasPrefix(err.Error(), "Corefile:") || !strings.Contains(err.Error(), " - Error during parsing: "+want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q:\ngot  %v\nwant %s", block, err, want)
		}
		if p == nil || p.at.No != 1 {
			t.Errorf("%q: no Process, want one for the errors of the next server block", block)
		}
	}
}

// A socket of a server before may be in the way; a server replaces it.
func TestASocketMayBeThereAlready(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "x.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if p := process(t, dir, "control x.sock"); p.Control != filepath.Join(dir, "x.sock") {
		t.Errorf("control %s, want the socket in %s", p.Control, dir)
	}
	if err := os.Symlink("x.sock", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Parse(text("rrhealth {\ncontrol link\n}"), Block{Zones: exampleOrg.Zones, Root: dir}); err == nil {
		t.Error("accepted a link, which would be replaced")
	}
}

func TestTheZeroProcessListensNowhere(t *testing.T) {
	if p := process(t, "", "state /x"); p.Status != (netip.AddrPort{}) || p.Control != "" || p.Mode != fs.FileMode(0o660) {
		t.Errorf("%+v, want no address and no socket, and the mode that one would have", p)
	}
}
