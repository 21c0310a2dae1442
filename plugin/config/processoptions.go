package config

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

const listenForm = "write ADDRESS:PORT, such as 127.0.0.1:8053 or [::1]:8053"

// parseStatus reads where the status page is served.
func (p *processParser) parseStatus(l Line) error {
	p.read(l.Block, statusOptions)
	if len(l.args()) != 1 {
		return l.Errorf("status: not one address (got %s); %s", quoted(l.args()), listenForm)
	}
	text := l.args()[0]
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return l.Errorf("status: not an address with a port (got %q); %s", text, listenForm)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return l.Errorf("status: not a port (got %q); write a number up to 65535", port)
	}
	addr := netip.AddrFrom4([4]byte{127, 0, 0, 1}) // the page shows names and addresses: the network gets it on demand only
	if host != "" && host != "localhost" {
		if addr, err = netip.ParseAddr(host); err != nil {
			return l.Errorf("status: not an IP address (got %q); %s", host, listenForm)
		}
	}
	p.Status = netip.AddrPortFrom(addr, uint16(number))
	return listenable(l, addr)
}

// listenable returns an error if no server can listen on addr.
func listenable(l Line, addr netip.Addr) error {
	single := netip.PrefixFrom(addr, addr.BitLen())
	switch {
	case addr.Is4In6():
		return l.Errorf("status: an IPv4 address in IPv6 form (got %q); write %s", addr, addr.Unmap())
	case linkLocal6(single) && addr.Zone() == "":
		return l.Errorf("status: a link-local address without its zone (got %q); write [%s%%INTERFACE]:PORT", addr, addr)
	case hostless(single) && !addr.IsUnspecified():
		return l.Errorf("status: no host has this address (got %q); write one of this machine, or 0.0.0.0 or [::] for all", addr)
	}
	return nil
}

// parseHosts reads the names that requests for the status page may be for. Without
// them, a web page that a browser shows could read the status: its name server
// answers the address of this machine for the page's own name (DNS rebinding).
func (p *processParser) parseHosts(l Line) error {
	switch names := l.args(); {
	case len(names) == 0:
		return l.Errorf("host: no name; write host NAME..., or host * for any name")
	case slices.Contains(names, "*") && len(names) > 1:
		return l.Errorf("host: * beside names (got %s); write one or the other", quoted(names))
	case names[0] == "*":
		p.AnyHost = true
		return nil
	}
	for _, arg := range l.args() {
		name := strings.TrimSuffix(strings.ToLower(arg), ".")
		if _, ok := dns.IsDomainName(name); !ok || name == "" || strings.ContainsFunc(name, notInNames) {
			return l.Errorf("host: not a name (got %q); write names without scheme and port, such as status.example.org", arg)
		}
		if slices.Contains(p.StatusHosts, name) {
			return l.Errorf("host: given twice (got %q); write each name once", arg)
		}
		p.StatusHosts = append(p.StatusHosts, name)
	}
	return nil
}

// maxSocketPath is how many bytes the path of a socket may have: macOS and the
// BSDs have room for 104 with the final zero, Linux for 108.
const maxSocketPath = 103

// parseControl reads the path of the control socket. It refuses a path that is
// something else already: a server that starts replaces the socket of the one
// before, and must not replace a file of the user.
func (p *processParser) parseControl(l Line) error {
	p.read(l.Block, controlOptions)
	path, err := p.path(l, "control PATH, such as control /run/coredns/rrhealth.sock")
	if err != nil {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case len(path) > maxSocketPath:
		return l.Errorf("control: a socket's path may have %d bytes (got %d); write a shorter one", maxSocketPath, len(path))
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return l.Errorf("control: something that is no socket has this path (got %q); write that of a file that rrhealth may create", l.args()[0])
	}
	p.Control = path
	return nil
}

// parseMode reads the mode of the control socket, as chmod does.
func (p *processParser) parseMode(l Line) error {
	const want = "write an octal number from 0600 to 0666, such as 0660"
	if len(l.args()) != 1 {
		return l.Errorf("mode: not one number (got %s); %s", quoted(l.args()), want)
	}
	bits, err := strconv.ParseUint(l.args()[0], 8, 32)
	if err != nil || bits&0o600 != 0o600 || bits&^0o666 != 0 {
		return l.Errorf("mode: not the mode of a socket (got %q); %s", l.args()[0], want)
	}
	p.Mode = fs.FileMode(bits)
	return nil
}

// parseGroup reads the group of the control socket. A number need not have a name:
// an image without /etc/group has none.
func (p *processParser) parseGroup(l Line) error {
	const want = "write the name or the number of one"
	if len(l.args()) != 1 {
		return l.Errorf("group: not one group (got %s); %s", quoted(l.args()), want)
	}
	name := l.args()[0]
	id := name
	if _, err := strconv.ParseUint(name, 10, 31); err != nil {
		group, err := user.LookupGroup(name)
		if err != nil {
			return l.Errorf("group: this machine has no such group (got %q); %s", name, want)
		}
		id = group.Gid
	}
	gid, err := strconv.Atoi(id)
	if err != nil {
		return l.Errorf("group: this system has no numbers for groups (got %q); leave it out", name)
	}
	p.Group, p.GID = name, gid
	return nil
}

// parseState reads the directory of the state file. It may be missing.
func (p *processParser) parseState(l Line) error {
	path, err := p.path(l, "state DIRECTORY, such as state /var/lib/coredns")
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return l.Errorf("state: not a directory (got %q); write the path of one", l.args()[0])
	}
	p.State = path
	return nil
}

// path returns the absolute path that l names, in the root of the server block if
// it is relative; form is how to write it. A path that begins with @ would be that
// of a socket without a file mode, which any user could open: it is relative.
func (p *processParser) path(l Line, form string) (string, error) {
	if len(l.args()) != 1 || l.args()[0] == "" || strings.ContainsRune(l.args()[0], 0) {
		return "", l.Errorf("%s: not one path (got %s); write %s", l.word(), quoted(l.args()), form)
	}
	path := l.args()[0]
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.in.Root, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", l.Errorf("%s: no working directory that a relative path could start from (%v); write an absolute one", l.word(), err)
	}
	return path, nil
}
