package status

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// A connection at the crowd, by the network of its client, whether it is busy, and
// for how many seconds it has been so.
type visitor struct {
	from string
	busy bool
	ago  int
}

// The table says who makes way: the position of the visitor, -1 for none.
func TestWhoMakesWay(t *testing.T) {
	for name, tc := range map[string]struct {
		visitors []visitor
		want     int
	}{
		"the one that waits longest":                  {[]visitor{{"192.0.2.1", false, 1}, {"192.0.2.2", false, 3}, {"192.0.2.3", false, 2}}, 1},
		"of the network with the most":                {[]visitor{{"192.0.2.1", false, 9}, {"192.0.2.2", false, 1}, {"192.0.2.2", false, 2}}, 2},
		"of IPv6 networks likewise":                   {[]visitor{{"2001:db8::1", false, 9}, {"2001:db8:0:1::1", false, 1}, {"2001:db8:0:1::2", false, 2}}, 2},
		"of mapped addresses likewise":                {[]visitor{{"192.0.2.1", false, 9}, {"192.0.2.2", false, 1}, {"::ffff:192.0.2.2", false, 2}}, 2},
		"not one whose request is answered":           {[]visitor{{"192.0.2.1", true, 1}, {"192.0.2.2", false, 0}}, 1},
		"one that waits before one that is slow":      {[]visitor{{"192.0.2.1", true, 9}, {"192.0.2.2", false, 0}}, 1},
		"one whose request takes too long":            {[]visitor{{"192.0.2.1", true, 1}, {"192.0.2.2", true, 3}, {"192.0.2.3", true, 5}}, 2},
		"a slow one of many before one that waits":    {[]visitor{{"192.0.2.1", true, 3}, {"192.0.2.1", true, 4}, {"192.0.2.2", false, 9}}, 1},
		"none if all requests are being answered now": {[]visitor{{"192.0.2.1", true, 1}, {"192.0.2.1", true, 0}}, -1},
	} {
		c := newCrowd(nil, 1<<20)
		members := make([]*member, len(tc.visitors))
		for i, v := range tc.visitors {
			members[i] = &member{from: network(&net.TCPAddr{IP: net.ParseIP(v.from)}), busy: v.busy, since: noon.Add(-time.Duration(v.ago) * time.Second)}
			c.members[members[i]] = struct{}{}
		}
		var want *member
		if tc.want >= 0 {
			want = members[tc.want]
		}
		if got := c.slowest(noon); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// A newcomer takes a place or is refused; the bound holds.
func TestACrowdIsBounded(t *testing.T) {
	c := newCrowd(nil, 3)
	for i := range 10 {
		m := &member{crowd: c, from: network(&net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i))}), since: noon.Add(time.Duration(i) * time.Second)}
		victim, ok := c.admit(m)
		if !ok || (victim != nil) != (i >= 3) || len(c.members) != min(i+1, 3) {
			t.Fatalf("newcomer %d: %t, %v makes way, %d members", i, ok, victim, len(c.members))
		}
	}
	for m := range c.members {
		m.busy, m.since = true, noon
	}
	if victim, ok := c.admit(&member{since: noon}); ok || victim != nil || len(c.members) != 3 {
		t.Errorf("a newcomer beside busy members: %t, %v makes way", ok, victim)
	}
}

// resources returns goroutines and bytes in use.
func resources() (goroutines int, heap uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

// returned waits until goroutines and heap are back to a level, and complains if
// they are not within ten seconds.
func returned(t *testing.T, goroutines int, heap uint64) {
	t.Helper()
	var g int
	var h uint64
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if g, h = resources(); g <= goroutines && h <= heap {
			return
		}
	}
	t.Errorf("%d goroutines and %d kB are left, want %d and %d", g, h>>10, goroutines, heap>>10)
}

// slow opens n connections that have sent only a part of a request, or nothing.
func slow(t *testing.T, address string, n int) (all []net.Conn) {
	t.Helper()
	for i := range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nX-")) // may be closed already
		}
		all = append(all, conn)
	}
	return all
}

// 1,000 clients that never finish their request keep out no other, hold no more
// than the bound, and leave nothing behind.
func TestSlowClientsKeepNoOtherOut(t *testing.T) {
	s := startSite(t, 100)
	goroutines, heap := resources()
	conns := slow(t, s.Addr(), 1000)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	start := time.Now()
	for range 20 {
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
		if got := do(t, fresh, http.MethodGet, "http://"+s.Addr()+api.PathStatus, ""); got.code != http.StatusOK {
			t.Fatalf("status: %d", got.code)
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("20 requests took %v beside the slow clients", took)
	}
	if g := runtime.NumGoroutine(); g > goroutines+2*mostConns {
		t.Errorf("%d goroutines beside 1,000 slow clients, %d before", g, goroutines)
	}
	l := s.uses[0]
	l.crowd.mu.Lock()
	members := len(l.crowd.members)
	l.crowd.mu.Unlock()
	if members > mostConns {
		t.Errorf("%d connections, want at most %d", members, mostConns)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	s.cache.drop(nil)
	returned(t, goroutines+2, heap+1<<20)
}

// A client that does not read its answer makes way too.
func TestClientsThatDoNotReadMakeWay(t *testing.T) {
	s := startSite(t, 1000)
	l := s.uses[0]
	l.crowd.mu.Lock()
	l.crowd.most = 4
	l.crowd.mu.Unlock()
	for range 4 {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		for range 30 { // more than the buffers of both sides hold
			fmt.Fprintf(conn, "GET %s?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n", api.PathBackends)
		}
	}
	deadline := time.Now().Add(slowAfter + 5*time.Second)
	for {
		if r, err := client(t).Get("http://" + s.Addr() + api.PathStatus); err == nil {
			r.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("four clients that do not read keep out all others")
		}
	}
}

// A request that is too long is refused before it takes memory, and does not end
// the listener.
func TestLongHeadersAreRefused(t *testing.T) {
	s := startSite(t, 10)
	goroutines, heap := resources()
	for range 50 {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		go func() { // the server closes before it has read all
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
			for range 1 << 10 {
				if _, err := conn.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}()
		if r, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			if r.StatusCode != http.StatusRequestHeaderFieldsTooLarge && r.StatusCode != http.StatusBadRequest {
				t.Errorf("a header of a megabyte: %s", r.Status)
			}
			r.Body.Close()
		}
		_ = conn.Close()
	}
	if got := s.get(api.PathStatus, "X-Long", strings.Repeat("x", 16<<10)); got.code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 16 kB: %d, want 431", got.code)
	}
	if got := s.get(api.PathStatus); got.code != http.StatusOK {
		t.Errorf("status afterwards: %d", got.code)
	}
	s.cache.drop(nil)
	returned(t, goroutines+4, heap+1<<20)
}
