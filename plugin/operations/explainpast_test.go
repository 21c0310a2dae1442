package operations

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// explainable makes every query one for the first pool.
func (d *desk) explainable() {
	d.explain = func(*dns.Msg, netip.Addr) (Answer, error) {
		return Answer{Block: d.block, Pool: d.block.Stanzas[0].Pools[0]}, nil
	}
}

// What was answered at a time of the past is what is explained of it: after failures,
// recoveries, and overrides that were set, replaced and removed or ended.
func TestWhatIsExplainedOfThePastWasAnswered(t *testing.T) {
	addrs := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"}
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1)) // #nosec G404 -- the same in each run
			d := newDesk(t, "")
			defer func() {
				d.end()
				synctest.Wait()
			}()
			options := []string{"", "min_up 2", "all_down servfail", "dry_run"}[seed%4]
			d.load("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\nbackend 192.0.2.4 192.0.2.5 tier 2\npolicy weighted\ncheck tcp://:80\ninterval 2s\n" + options + "\n}")
			d.explainable()
			type moment struct {
				at   time.Time
				want []string
			}
			var past []moment
			for range 35 {
				addr := addrs[r.IntN(len(addrs))]
				c := set([]string{"drain", "down", "up", "weight", auto, auto}[r.IntN(6)], addr)
				c.Force = true
				if c.Set == "weight" {
					c.Weight = 1 + r.IntN(9)
				}
				if c.Set != auto && r.IntN(3) == 0 {
					c.Forever, c.For = false, float64(1+r.IntN(200))
				}
				switch r.IntN(2) {
				case 0:
					d.must(c)
				case 1:
					d.mu.Lock()
					d.down[addr] = !d.down[addr]
					d.mu.Unlock()
				}
				time.Sleep(time.Minute + time.Millisecond)
				synctest.Wait()
				want := d.answered("www.example.org.")
				slices.Sort(want)
				past = append(past, moment{time.Now(), want})
				time.Sleep(time.Second)
			}
			for _, m := range past {
				e, err := d.explainAt("www.example.org", "A", "", m.at)
				if err != nil {
					t.Fatal(err)
				}
				got := append([]string{}, e.Answer...)
				slices.Sort(got)
				if !slices.Equal(got, m.want) && len(got)+len(m.want) > 0 {
					t.Fatalf("seed %d, %v: explained %v, answered %v\n%+v", seed, m.at, got, m.want, e.Members)
				}
				for _, reason := range e.Members {
					if reason.Answered != slices.Contains(got, reason.Address) {
						t.Fatalf("seed %d, %v: %+v, answered %v", seed, m.at, reason, got)
					}
				}
			}
		})
	}
}

// Of some times nothing can be said.
func TestTimesThatCannotBeExplained(t *testing.T) {
	d := newDesk(t, "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck tcp://:80\n}")
	defer d.end()
	d.explainable()
	d.must(in("www.example.org", api.Change{Set: "weight", Weight: 2, Selectors: []string{"192.0.2.1"}, Forever: true}))
	before, after := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	_, err := d.explainAt("www.example.org", "A", "", after)
	wantError(t, err, 400, fmt.Sprintf("at: in the future (got %s); use a time of the past", after.UTC().Format(time.RFC3339)))
	_, err = d.explainAt("www.example.org", "A", "", before)
	wantError(t, err, 400, fmt.Sprintf("at: before what is kept of any backend of www.example.org. (got %s)", before.UTC().Format(time.RFC3339)))
	_, err = d.explainAt("www.example.org", "MX", "", before)
	wantError(t, err, 400, `type: A and AAAA only for the past (got "MX")`)
	_, err = d.explainAt("www.example.org", "A", "here", time.Time{})
	wantError(t, err, 400, `client: no address (got "here"); use one such as 192.0.2.1`)
}
