package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// other returns the servers of other makers. They are measured if the package
// of Debian is installed.
func other() []*subject {
	return []*subject{
		{name: "gdnsd multifo", group: others, want: three, setup: gdnsd},
		{name: "PowerDNS Lua ifportup", group: others, want: three, setup: powerDNS},
		{name: "BIND, rrset-order cyclic", group: others, want: three, setup: bind},
	}
}

// errMissing is the error for a program that is not installed.
var errMissing = errors.New("not installed")

// program returns the path of a server's program. It also looks in the folders
// for daemons, which an ordinary user may not have in PATH.
func program(name string) (string, error) {
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", errMissing
}

// gdnsd probes the backends as rrhealth does, and answers with all that are up.
func gdnsd(p place) ([]string, error) {
	path, err := program("gdnsd")
	if err != nil {
		return nil, err
	}
	members := make([]string, 0, 3)
	for i, a := range addresses(3) {
		members = append(members, fmt.Sprintf("%c => %s", 'a'+i, a))
	}
	config := p.fill(`options => {
  listen => 127.0.0.1:$PORT, udp_threads => 1, tcp_threads => 1
  run_dir => $DIR/run, state_dir => $DIR/state
}
service_types => { web => { plugin => tcp_connect, port => $BACKENDS, interval => 10 } }
plugins => { multifo => { www => { service_types => web, ` + strings.Join(members, ", ") + " } } }\n")
	if _, err := p.write("config", config); err != nil {
		return nil, err
	}
	_, err = p.write("zones/example.org", zoneText("www IN DYNA multifo!www\n"))
	return []string{path, "-c", p.dir, "start"}, err
}

// powerDNS serves a Lua record with the backends whose port is open.
func powerDNS(p place) ([]string, error) {
	path, err := program("pdns_server")
	if err != nil {
		return nil, err
	}
	lua := p.fill(`www IN LUA A "ifportup($BACKENDS, {'` + strings.Join(addresses(3), "','") + `'}, {selector='all'})"` + "\n")
	if _, err := p.write("zone", zoneText(lua)); err != nil {
		return nil, err
	}
	if _, err := p.write("named.conf", p.fill(`zone "example.org" { type master; file "$DIR/zone"; };`)); err != nil {
		return nil, err
	}
	_, err = p.write("pdns.conf", p.fill(`launch=bind
bind-config=$DIR/named.conf
local-address=127.0.0.1
local-port=$PORT
enable-lua-records=shared
socket-dir=$DIR
daemon=no
guardian=no
`))
	return []string{path, "--config-dir=" + p.dir}, err
}

// bind serves a zone and rotates its addresses, without probes.
func bind(p place) ([]string, error) {
	path, err := program("named")
	if err != nil {
		return nil, err
	}
	conf, err := p.write("named.conf", p.fill(`options {
  directory "$DIR"; pid-file none; session-keyfile none;
  listen-on port $PORT { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no; rrset-order { order cyclic; };
};
controls { };
zone "example.org" { type primary; file "$ZONE"; };
`))
	return []string{path, "-g", "-n", "1", "-c", conf}, err
}
