package rrhealth

import (
	"fmt"
	"testing"
)

// The documents have the limits of the code. Those of the Corefile, and those of
// plugin/live, are tested beside them.
func TestTheDocumentsHaveTheLimitsOfTheCode(t *testing.T) {
	contains(t, "docs/metrics.md", document(t, "docs/metrics.md"),
		fmt.Sprintf("at most %d,000 series", maxSeries/1000),
		fmt.Sprintf("%d checks have a histogram", maxDurations))
}
