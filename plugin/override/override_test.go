package override

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// parse reads overrides, separated by spaces: ID:N:KIND[=WEIGHT][@POOL][<MINUTE],
// where N is the last number of the address 192.0.2.N.
func parse(tb testing.TB, text string) (all []Override) {
	tb.Helper()
	for word := range strings.FieldsSeq(text) {
		var o Override
		var minute int
		rest, until, ends := strings.Cut(word, "<")
		if ends {
			scan(tb, until, &minute)
			o.Until = epoch.Add(time.Duration(minute) * time.Minute)
		}
		rest, o.Pool, _ = strings.Cut(rest, "@")
		parts := strings.Split(rest, ":")
		if len(parts) != 3 {
			tb.Fatalf("%q: want ID:N:KIND", word)
		}
		scan(tb, parts[0], &o.ID)
		o.Addr = addr(tb, parts[1])
		kind, weight, _ := strings.Cut(parts[2], "=")
		var ok bool
		if o.Kind, ok = ParseKind(kind); !ok {
			tb.Fatalf("%q: no kind", word)
		}
		if o.Kind == Weight {
			scan(tb, weight, &o.Weight)
		}
		all = append(all, o)
	}
	return all
}

func scan(tb testing.TB, text string, n any) {
	tb.Helper()
	if _, err := fmt.Sscan(text, n); err != nil {
		tb.Fatalf("%q: %v", text, err)
	}
}

func addr(tb testing.TB, n string) netip.Addr {
	tb.Helper()
	a, err := netip.ParseAddr("192.0.2." + n)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// shown is the reverse of parse, without ends.
func shown(all []Override) string {
	var words []string
	for _, o := range all {
		word := fmt.Sprintf("%d:%s:%s", o.ID, strings.TrimPrefix(o.Addr.String(), "192.0.2."), strings.Replace(o.What(), " ", "=", 1))
		if o.Pool != "" {
			word += "@" + o.Pool
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// A later override of the same slot replaces the earlier one, independent of the order in
// which they come. Drain, down and up share a slot, weight has its own.
func TestNewSet(t *testing.T) {
	for _, tc := range []struct{ name, all, want string }{
		{"none", "", ""},
		{"sorted by pool, address and kind", "4:2:drain@b. 3:1:weight=5@b. 2:1:drain@b. 1:9:up", "1:9:up 2:1:drain@b. 3:1:weight=5@b. 4:2:drain@b."},
		{"the later of two", "1:1:drain 2:1:down", "2:1:down"},
		{"the later of two, in another order", "2:1:down 1:1:drain", "2:1:down"},
		{"of three", "2:1:up 3:1:drain 1:1:down", "3:1:drain"},
		{"the last of two with the same ID", "1:1:drain 1:1:down", "1:1:down"},
		{"a weight beside a state", "1:1:drain 2:1:weight=3", "1:1:drain 2:1:weight=3"},
		{"the later of two weights", "1:1:weight=2 2:1:weight=3", "2:1:weight=3"},
		{"pools are apart", "1:1:drain@a. 2:1:up@b. 3:1:down", "3:1:down 1:1:drain@a. 2:1:up@b."},
		{"letters of either case", "1:1:drain@A. 2:1:up@a.", "2:1:up@a."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := parse(t, tc.all)
			before := slices.Clone(all)
			if got := shown(NewSet(all).All()); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if shown(all) != shown(before) {
				t.Errorf("the argument has changed to %s", shown(all))
			}
		})
	}
}

func TestWithReturnsWhatItReplaces(t *testing.T) {
	for _, tc := range []struct{ name, set, more, want, replaced string }{
		{"to none", "", "1:1:drain", "1:1:drain", ""},
		{"another address", "1:1:drain", "2:2:drain", "1:1:drain 2:2:drain", ""},
		{"another state", "1:1:drain", "2:1:up", "2:1:up", "1:1:drain"},
		{"a weight leaves the state", "1:1:drain", "2:1:weight=9", "1:1:drain 2:1:weight=9", ""},
		{"a weight replaces a weight only", "1:1:drain 2:1:weight=9", "3:1:weight=8", "1:1:drain 3:1:weight=8", "2:1:weight=9"},
		{"one pool leaves the other", "1:1:drain@a. 2:1:drain@b. 3:1:drain", "4:1:up@a.", "3:1:drain 4:1:up@a. 2:1:drain@b.", "1:1:drain@a."},
		{"several", "1:1:drain 2:2:drain 3:3:drain", "4:1:down 5:3:down", "4:1:down 2:2:drain 5:3:down", "1:1:drain 3:3:drain"},
		{"in other letters", "1:1:drain@a.", "2:1:up@A.", "2:1:up@a.", "1:1:drain@a."},
		{"even if its ID is smaller", "7:1:drain", "2:1:up", "2:1:up", "7:1:drain"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewSet(parse(t, tc.set))
			next, replaced := s.With(parse(t, tc.more)...)
			if got := shown(next.All()); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if got := shown(replaced); got != tc.replaced {
				t.Errorf("replaced %s, want %s", got, tc.replaced)
			}
			if got := shown(s.All()); got != shown(NewSet(parse(t, tc.set)).All()) {
				t.Errorf("the set itself has changed to %s", got)
			}
		})
	}
}

func TestWithoutReturnsWhatItDrops(t *testing.T) {
	s := NewSet(parse(t, "1:1:drain<5 2:2:up<9 3:3:weight=4"))
	for _, tc := range []struct {
		minute        int
		left, dropped string
	}{
		{4, "1:1:drain 2:2:up 3:3:weight=4", ""},
		{5, "2:2:up 3:3:weight=4", "1:1:drain"},
		{9, "3:3:weight=4", "1:1:drain 2:2:up"},
		{9999, "3:3:weight=4", "1:1:drain 2:2:up"},
	} {
		now := epoch.Add(time.Duration(tc.minute) * time.Minute)
		next, dropped := s.Without(func(o *Override) bool { return o.Ended(now) })
		if left, out := shown(next.All()), shown(dropped); left != tc.left || out != tc.dropped {
			t.Errorf("at minute %d: left %q and dropped %q, want %q and %q", tc.minute, left, out, tc.left, tc.dropped)
		}
	}
}

func TestNextIsTheEarliestEndAfterNow(t *testing.T) {
	s := NewSet(parse(t, "1:1:drain<5 2:2:up<3 3:3:up 4:4:down<9"))
	for _, tc := range []struct{ now, want int }{{0, 3}, {2, 3}, {3, 5}, {5, 9}, {8, 9}, {9, -1}, {99, -1}} {
		want := time.Time{}
		if tc.want >= 0 {
			want = epoch.Add(time.Duration(tc.want) * time.Minute)
		}
		if got := s.Next(epoch.Add(time.Duration(tc.now) * time.Minute)); !got.Equal(want) {
			t.Errorf("after minute %d: %v, want %v", tc.now, got, want)
		}
	}
}

// What is set for a pool counts rather than what is set everywhere, state and weight
// each on its own. Of two NAMEs of one stanza the later override counts.
func TestAdmin(t *testing.T) {
	up, down, drained := pool.Admin{State: verdict.Up}, pool.Admin{State: verdict.Down}, pool.Admin{Drained: true}
	for _, tc := range []struct {
		name, set, of string
		want          pool.Admin
		states        string
	}{
		{"nothing", "", "1", pool.Admin{}, ""},
		{"another address", "1:2:drain", "1", pool.Admin{}, ""},
		{"another pool", "1:1:drain@c.", "1", pool.Admin{}, ""},
		{"everywhere", "1:1:drain", "1", drained, "1:1:drain"},
		{"down", "1:1:down", "1", down, "1:1:down"},
		{"up", "1:1:up", "1", up, "1:1:up"},
		{"the pool", "1:1:drain@a.", "1", drained, "1:1:drain@a."},
		{"the pool before everywhere", "1:1:up@a. 2:1:drain", "1", up, "1:1:up@a."},
		{"the later of two names of a stanza", "1:1:up@a. 2:1:drain@b.", "1", drained, "2:1:drain@b."},
		{"in the other order", "2:1:up@a. 1:1:drain@b.", "1", up, "2:1:up@a."},
		{"a weight", "1:1:weight=7", "1", pool.Admin{Weight: 7}, "1:1:weight=7"},
		{"the largest weight", "1:1:weight=65535", "1", pool.Admin{Weight: MaxWeight}, "1:1:weight=65535"},
		{"a state of the pool, a weight everywhere", "1:1:down@a. 2:1:weight=7", "1", pool.Admin{State: verdict.Down, Weight: 7}, "1:1:down@a. 2:1:weight=7"},
		{"a state everywhere, a weight of the pool", "1:1:down 2:1:weight=7@b. 3:1:weight=8", "1", pool.Admin{State: verdict.Down, Weight: 7}, "1:1:down 2:1:weight=7@b."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewSet(parse(t, tc.set))
			stanza := func(name string) bool { return name == "a." || name == "b." }
			if got := s.Admin(addr(t, tc.of), stanza); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			var of []Override
			for _, o := range s.Of(addr(t, tc.of), stanza) {
				of = append(of, *o)
			}
			if got := shown(of); got != tc.states {
				t.Errorf("in force is %s, want %s", got, tc.states)
			}
		})
	}
}

// An address of IPv4 in IPv6 form is the same, on either side.
func TestMappedAddresses(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	s, _ := NewSet(parse(t, "1:1:drain")).With(Override{ID: 2, Addr: mapped, Kind: Down})
	if got := shown(s.All()); got != "2:1:down" {
		t.Errorf("got %s, want 2:1:down", got)
	}
	for _, a := range []netip.Addr{mapped, mapped.Unmap()} {
		if got := s.Admin(a, nil); got.State != verdict.Down {
			t.Errorf("%s: %+v, want down", a, got)
		}
	}
}

// An edit of the Corefile drops the overrides of the backends that it concerns, and
// no others. What is not known of a backend drops nothing.
func TestReconcile(t *testing.T) {
	was := []Configured{{Pool: "y", Weight: 1}, {Pool: "x", Weight: 1}} // sorted or not
	for _, tc := range []struct {
		name    string
		now     []Configured
		dropped bool
	}{
		{"as before", []Configured{{Pool: "x", Weight: 1}, {Pool: "y", Weight: 1}}, false},
		{"a drain", []Configured{{Pool: "x", Weight: 1, Drain: true}, {Pool: "y", Weight: 1}}, true},
		{"a weight", []Configured{{Pool: "x", Weight: 1}, {Pool: "y", Weight: 2}}, true},
		{"one pool is gone", []Configured{{Pool: "x", Weight: 1}}, false},
		{"the backend is gone", nil, false},
		{"a pool is new", []Configured{{Pool: "z", Weight: 9, Drain: true}}, false},
		{"a pool is new, another has changed", []Configured{{Pool: "a"}, {Pool: "y", Weight: 3}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := parse(t, "1:1:drain 2:2:up 3:1:weight=4")
			all[0].Was, all[2].Was = was, was
			s := NewSet(all)
			next, overruled := s.Reconcile(func(a netip.Addr) []Configured {
				if a == addr(t, "1") {
					return tc.now
				}
				return []Configured{{Pool: "x", Weight: 77}}
			})
			wantLeft, wantOut := shown(s.All()), ""
			if tc.dropped {
				wantLeft, wantOut = "2:2:up", "1:1:drain 3:1:weight=4"
			}
			if left, out := shown(next.All()), shown(overruled); left != wantLeft || out != wantOut {
				t.Errorf("left %q and dropped %q, want %q and %q", left, out, wantLeft, wantOut)
			}
		})
	}
}

// A nil set is empty.
func TestANilSetIsEmpty(t *testing.T) {
	var s *Set
	if len(s.All()) != 0 || s.Of(addr(t, "1"), nil) != nil || s.Admin(addr(t, "1"), nil) != (pool.Admin{}) || !s.Next(epoch).IsZero() {
		t.Error("a nil set has something in it")
	}
	next, replaced := s.With(parse(t, "1:1:drain")...)
	if shown(next.All()) != "1:1:drain" || replaced != nil {
		t.Errorf("got %s, replaced %s", shown(next.All()), shown(replaced))
	}
	if next, dropped := s.Without(func(*Override) bool { return true }); len(next.All()) != 0 || dropped != nil {
		t.Errorf("got %s, dropped %s", shown(next.All()), shown(dropped))
	}
}

func TestWords(t *testing.T) {
	for _, tc := range []struct {
		word string
		kind Kind
		ok   bool
	}{{"drain", Drain, true}, {"down", Down, true}, {"up", Up, true}, {"weight", Weight, true}, {"", 0, false}, {"auto", 0, false}, {"Drain", 0, false}} {
		if kind, ok := ParseKind(tc.word); kind != tc.kind || ok != tc.ok {
			t.Errorf("%q: %d, %t; want %d, %t", tc.word, kind, ok, tc.kind, tc.ok)
		}
		if tc.ok && tc.kind.String() != tc.word {
			t.Errorf("%d is called %s, want %s", tc.kind, tc.kind, tc.word)
		}
	}
	for _, tc := range []struct{ set, what, where string }{
		{"1:1:drain", "drain", "every pool"},
		{"1:1:weight=7@www.example.org.", "weight 7", "www.example.org."},
	} {
		o := parse(t, tc.set)[0]
		if o.What() != tc.what || o.Where() != tc.where {
			t.Errorf("%s: %s, %s; want %s, %s", tc.set, o.What(), o.Where(), tc.what, tc.where)
		}
	}
}
