package pool

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// config returns a pool of backends, each written ADDRESS[*WEIGHT][@TIER][!]
// with ! for drain. An address may be a mere number: 7 is 192.0.2.7, 6:7 is
// 2001:db8::7.
func config(tb testing.TB, policy Policy, backends string) *Config {
	tb.Helper()
	c := &Config{Settings: Settings{Policy: policy, TTL: 30, ShortTTL: 10, FastTTL: 2, MinUp: MinUp{N: 1}}, Networks: Networks{24, 56}}
	for word := range strings.FieldsSeq(backends) {
		b := Backend{Weight: 1, Tier: 1}
		word, b.Drain = strings.CutSuffix(word, "!")
		if rest, tier, ok := strings.Cut(word, "@"); ok {
			word = rest
			scan(tb, tier, &b.Tier)
		}
		if rest, weight, ok := strings.Cut(word, "*"); ok {
			word = rest
			scan(tb, weight, &b.Weight)
		}
		b.Addr = address(tb, word)
		b.CheckAddr = b.Addr
		c.Backends = append(c.Backends, b)
	}
	return c
}

func scan(tb testing.TB, text string, n *int) {
	tb.Helper()
	if _, err := fmt.Sscan(text, n); err != nil {
		tb.Fatalf("%q: %v", text, err)
	}
}

func address(tb testing.TB, word string) netip.Addr {
	tb.Helper()
	text := "192.0.2." + word
	if n, ok := strings.CutPrefix(word, "6:"); ok {
		text = "2001:db8::" + n
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		tb.Fatal(err)
	}
	return addr
}

// healths reads one letter for each backend: U(p), D(own), u(nknown), c(hanging
// while up), H(eld). Set by an operator: X is up and set down, Y down and set up, Z
// up and drained, z down and drained, h held down and set up.
func healths(letters string) []Health {
	known := map[rune]Health{
		'U': {State: verdict.Up},
		'D': {State: verdict.Down},
		'u': {State: verdict.Unknown, Changing: true},
		's': {State: verdict.Unknown}, // stale
		'r': {State: verdict.Down, Changing: true},
		'c': {State: verdict.Up, Changing: true},
		'H': {State: verdict.Up, HeldDown: true},
		'X': {State: verdict.Up, Admin: Admin{State: verdict.Down}},
		'Y': {State: verdict.Down, Admin: Admin{State: verdict.Up}},
		'Z': {State: verdict.Up, Admin: Admin{Drained: true}},
		'z': {State: verdict.Down, Admin: Admin{Drained: true}},
		'h': {State: verdict.Up, HeldDown: true, Admin: Admin{State: verdict.Up}},
	}
	var all []Health
	for _, l := range letters {
		all = append(all, known[l])
	}
	return all
}

// shown formats a choice: its outcome, and its members as in config.
func shown(ch Choice) string {
	words := []string{ch.Outcome.String()}
	for _, m := range ch.Members {
		text := m.Addr.String()
		text = strings.Replace(text, "192.0.2.", "", 1)
		text = strings.Replace(text, "2001:db8::", "6:", 1)
		words = append(words, text)
	}
	return strings.Join(words, " ")
}

func TestBuildDecidesWhatIsAnswered(t *testing.T) {
	percent := func(n int) MinUp { return MinUp{N: n, Percent: true} }
	tests := []struct {
		name     string
		backends string
		minUp    MinUp // of 1 unless set
		health   string
		v4, v6   string
	}{
		{"all up", "1 2 3", MinUp{}, "UUU", "served 1 2 3", "nodata"},
		{"unknown is answered like up", "1 2 3", MinUp{}, "uUu", "served 1 2 3", "nodata"},
		{"who is down is left out", "1 2 3", MinUp{}, "UDU", "served 1 3", "nodata"},
		{"who is drained is left out", "1 2! 3", MinUp{}, "UUU", "served 1 3", "nodata"},
		{"who is held down is left out", "1 2 3", MinUp{}, "UHU", "served 1 3", "nodata"},
		{"a member that is held down is answered when no other is up", "1 2 3", MinUp{}, "DHD", "served 2", "nodata"},

		{"the first tier is answered alone", "1 2 3@2", MinUp{}, "UUU", "served 1 2", "nodata"},
		{"one up is enough of a tier", "1 2 3@2", MinUp{}, "UDU", "served 1", "nodata"},
		{"the second tier when the first is down", "1 2 3@2 4@3", MinUp{}, "DDUU", "served 3", "nodata"},
		{"the third tier when two are down", "1 2 3@2 4@3", MinUp{}, "DDDU", "served 4", "nodata"},
		{"tiers need not be numbered without gaps, nor in order", "4@9 1@5 2@5", MinUp{}, "UDD", "served 4", "nodata"},
		{"a tier without a member of this family is skipped", "1@2 6:1@1", MinUp{}, "UU", "served 1", "served 6:1"},
		{"a held-down tier is better than one that is down", "1 2@2", MinUp{}, "HD", "served 1", "nodata"},
		{"the tier behind answers for a held-down one", "1 2@2", MinUp{}, "HU", "served 2", "nodata"},

		{"min_up adds the next tier", "1 2 3@2", MinUp{N: 2}, "UDU", "served 1 3", "nodata"},
		{"min_up adds as many tiers as it takes", "1 2@2 3@3 4@4", MinUp{N: 3}, "UUUU", "served 1 2 3", "nodata"},
		{"min_up that is met adds none", "1 2 3@2", MinUp{N: 2}, "UUU", "served 1 2", "nodata"},
		{"with no tier left, all are answered", "1 2 3 4@2", MinUp{N: 3}, "UDDU", "min_up 1 2 3 4", "nodata"},
		{"min_up of more than there are answers all", "1 2", MinUp{N: 5}, "UD", "min_up 1 2", "nodata"},
		{"never who is drained, not even then", "1 2 3!", MinUp{N: 2}, "UDU", "min_up 1 2", "nodata"},
		{"held-down members count before those that are down are answered", "1 2 3", MinUp{N: 2}, "UHD", "served 1 2", "nodata"},
		{"50% of 4 is 2: met", "1 2 3 4", percent(50), "UDDU", "served 1 4", "nodata"},
		{"50% of 4 is 2: missed", "1 2 3 4", percent(50), "UDDD", "min_up 1 2 3 4", "nodata"},
		{"50% of 3 is rounded up to 2", "1 2 3", percent(50), "UDD", "min_up 1 2 3", "nodata"},
		{"a percentage is of the first tier", "1 2 3@2 4@2 5@2 6@2", percent(100), "UDUUUU", "served 1 3 4 5 6", "nodata"},
		{"1% is at least one", "1 2", percent(1), "UD", "served 1", "nodata"},
		{"a percentage counts who is not drained", "1 2 3! 4!", percent(100), "UUUU", "served 1 2", "nodata"},

		{"one family down beside one that is up is NODATA", "1 2 6:1", MinUp{}, "DDU", "nodata", "served 6:1"},
		{"and the other way round", "1 2 6:1", MinUp{}, "UUD", "served 1 2", "nodata"},
		{"families fail over apart", "1 2@2 6:1 6:2@2", MinUp{}, "DUUU", "served 2", "served 6:1"},
		{"a family that is down goes through its tiers first", "1 2@2 6:1", MinUp{}, "DDU", "nodata", "served 6:1"},
		{"who is drained does not keep a family alive", "1 6:1!", MinUp{}, "DU", "all_down 1", "nodata"},
		{"min_up holds in a family of its own", "1 2 6:1 6:2", MinUp{N: 2}, "UDUU", "min_up 1 2", "served 6:1 6:2"},
		{"who is held down keeps a family alive", "1 6:1", MinUp{}, "DH", "nodata", "served 6:1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := config(t, Rotate, tc.backends)
			if tc.minUp != (MinUp{}) {
				c.MinUp = tc.minUp
			}
			s := Build(c, healths(tc.health))
			if got := shown(s.Choices[V4]); got != tc.v4 {
				t.Errorf("A: got %q, want %q", got, tc.v4)
			}
			if got := shown(s.Choices[V6]); got != tc.v6 {
				t.Errorf("AAAA: got %q, want %q", got, tc.v6)
			}
		})
	}
}

func TestBuildAllDown(t *testing.T) {
	addrs := func(words ...string) (all []netip.Addr) {
		for _, w := range words {
			all = append(all, address(t, w))
		}
		return all
	}
	tests := []struct {
		name     string
		backends string
		action   Action
		fallback []netip.Addr
		v4, v6   string
	}{
		{"answer: the first tier of each family", "1 2 3@2 6:1@2", ActAnswer, nil, "all_down 1 2", "all_down 6:1"},
		{"answer: nothing of a family that the pool has not", "1 2", ActAnswer, nil, "all_down 1 2", "nodata"},
		{"answer: never who is drained", "1! 2 3", ActAnswer, nil, "all_down 2 3", "nodata"},
		{"servfail", "1 2", ActServfail, nil, "servfail", "nodata"},
		{"servfail, both families", "1 6:1", ActServfail, nil, "servfail", "servfail"},
		{"refused", "1 2", ActRefused, nil, "refused", "nodata"},
		{"nodata", "1 6:1", ActNoData, nil, "nodata", "nodata"},
		{"drop", "1 6:1", ActDrop, nil, "drop", "drop"},
		{"addresses", "1 6:1", ActAddresses, addrs("8", "9", "6:9"), "fallback 8 9", "fallback 6:9"},
		{"addresses of one family: the other is empty", "1 6:1", ActAddresses, addrs("8"), "fallback 8", "nodata"},
		{"addresses of a family that the pool has not", "1", ActAddresses, addrs("6:9"), "nodata", "fallback 6:9"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := config(t, Rotate, tc.backends)
			c.AllDown, c.Fallback = tc.action, tc.fallback
			s := Build(c, healths(strings.Repeat("D", len(c.Backends))))
			if got := shown(s.Choices[V4]); got != tc.v4 || !s.AllDown {
				t.Errorf("A: got %q (all down %t), want %q", got, s.AllDown, tc.v4)
			}
			if got := shown(s.Choices[V6]); got != tc.v6 {
				t.Errorf("AAAA: got %q, want %q", got, tc.v6)
			}
			// One of them back, held down or not, and nothing is all down any more.
			for _, back := range "UuH" {
				letters := []rune(strings.Repeat("D", len(c.Backends)))
				letters[len(letters)-1] = back
				if Build(c, healths(string(letters))).AllDown {
					t.Errorf("all down although one is %c", back)
				}
			}
		})
	}
}

// While a verdict is about to come the TTL is what is left until then, since a
// cache that asks in between keeps a failed backend for as long. Else it is the
// interval while a member is down.
func TestTheTTLIsShortWhileAMemberIsDownOrChanging(t *testing.T) {
	tests := []struct {
		name       string
		ttl, short uint32 // fast is 2
		backends   string
		health     string
		want       uint32
	}{
		{"all up", 30, 10, "1 2", "UU", 30},
		{"one is down", 30, 10, "1 2", "UD", 10},
		{"one is changing", 30, 10, "1 2", "cU", 2},
		{"one is down, another is changing", 30, 10, "1 2 3", "DcU", 2},
		{"one is changing, another is down", 30, 10, "1 2 3", "cDU", 2},
		{"one is coming up", 30, 10, "1 2", "rU", 2},
		{"nothing is known of one yet", 30, 10, "1 2", "uU", 2},
		{"one is stale", 30, 10, "1 2", "sU", 10},
		{"one is held down", 30, 10, "1 2", "UH", 10},
		{"all are down", 30, 10, "1 2", "DD", 10},
		{"one of another tier is down", 30, 10, "1 2@2", "UD", 10},
		{"one of the other family is down", 30, 10, "1 6:1", "UD", 10},
		{"one that is drained does not count", 30, 10, "1 2!", "UD", 30},
		{"never above the TTL", 5, 10, "1 2", "UD", 5},
		{"a TTL of 0 stays", 0, 10, "1 2", "UD", 0},
		{"a TTL of 0 stays while one is changing", 0, 10, "1 2", "cU", 0},
		{"a TTL of 1 stays while one is changing", 1, 10, "1 2", "cU", 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := config(t, Rotate, tc.backends)
			c.TTL, c.ShortTTL = tc.ttl, tc.short
			if got := Build(c, healths(tc.health)).TTL; got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestBuildIsPure(t *testing.T) {
	for policy := range policyNames {
		c := config(t, Policy(policy), "1*3 2 3@2*7 6:1 6:2@2 4!")
		for i := range c.Backends {
			c.Backends[i].Place = Place{}.At(float64(10*i), 20)
		}
		before := *c
		before.Backends = slices.Clone(c.Backends)
		health := healths("UDcHuU")
		given := slices.Clone(health)
		first, second := Build(c, health), Build(c, health)
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: two builds of the same differ:\n%+v\n%+v", Policy(policy), first, second)
		}
		if !reflect.DeepEqual(*c, before) {
			t.Errorf("%s: Build changed the config", Policy(policy))
		}
		if !slices.Equal(health, given) {
			t.Errorf("%s: Build changed the health", Policy(policy))
		}
	}
}

func TestDownReportsBackendsThatClientsMustNotGet(t *testing.T) {
	c := config(t, Rotate, "1 2 3! 4 5")
	s := Build(c, healths("UDUHu"))
	for word, want := range map[string]bool{"1": false, "2": true, "3": true, "4": true, "5": false, "99": false} {
		if got := s.Down(c, address(t, word)); got != want {
			t.Errorf("Down(%s) = %t, want %t", word, got, want)
		}
	}
}

func TestOutcomesAndPoliciesHaveTheNamesOfTheDocumentation(t *testing.T) {
	policies := []string{"rotate", "shuffle", "weighted", "sticky", "nearest", "sequential"}
	if got := PolicyNames(); !slices.Equal(got, policies) {
		t.Errorf("policies %v, want %v", got, policies)
	}
	for p, want := range policies {
		if got, ok := ParsePolicy(want); !ok || got != Policy(p) || got.String() != want {
			t.Errorf("ParsePolicy(%q) = %v, %t", want, got, ok)
		}
	}
	if got, ok := ParsePolicy("round_robin"); !ok || got != Rotate {
		t.Errorf("round_robin is %v, want rotate", got)
	}
	if _, ok := ParsePolicy("random"); ok {
		t.Error("random is a policy, want none")
	}
	want := []string{"served", "min_up", "all_down", "fallback", "nodata", "servfail", "refused", "drop"}
	for o := range OutcomeCount {
		if got := Outcome(o).String(); got != want[o] {
			t.Errorf("outcome %d is %q, want %q", o, got, want[o])
		}
	}
}
