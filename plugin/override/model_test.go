package override

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A diary is a naive Set: everything that was set, the latest last.
type diary []Override

// set forgets what o replaces, and notes o.
func (d diary) set(o Override) diary {
	d = d.remove(func(p Override) bool {
		return p.Pool == o.Pool && p.Addr == o.Addr && (p.Kind == Weight) == (o.Kind == Weight)
	})
	return append(d, o)
}

func (d diary) remove(drop func(Override) bool) diary {
	return slices.DeleteFunc(slices.Clone(d), drop)
}

// admin goes through the diary twice: what is set everywhere first, so that what is
// set for a pool has the last word.
func (d diary) admin(addr netip.Addr, has func(string) bool) (a pool.Admin) {
	for _, everywhere := range []bool{true, false} {
		for _, o := range d {
			if o.Addr != addr || (o.Pool == "") != everywhere || o.Pool != "" && !has(o.Pool) {
				continue
			}
			switch o.Kind {
			case Drain:
				a.State, a.Drained = verdict.Unknown, true
			case Down:
				a.State, a.Drained = verdict.Down, false
			case Up:
				a.State, a.Drained = verdict.Up, false
			case Weight:
				a.Weight = uint16(o.Weight)
			}
		}
	}
	return a
}

// Random sequences of setting, removing and expiring come to the same in a Set as in
// a list that is searched from end to end.
func TestASetAgainstANaiveList(t *testing.T) {
	pools := []string{"", "a.", "b.", "c."}
	stanzas := [][]string{{"a.", "b."}, {"c."}, {"d."}}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		anAddr := func() netip.Addr { return addr(t, strconv.Itoa(random.IntN(3))) }
		var s *Set
		var d diary
		now := epoch
		for id := range uint64(100) {
			switch random.IntN(6) {
			case 0: // remove what is set for one address in one pool
				a, p := anAddr(), pools[random.IntN(len(pools))]
				s, _ = s.Without(func(o *Override) bool { return o.Addr == a && o.Pool == p })
				d = d.remove(func(o Override) bool { return o.Addr == a && o.Pool == p })
			case 1:
				now = now.Add(time.Duration(random.IntN(60)) * time.Second)
				if next := s.Next(now); !next.IsZero() && random.IntN(2) == 0 {
					now = next
				}
				s, _ = s.Without(func(o *Override) bool { return o.Ended(now) })
				d = d.remove(func(o Override) bool { return o.Ended(now) })
			default:
				o := Override{ID: id, Pool: pools[random.IntN(len(pools))], Addr: anAddr(), Kind: Drain + Kind(random.IntN(4))}
				if o.Kind == Weight {
					o.Weight = 1 + random.IntN(MaxWeight)
				}
				if random.IntN(2) == 0 {
					o.Until = now.Add(time.Duration(1+random.IntN(90)) * time.Second)
				}
				s, _ = s.With(o)
				d = d.set(o)
			}
			if len(s.All()) != len(d) {
				t.Fatalf("seed %d, step %d: %s, want %s", seed, id, shown(s.All()), shown(d))
			}
			for n := range 3 {
				for _, names := range stanzas {
					has := func(name string) bool { return slices.Contains(names, name) }
					a := addr(t, strconv.Itoa(n))
					if got, want := s.Admin(a, has), d.admin(a, has); got != want {
						t.Fatalf("seed %d, step %d, %s in %v: %+v, want %+v, by %s", seed, id, a, names, got, want, shown(d))
					}
				}
			}
			earliest := time.Time{}
			for _, o := range d {
				if o.Until.After(now) && (earliest.IsZero() || o.Until.Before(earliest)) {
					earliest = o.Until
				}
			}
			if got := s.Next(now); !got.Equal(earliest) {
				t.Fatalf("seed %d, step %d: the next ends at %v, want %v", seed, id, got, earliest)
			}
		}
	}
}

// Most backends have no override: looking for one allocates nothing.
func TestABackendWithoutAnOverrideCostsNoMemory(t *testing.T) {
	s := NewSet(parse(t, "1:1:drain"))
	a := addr(t, "2")
	if n := testing.AllocsPerRun(100, func() { s.Admin(a, func(string) bool { return true }) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
