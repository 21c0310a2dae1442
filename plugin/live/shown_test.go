package live

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// shown returns the series of r of these metrics as text, sorted.
func shown(r *Registry, metrics ...Metric) (all []string) {
	for _, s := range r.Status(1000).Series {
		if slices.Contains(metrics, s.Metric) {
			words := append([]string{metricNames[s.Metric], s.Pool + s.Filter}, s.Values...)
			all = append(all, fmt.Sprintf("%s %v", strings.Join(words, " "), s.Value))
		}
	}
	slices.Sort(all)
	return all
}

// shows compares what is shown of metrics with want.
func (b *bubble) shows(metrics []Metric, want ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := shown(b.registry, metrics...); !slices.Equal(got, want) {
		b.t.Errorf("shown:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestStatusOfAPool(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy sequential\nhold_down 20s\n"+shortPace+"}", func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.fails(2, syscall.ECONNREFUSED)
		b.until("down", func() bool { return b.state(2) == verdict.Down })
		answer(b.pool, 3)
		b.pool.CountSigned(2)
		b.shows([]Metric{BackendUp, BackendState, BackendHeldDown, FirstAnswersTotal, TransitionsTotal, PoolBackends, PoolAllDown, AnswersTotal, SignedAddressesTotal, InsecureCheck, CertificateExpiry, DryRunAddressesTotal},
			"answers_total www.example.org. served 3",
			"backend_held_down www.example.org. 192.0.2.1 0",
			"backend_held_down www.example.org. 192.0.2.2 0",
			"backend_state www.example.org. 192.0.2.1 up 1",
			"backend_state www.example.org. 192.0.2.2 down 1",
			"backend_up www.example.org. 192.0.2.1 1",
			"backend_up www.example.org. 192.0.2.2 0",
			"first_answers_total www.example.org. 192.0.2.1 3",
			"pool_all_down www.example.org. 0",
			"pool_backends www.example.org. down 1",
			"pool_backends www.example.org. up 1",
			"signed_addresses_total www.example.org. 2",
			"transitions_total www.example.org. 192.0.2.1 down 0",
			"transitions_total www.example.org. 192.0.2.1 up 1",
			"transitions_total www.example.org. 192.0.2.2 down 1",
			"transitions_total www.example.org. 192.0.2.2 up 1",
		)
		b.fails(1, syscall.ECONNREFUSED)
		b.until("all are down", func() bool { return b.state(1) == verdict.Down })
		b.shows([]Metric{PoolAllDown, PoolBackends},
			"pool_all_down www.example.org. 1",
			"pool_backends www.example.org. down 2",
			"pool_backends www.example.org. up 0",
		)
	})
}

// What is counted of a name, and of a backend that the next pool has too, goes on
// in the next block; the rest is forgotten.
func TestCountersContinueInTheNextBlock(t *testing.T) {
	const block = "rrhealth %s {\nbackend %s\npolicy sequential\n" + shortPace + "}"
	inBubble(t, fmt.Sprintf(block, "a.example.org b.example.org", "192.0.2.1 192.0.2.2"), func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		answer(&b.block.Pools[0], 3)
		answer(&b.block.Pools[1], 4)
		b.pool.CountSigned(5)
		counted := []Metric{FirstAnswersTotal, AnswersTotal, SignedAddressesTotal}
		b.shows(counted,
			"answers_total a.example.org. served 3",
			"answers_total b.example.org. served 4",
			"first_answers_total a.example.org. 192.0.2.1 7",
			"signed_addresses_total a.example.org. 5",
		)
		// A name that leaves takes its answers along, and not the backends' counts.
		b.load(fmt.Sprintf(block, "a.example.org", "192.0.2.3 192.0.2.1"))
		answer(b.pool, 1)
		b.shows(counted,
			"answers_total a.example.org. served 4",
			"first_answers_total a.example.org. 192.0.2.1 7",
			"first_answers_total a.example.org. 192.0.2.3 1",
			"signed_addresses_total a.example.org. 5",
		)
		b.load(fmt.Sprintf(block, "a.example.org", "192.0.2.1"))
		b.shows(counted,
			"answers_total a.example.org. served 4",
			"first_answers_total a.example.org. 192.0.2.1 7",
			"signed_addresses_total a.example.org. 5",
		)
		b.load(fmt.Sprintf(block, "c.example.org", "192.0.2.1"))
		b.load(fmt.Sprintf(block, "a.example.org", "192.0.2.1"))
		b.shows(counted)
	})
}

// Blocks with another Identity count for themselves, names of one label together.
func TestBlocksWithOneLabelAreShownAsOne(t *testing.T) {
	const block = "rrhealth www.example.org {\nbackend 192.0.2.1 %s\npolicy sequential\n" + shortPace + "}"
	inBubble(t, fmt.Sprintf(block, "192.0.2.2"), func(b *bubble) {
		other := newBlock(t, fmt.Sprintf(block, "192.0.2.3"), b.probe)
		other.Identity = "another"
		b.registry.Start(other)
		b.fails(3, syscall.ECONNREFUSED)
		b.until("first results", func() bool { return other.Pools[0].Snapshot().Health[1].State == verdict.Down })
		answer(b.pool, 1)
		answer(&other.Pools[0], 2)
		b.shows([]Metric{AnswersTotal, FirstAnswersTotal, PoolBackends, BackendUp},
			"answers_total www.example.org. served 3",
			"backend_up www.example.org. 192.0.2.1 1",
			"backend_up www.example.org. 192.0.2.2 1",
			"backend_up www.example.org. 192.0.2.3 0",
			"first_answers_total www.example.org. 192.0.2.1 3",
			"pool_backends www.example.org. down 1",
			"pool_backends www.example.org. up 2",
		)
		b.registry.Stop(other)
		b.shows([]Metric{AnswersTotal},
			"answers_total www.example.org. served 1",
		)
	})
}

func TestStatusOfAFilter(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		all := []Metric{FilteredAddressesTotal, FilteredTargetsTotal, SignedAddressesTotal, SignedTargetsTotal, DryRunAddressesTotal, DryRunTargetsTotal}
		b.shows(all)
		c := b.list().Counts
		c.Filtered.Add(3, 0)
		c.Signed.Add(2, 1)
		c.DryRun.Add(9, 9) // of a reload without dry_run
		b.shows(all,
			"filtered_addresses_total example.org. 3",
			"signed_addresses_total example.org. 2",
			"signed_targets_total example.org. 1",
		)
		b.load(strings.Replace(watching, "{\n", "{\ndry_run\n", 1))
		b.list().Counts.DryRun.Add(1, 0)
		b.shows(all,
			"dry_run_addresses_total example.org. 10",
			"dry_run_targets_total example.org. 9",
			"filtered_addresses_total example.org. 3",
			"signed_addresses_total example.org. 2",
			"signed_targets_total example.org. 1",
		)
		if s := b.registry.Status(1000); !s.Filters || s.Aggregated != 0 {
			t.Errorf("filters %t, %d pools together; want true, 0", s.Filters, s.Aggregated)
		}
		b.load("rrhealth www.example.org {\nbackend 192.0.2.1\n}")
		if s := b.registry.Status(1000); s.Filters {
			t.Error("there are filters after the last has left")
		}
	})
}
