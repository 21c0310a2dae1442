package config

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// docs/configuration.md has the ranges and defaults of the code.
func TestTheDocumentsHaveTheRangesOfTheCode(t *testing.T) {
	streak := fmt.Sprintf("* Range: 1 to %d ", maxStreak)
	recovery := fmt.Sprintf("* Range: %s to %s ", short(minRecovery), short(maxRecovery))
	text := document(t, "docs/configuration.md")
	for option, want := range map[string]string{
		"backend":     fmt.Sprintf("* Range: `weight` 1 to %d, `tier` 1 to %d * Default: `weight 1`, `tier 1` ", maxWeight, maxTier),
		"interval":    fmt.Sprintf("* Range: %s to %s * Default: %s; `fast`: %s, or the interval where that is shorter ", short(minInterval), short(maxInterval), short(defaultInterval), short(defaultFast)),
		"timeout":     fmt.Sprintf("* Range: 1ms to %s, shorter than the interval * Default: %s, or half the interval where that is not longer ", short(maxInterval), short(defaultTimeout)),
		"rise":        fmt.Sprintf("%s* Default: %d ", streak, defaultRise),
		"fall":        fmt.Sprintf("%s* Default: %d ", streak, defaultFall),
		"fall_hard":   streak + "* Default: `fall` ",
		"policy":      fmt.Sprintf("V4LEN %d, V6LEN %d ", defaultNetworks[pool.V4], defaultNetworks[pool.V6]),
		"max_answers": fmt.Sprintf("* Range: 0 to %d; 0 for all * Default: %d, in a filter 0 ", maxMaxAnswers, defaultMaxAnswers),
		"ttl": fmt.Sprintf("* Range: whole seconds, 0s to %ds * Default: the detection time, between %d and %d seconds; %d seconds without a check ",
			math.MaxInt32, seconds(minTTL), seconds(maxTTL), seconds(staticTTL)),
		"min_up":     fmt.Sprintf("(in a filter 1 to %d), or 1%% to 100%% * Default: 1 ", maxWatchedMinUp),
		"slow_start": recovery + "* Default: off ",
		"hold_down":  fmt.Sprintf("* Range: %s to %s * Default: off ", short(minRecovery), short(pool.FlapWindow)),
		"control":    fmt.Sprintf("PATH has at most %d bytes", maxSocketPath),
		"failback":   recovery + "* Default: `auto` ",
	} {
		contains(t, "docs/configuration.md, "+option, section(text, option), want)
	}
	contains(t, "docs/configuration.md, control", section(text, "control"), fmt.Sprintf("* Default: no socket; `mode %#o`", uint32(defaultMode)))
	contains(t, "docs/detection.md", document(t, "docs/detection.md"),
		fmt.Sprintf("| all up | the detection time, at least %d s, at most %d s | | no check | %d s |", seconds(minTTL), seconds(maxTTL), seconds(staticTTL)))
}

// README.md repeats defaults in its list of options.
func TestTheREADMEHasTheDefaultsOfTheCode(t *testing.T) {
	contains(t, "README.md", document(t, "README.md"),
		fmt.Sprintf("is the time between probes (%s to %s, default %s), and `fast` the same after a result that disagrees with the state (default %s)",
			short(minInterval), short(maxInterval), short(defaultInterval), short(defaultFast)),
		fmt.Sprintf("bounds one probe (default %s)", short(defaultTimeout)),
		fmt.Sprintf("bring a backend up (default %d)", defaultRise),
		fmt.Sprintf("take it down (default %d)", defaultFall),
		fmt.Sprintf("the most addresses in an answer (default %d, in a filter 0; 0 for all)", defaultMaxAnswers),
		fmt.Sprintf("the detection time, between %d and %d s", seconds(minTTL), seconds(maxTTL)),
		fmt.Sprintf("grow (%s to %s, off by default)", short(minRecovery), short(maxRecovery)),
		fmt.Sprintf("that flaps (%s to %s, off by default)", short(minRecovery), short(pool.FlapWindow)),
		fmt.Sprintf("%d s with the defaults", seconds(defaultInterval+(defaultFall-1)*defaultFast)),
	)
}

// document returns a document of the module.
func document(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns the text below a heading of the second level.
func section(text, heading string) string {
	_, below, _ := strings.Cut(text, "\n## "+heading+"\n")
	below, _, _ = strings.Cut(below, "\n## ")
	return below
}

// contains complains about each of wants that is not in text, apart from space.
func contains(t *testing.T, file, text string, wants ...string) {
	t.Helper()
	text = strings.Join(strings.Fields(text), " ")
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not have %q", file, want)
		}
	}
}

// short writes d as the documents do: 24h, not 24h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if d%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
