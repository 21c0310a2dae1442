package override_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
)

// An operator drains an address everywhere, but leaves it in one pool. The later
// override of the same address and pool replaces the earlier one.
func ExampleSet() {
	addr := netip.MustParseAddr("192.0.2.1")
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := override.NewSet([]override.Override{
		{ID: 1, Addr: addr, Kind: override.Drain, Author: "ann", Reason: "new disks", Since: now, Until: now.Add(time.Hour)},
		{ID: 2, Addr: addr, Kind: override.Up, Pool: "db.example.org.", Since: now},
	})
	for _, name := range []string{"www.example.org.", "db.example.org."} {
		a := s.Admin(addr, func(pool string) bool { return pool == name })
		fmt.Printf("%s drained %t, state %s\n", name, a.Drained, a.State)
	}

	s, replaced := s.With(override.Override{ID: 3, Addr: addr, Kind: override.Down, Since: now})
	fmt.Println("replaced:", replaced[0].What(), "by", replaced[0].Author, "in", replaced[0].Where())
	for _, o := range s.All() {
		fmt.Println(o.ID, o.Addr, o.What(), "in", o.Where())
	}
	// Output:
	// www.example.org. drained true, state unknown
	// db.example.org. drained false, state up
	// replaced: drain by ann in every pool
	// 3 192.0.2.1 down in every pool
	// 2 192.0.2.1 up in db.example.org.
}
