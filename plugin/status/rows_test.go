package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func TestFormats(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 400 * time.Millisecond: "0 s", 600 * time.Millisecond: "1 s", 59 * time.Second: "59 s", 60 * time.Second: "1 min",
		61 * time.Second: "1 min 1 s", 3599 * time.Second: "59 min 59 s", time.Hour: "1 h", 90 * time.Minute: "1 h 30 min",
		24 * time.Hour: "1 d", 49*time.Hour + time.Minute: "2 d 1 h", 1000 * time.Hour: "41 d 16 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 100000: "100,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for s, want := range map[api.Shares]string{
		{}: "not known", {Unknown: 5}: "not known", {Up: 86400}: "100 %", {Up: 86400, Unknown: 5}: "100 %",
		{Up: 86399, Down: 1}: "99.99 %", {Up: 999999, Down: 0.001}: "99.99 %", {Down: 1}: "0 %", {Up: 1, Down: 1}: "50 %", {Up: 1, Down: 2}: "33.33 %",
	} {
		if got := share(s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
	for at, want := range map[time.Time]string{{}: "", noon: "now", noon.Add(time.Hour): "now", noon.Add(-time.Hour): "1 h ago"} {
		if got := ago(at, noon).Text; got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
}

// The table has the bars and marks of days.
func TestThePictureOfADay(t *testing.T) {
	for day, want := range map[string][2]string{
		"":                            {"", ""},
		strings.Repeat("-", 48):       {"", ""},
		strings.Repeat("9", 48):       {"M0 16v-16h144v16z", ""},
		strings.Repeat("9", 90):       {"M0 16v-16h144v16z", ""},
		strings.Repeat("0", 48):       {"M0 16v-0h144v0z", "M0 18h144v4h-144z"},
		"90":                          {"M138 16v-16h3v16zM141 16v-0h3v0z", "M141 18h3v4h-3z"},
		strings.Repeat("-", 47) + "5": {"M141 16v-9h3v9z", "M141 18h3v4h-3z"},
		"x<9":                         {"M141 16v-16h3v16z", ""},
	} {
		got := string(draw(day, "50 %"))
		if !strings.Contains(got, fmt.Sprintf(`class="u" d="%s"`, want[0])) || !strings.Contains(got, fmt.Sprintf(`class="d" d="%s"`, want[1])) || strings.Contains(got, "x<") {
			t.Errorf("%s: %s, want %v", day, got, want)
		}
		if strings.Count(got, "50 % up in the last 24 hours") != 2 {
			t.Errorf("%s: %s has no text", day, got)
		}
	}
}

// What is next, answered and configured, as the rows of the table have it.
func TestRows(t *testing.T) {
	v := &view{Now: noon}
	second := func(n int) api.Time { return at(noon.Add(time.Duration(n) * time.Second)) }
	for _, tc := range []struct {
		b                            api.Backend
		next, answered, conf, cached string
	}{
		{api.Backend{Configured: api.Configured{Weight: 1, Tier: 1}, Weight: 1, Answered: true, Why: "up"}, "no check", "yes", "in use", ""},
		{api.Backend{Checks: []api.Check{{Next: second(9)}, {Next: second(4)}}, Configured: api.Configured{Weight: 3}, Why: "down", CachedUntil: second(7)}, "in 4 s", "no: its checks fail", "weight 3", "in caches for 7 s"},
		{api.Backend{Checks: []api.Check{{Next: second(9)}, {}}, Configured: api.Configured{Weight: 1, Tier: 2, Location: "EU/DE"}, Weight: 1, Answered: true, Why: "min_up", CachedUntil: second(7)}, "now", "yes: too few are up", "tier 2, EU/DE", ""},
		{api.Backend{Checks: []api.Check{{Next: second(-1)}}, Configured: api.Configured{Weight: 1, Drain: true}, Weight: 0, Why: "new rule", CachedUntil: second(-7)}, "now", "no: new rule", "drain, weight 1", ""},
	} {
		row := v.backend(&tc.b)
		if row.Next.Text != tc.next || row.Answered != tc.answered || row.Configured != tc.conf || row.Forgotten != tc.cached {
			t.Errorf("%+v: next %q, answered %q, configured %q, cached %q, want %+v", tc.b, row.Next.Text, row.Answered, row.Configured, row.Forgotten, tc)
		}
	}
	for _, rule := range api.Rules {
		if _, known := whys[rule]; !known {
			t.Errorf("the rule %s has no explanation", rule)
		}
	}
	for _, state := range append(append([]string{}, backendStates...), poolStates...) {
		if glyphs[state] == "" || label(state) == "" {
			t.Errorf("the state %s has no glyph or words", state)
		}
	}
}

// The table has where a pager leads, by offset, shown lines and total.
func TestPagers(t *testing.T) {
	for at, want := range map[[3]int]pager{
		{0, 0, 0}:        {true, "0 of 0", "", ""},
		{0, 100, 100}:    {false, "1 to 100 of 100", "", ""},
		{0, 100, 101}:    {false, "1 to 100 of 101", "", "/?offset=100&state=up"},
		{100, 1, 101}:    {false, "101 to 101 of 101", "/?state=up", ""},
		{50, 100, 1500}:  {false, "51 to 150 of 1,500", "/?state=up", "/?offset=150&state=up"},
		{200, 100, 1500}: {false, "201 to 300 of 1,500", "/?offset=100&state=up", "/?offset=300&state=up"},
		{9000, 0, 1500}:  {false, "0 of 1,500", "/?offset=1400&state=up", ""},
	} {
		if got := *newPager("/", query{state: "up", offset: at[0], limit: 100}, at[1], at[2]); got != want {
			t.Errorf("%v: %+v, want %+v", at, got, want)
		}
	}
}
