package operations

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// The worst pools and backends come first, and the counts add up.
func TestTheOverviewShowsTheWorstFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "")
		defer func() {
			d.end()
			synctest.Wait()
		}()
		for _, n := range []int{11, 12, 21, 31, 51, 52} {
			d.down[fmt.Sprintf("192.0.2.%d", n)] = true
		}
		pool := func(name string, first int, options string) string {
			return fmt.Sprintf("rrhealth %s.example.org {\nbackend 192.0.2.%d 192.0.2.%d 192.0.2.%d\ncheck tcp://:80\n%s\n}\n", name, first, first+1, first+2, options)
		}
		d.load(pool("a-fine", 1, "") + pool("b-down", 11, "") + pool("c-short", 21, "min_up 3") + pool("d-degraded", 31, "") + pool("e-drained", 41, "") + pool("f-dry", 51, "dry_run"))
		time.Sleep(time.Minute)
		force := set("down", "192.0.2.13")
		force.Force = true
		d.must(force)
		d.must(set("drain", "192.0.2.41"))
		d.must(set("up", "192.0.2.52"))

		m := d.model()
		var pools []string
		var sum api.Counts
		for _, p := range m.Pools {
			c := p.Counts
			pools = append(pools, fmt.Sprintf("%s %s %d/%d/%d", strings.TrimSuffix(p.Name, ".example.org."), p.State, c.Up, c.Down, c.Drained))
			if c.All != c.Up+c.Down+c.Unknown+c.HeldDown+c.Drained {
				t.Errorf("%s: %+v does not add up", p.Name, c)
			}
			sum.All, sum.Up, sum.Down, sum.Drained = sum.All+c.All, sum.Up+c.Up, sum.Down+c.Down, sum.Drained+c.Drained
		}
		want := []string{"b-down all_down 0/3/0", "c-short short 2/1/0", "d-degraded degraded 2/1/0", "f-dry degraded 2/1/0", "a-fine ok 3/0/0", "e-drained ok 2/0/1"}
		if !slices.Equal(pools, want) {
			t.Errorf("pools\n%s\nwant\n%s", strings.Join(pools, "\n"), strings.Join(want, "\n"))
		}
		if s := m.Status; s.Backends != sum || s.Pools != 6 || s.AllDown != 1 || s.Short != 1 || s.Overrides != 3 || sum.All != 18 {
			t.Errorf("%+v, want %+v in sum", s, sum)
		}
		rank := -1
		for _, b := range m.Backends {
			if next := backendRank[b.Effective]; next < rank {
				t.Errorf("%s is %s, and comes after better ones", b.Address, b.Effective)
			} else {
				rank = next
			}
			if !slices.Contains(api.Rules[:], b.Why) || len(b.HalfHours) != halfHours || len(b.Checks) != 1 {
				t.Errorf("%+v", b)
			}
			if b.Probed == "down" && (b.Reason != "refused" || b.Since.IsZero()) {
				t.Errorf("%s is down since %v for the reason %q", b.Address, b.Since, b.Reason)
			}
		}
	})
}

// The model of 10,000 backends, which a request for the status page builds at most
// once a second.
func BenchmarkModel(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "rrhealth n%d.example.org {\nbackend", i)
		for j := range 10 {
			fmt.Fprintf(&text, " 10.%d.%d.%d", i/250, i%250, j+1)
		}
		text.WriteString("\ncheck tcp://:80\n}\n")
	}
	d := newDesk(b, text.String())
	defer d.end()
	for d.registry.Awaited() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		if m := d.model(); len(m.Backends) != 10_000 {
			b.Fatalf("%d backends", len(m.Backends))
		}
	}
}
