package live

import "github.com/rrhealth/rrhealth/plugin/pool"

// totals are what is counted about a pool besides its backends, or about a filter:
// answers by outcome, and the totals below.
type totals [pool.OutcomeCount + 7]uint64

const (
	unlocatedTotal = pool.OutcomeCount + iota
	dryRunAddressTotal
	dryRunTargetTotal
	signedAddressTotal
	signedTargetTotal
	filteredAddressTotal
	filteredTargetTotal
)

// totalMetrics are the metrics of the totals that are not answers.
var totalMetrics = [len(totals{})]Metric{
	unlocatedTotal:     NearestUnlocatedTotal,
	dryRunAddressTotal: DryRunAddressesTotal, dryRunTargetTotal: DryRunTargetsTotal,
	signedAddressTotal: SignedAddressesTotal, signedTargetTotal: SignedTargetsTotal,
	filteredAddressTotal: FilteredAddressesTotal, filteredTargetTotal: FilteredTargetsTotal,
}

func (c *totals) add(o *totals) {
	for i := range c {
		c[i] += o[i]
	}
}

// size returns how many series c has: a total of zero has none.
func (c *totals) size() (n int) {
	for _, v := range c {
		if v > 0 {
			n++
		}
	}
	return n
}

// series returns c as the series with labels l.
func (c *totals) series(l Labels) (all []Series) {
	for i, n := range c {
		switch {
		case n == 0:
		case i < pool.OutcomeCount:
			all = append(all, l.count(AnswersTotal, n, pool.Outcome(i).String()))
		default:
			all = append(all, l.count(totalMetrics[i], n))
		}
	}
	return all
}
