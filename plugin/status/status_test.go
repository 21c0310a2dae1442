package status

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/lease"
	"github.com/rrhealth/rrhealth/plugin/api"
)

// from returns a Service whose status has a version by which tests know it.
func from(version string) Service {
	return Service{Model: func() *Model { return &Model{Status: api.Status{Version: version}} }}
}

// shownAt returns the version that the status port shows.
func shownAt(t *testing.T, c *http.Client, address string) string {
	t.Helper()
	var got api.Status
	do(t, c, http.MethodGet, "http://"+address+api.PathStatus, "").into(t, &got)
	return got.Version
}

// start starts a Server; it is closed at the end of the test.
func start(t *testing.T, r *Registry, c Config, version string) *Server {
	t.Helper()
	s, err := r.Start(c, from(version))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// In a reload the new Server starts before the old one is closed. The listener
// stays, with its connections: there is no moment without it.
func TestAReloadKeepsTheListeners(t *testing.T) {
	var r Registry
	c := Config{Address: "127.0.0.1:" + lease.Port(t, "127.0.0.1"), Control: filepath.Join(t.TempDir(), "s")}
	first := start(t, &r, c, "1")
	before, err := os.Lstat(c.Control)
	if err != nil {
		t.Fatal(err)
	}
	kept, socket := client(t), onSocket(t, c.Control)
	if got := shownAt(t, kept, c.Address) + shownAt(t, socket, "rrhealth"); got != "11" {
		t.Fatalf("shown %s, want 1 at both", got)
	}
	members := membersOf(first)
	second := start(t, &r, c, "2")
	if got := shownAt(t, kept, c.Address) + shownAt(t, socket, "rrhealth"); got != "22" {
		t.Errorf("after the new Server has started: %s, want 2 at both", got)
	}
	first.Close()
	first.Close()
	if got := shownAt(t, kept, c.Address) + shownAt(t, socket, "rrhealth"); got != "22" {
		t.Errorf("after the old one was closed: %s, want 2 at both", got)
	}
	if after, err := os.Lstat(c.Control); err != nil || !os.SameFile(before, after) {
		t.Errorf("the socket file is another (%v)", err)
	}
	if now := membersOf(second); now != members {
		t.Errorf("connections were closed: %d, want %d", now, members)
	}
	second.Close()
	if _, err := net.Dial("tcp", c.Address); err == nil {
		t.Error("the status port listens after Close")
	}
	if _, err := os.Lstat(c.Control); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket file is there after Close (%v)", err)
	}
	third := start(t, &r, c, "3") // the address is free
	if got := shownAt(t, client(t), third.Addr()); got != "3" {
		t.Errorf("started anew: %s, want 3", got)
	}
}

// membersOf returns how many connections the listeners of s have.
func membersOf(s *Server) (n int) {
	for _, l := range s.uses {
		l.crowd.mu.Lock()
		n += len(l.crowd.members)
		l.crowd.mu.Unlock()
	}
	return n
}

// A reload that fails after the new Server has started closes it: the old one is
// shown again, with its names and permissions.
func TestAfterAFailedReloadTheOldServerIsShown(t *testing.T) {
	var r Registry
	c := Config{Address: "127.0.0.1:" + lease.Port(t, "127.0.0.1"), Control: filepath.Join(t.TempDir(), "s"), Mode: 0o600}
	start(t, &r, c, "1")
	c.Mode, c.Hosts = 0o666, []string{"ns1.example.com"}
	second := start(t, &r, c, "2")
	if mode := modeOf(t, c.Control); mode != 0o666 {
		t.Errorf("mode %#o, want that of the new Server", mode)
	}
	second.Close()
	if got := shownAt(t, client(t), c.Address); got != "1" {
		t.Errorf("shown %s, want 1", got)
	}
	if got := do(t, client(t), http.MethodGet, "http://"+c.Address+"/", "", "Host", "ns1.example.com"); got.code != http.StatusMisdirectedRequest {
		t.Errorf("a name of the Server that was closed: %d", got.code)
	}
	if mode := modeOf(t, c.Control); mode != 0o600 {
		t.Errorf("mode %#o, want that of the old Server", mode)
	}
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	file, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return file.Mode().Perm()
}

// A Server that cannot have all it needs has nothing, and changes nothing.
func TestAServerThatDoesNotStartChangesNothing(t *testing.T) {
	var r Registry
	folder := t.TempDir()
	address := "127.0.0.1:" + lease.Port(t, "127.0.0.1")
	c := Config{Address: address, Control: filepath.Join(folder, "s"), Mode: 0o600}
	start(t, &r, c, "1")
	taken, err := net.Listen("tcp", "127.0.0.1:"+lease.Port(t, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := os.WriteFile(filepath.Join(folder, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	free := "127.0.0.1:" + lease.Port(t, "127.0.0.1")
	for want, c := range map[string]Config{
		"status " + taken.Addr().String(): {Address: taken.Addr().String(), Control: c.Control, Mode: 0o666},
		"control " + folder + "/file":     {Address: free, Control: filepath.Join(folder, "file")},
		"control: no such group":          {Address: free, Control: c.Control, Group: "no-such-group"},
		"control " + folder + "/none/s":   {Address: address, Control: filepath.Join(folder, "none", "s")},
		"status 192.0.2.1:80":             {Address: "192.0.2.1:80"},
		"status nonsense":                 {Address: "nonsense"},
	} {
		s, err := r.Start(c, from("2"))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", c, err, want)
		}
		if s != nil {
			t.Errorf("%+v: a Server beside the error", c)
		}
	}
	if got := shownAt(t, client(t), address); got != "1" {
		t.Errorf("shown %s, want 1", got)
	}
	if mode := modeOf(t, c.Control); mode != 0o600 {
		t.Errorf("mode %#o, want 0600", mode)
	}
	if _, err := net.Dial("tcp", free); err == nil {
		t.Error("a port of a Server that did not start listens")
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 2 {
		t.Errorf("files %v (%v), want the socket and the file", files, err)
	}
}

// Servers with another address, or only one of the two, go their own ways.
func TestListenersComeAndGoOneByOne(t *testing.T) {
	var r Registry
	folder := t.TempDir()
	path := filepath.Join(folder, "s")
	one := start(t, &r, Config{Address: "127.0.0.1:" + lease.Port(t, "127.0.0.1"), Control: path}, "1")
	other := start(t, &r, Config{Address: "127.0.0.1:" + lease.Port(t, "127.0.0.1")}, "2")
	if got := shownAt(t, client(t), one.Addr()) + shownAt(t, client(t), other.Addr()) + shownAt(t, onSocket(t, path), "rrhealth"); got != "121" {
		t.Errorf("shown %s, want 121", got)
	}
	address := one.Addr()
	one.Close()
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("a port that no Server uses listens")
	}
	if got := shownAt(t, client(t), other.Addr()); got != "2" {
		t.Errorf("shown %s, want 2", got)
	}
	none := start(t, &r, Config{}, "3")
	if none.Addr() != "" {
		t.Errorf("a Server without a port has %s", none.Addr())
	}
	none.Close()
}

// A socket file that was removed comes back with the next reload, and the Server
// that had it leaves the new one alone.
func TestALostSocketComesBack(t *testing.T) {
	var r Registry
	c := Config{Control: filepath.Join(t.TempDir(), "s")}
	first := start(t, &r, c, "1")
	if err := os.Remove(c.Control); err != nil {
		t.Fatal(err)
	}
	second := start(t, &r, c, "2")
	first.Close()
	if got := shownAt(t, onSocket(t, c.Control), "rrhealth"); got != "2" {
		t.Errorf("shown %s, want 2", got)
	}
	third := start(t, &r, c, "3")
	second.Close()
	if got := shownAt(t, onSocket(t, c.Control), "rrhealth"); got != "3" {
		t.Errorf("shown %s, want 3", got)
	}
	if err := os.Remove(c.Control); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.Control, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(c, from("4")); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("another file in its place: %v", err)
	}
	third.Close()
	if text, err := os.ReadFile(c.Control); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q (%v)", text, err)
	}
}
