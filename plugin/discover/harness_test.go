package discover

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// A source is a plugin with one zone. Its fields may be changed while it is
// walked, with mu held.
type source struct {
	mu      sync.Mutex
	zone    string
	records []dns.RR
	panics  any
	sticks  bool          // the zone does not end until stuck is closed
	stuck   chan struct{} // set by discovering
	walks   []time.Time
}

// Transfer implements Source.
func (s *source) Transfer(zone string, _ uint32) (<-chan []dns.RR, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.walks = append(s.walks, time.Now())
	if s.panics != nil {
		panic(s.panics)
	}
	if zone != s.zone {
		return nil, errors.New("not authoritative")
	}
	records, sticks := s.records, s.sticks
	parts := make(chan []dns.RR)
	go func() {
		if sticks {
			<-s.stuck
		}
		defer close(parts)
		for rr := range slices.Chunk(records, 2) {
			parts <- rr
		}
	}()
	return parts, nil
}

// change changes s.
func (s *source) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// A recorder is a Watcher with a list for each of its names, and logs what it
// gets.
type recorder struct {
	mu      sync.Mutex
	owners  []string // of list 0, 1, ...: a name and all below it
	unasked netip.Prefix
	most    int // addresses in all lists; 0 for any number
	watched map[string]bool
	batches []int
	logged  []string
	walked  []bool
}

// Wanted implements Watcher.
func (r *recorder) Wanted(owner string, addr netip.Addr) (int32, bool) {
	i := slices.IndexFunc(r.owners, func(name string) bool { return dns.IsSubDomain(name, owner) })
	return int32(i), i >= 0 && !r.unasked.Contains(addr)
}

// Watch implements Watcher.
func (r *recorder) Watch(list int32, addrs []netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, len(addrs))
	for _, addr := range addrs {
		if r.most > 0 && len(r.watched) >= r.most {
			return fmt.Errorf("no room for more than %d", r.most)
		}
		r.watched[fmt.Sprintf("%d %s", list, addr)] = true
	}
	return nil
}

func (r *recorder) warn(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logged = append(r.logged, fmt.Sprintf(format, args...))
}

// log returns what was logged until now.
func (r *recorder) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.logged, "\n")
}

// has returns what is watched: list and address.
func (r *recorder) has() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.watched))
}

// count returns how many addresses are watched.
func (r *recorder) count() int { return len(r.has()) }

// discovering runs f in a bubble, beside a Discovery of one source for
// example.org.
func discovering(t *testing.T, s *source, r *recorder, f func(d *Discovery)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		r.watched, s.stuck = make(map[string]bool), make(chan struct{})
		if r.owners == nil {
			r.owners = []string{"example.org."}
		}
		d := Start(Config{
			Zones: []string{"example.org."}, Sources: []Source{s}, Watcher: r, Warn: r.warn,
			Walked: func(first bool) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.walked = append(r.walked, first)
			},
		})
		defer d.Stop()
		f(d)
	})
}

// after waits in a bubble.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// records returns the records of a zone file.
func records(t *testing.T, lines ...string) (all []dns.RR) {
	t.Helper()
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rr)
	}
	return all
}

// addresses returns n A records of a.example.org.
func addresses(n int) (all []dns.RR) {
	for i := range n {
		all = append(all, &dns.A{
			Hdr: dns.RR_Header{Name: "a.example.org.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
			A:   []byte{192, 0, byte(i >> 8), byte(i)},
		})
	}
	return all
}
