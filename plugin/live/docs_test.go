package live

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The documents have the limits of the code.
func TestTheDocumentsHaveTheLimitsOfTheCode(t *testing.T) {
	for file, want := range map[string]string{
		"filter.md":    fmt.Sprintf("At most %d,000 addresses are watched", watchLimit/1000),
		"detection.md": fmt.Sprintf("up to %d with each first failure", hurriedAtOnce),
		"metrics.md":   fmt.Sprintf("Only %d backends have series of their own (%d series at most)", MaxBackendSeries, maxOfBackends),
	} {
		text, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
			t.Errorf("docs/%s does not have %q", file, want)
		}
	}
}
