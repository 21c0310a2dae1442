package rrhealth

import (
	"fmt"
	"testing"
)

// The documents have the limits of the code. Those of the Corefile are tested
// beside the parser.
func TestTheDocumentsHaveTheLimitsOfTheCode(t *testing.T) {
	contains(t, "docs/filter.md", document(t, "docs/filter.md"), fmt.Sprintf("At most %d,000 addresses are watched", watchLimit/1000))
	contains(t, "docs/detection.md", document(t, "docs/detection.md"), fmt.Sprintf("up to %d with each first failure", hurriedAtOnce))
	contains(t, "docs/metrics.md", document(t, "docs/metrics.md"),
		fmt.Sprintf("at most %d,000 series", maxSeries/1000),
		fmt.Sprintf("Only %d backends have series of their own (%d series at most)", MaxBackendSeries, maxOfBackends),
		fmt.Sprintf("%d checks have a histogram", maxDurations))
}
