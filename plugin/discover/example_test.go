package discover_test

import (
	"errors"
	"fmt"
	"log"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/discover"
)

// A zone is a Source, as CoreDNS's file plugin is.
type zone map[string][]dns.RR

func (z zone) Transfer(name string, _ uint32) (<-chan []dns.RR, error) {
	records, ok := z[name]
	if !ok {
		return nil, errors.New("not authoritative")
	}
	parts := make(chan []dns.RR, 1)
	parts <- records
	close(parts)
	return parts, nil
}

// A printer is a Watcher with one list, for IPv4 addresses.
type printer struct{}

func (printer) Wanted(_ string, addr netip.Addr) (list int32, ok bool) { return 0, addr.Is4() }

func (printer) Watch(list int32, addrs []netip.Addr) error {
	fmt.Println("list", list, "watches", addrs)
	return nil
}

// A Discovery passes the addresses in a zone, and later those in answers, to a
// Watcher.
func Example() {
	var records []dns.RR
	for _, line := range []string{
		"www.example.org. 300 IN A 192.0.2.1",
		"www.example.org. 300 IN AAAA 2001:db8::1",
		`www.example.org. 300 IN TXT "no address"`,
	} {
		rr, err := dns.NewRR(line)
		if err != nil {
			log.Fatal(err)
		}
		records = append(records, rr)
	}
	walked := make(chan struct{})
	d := discover.Start(discover.Config{
		Zones:   discover.Zones([]string{"example.org."}, []string{"www.example.org."}),
		Sources: []discover.Source{zone{"example.org.": records}},
		Watcher: printer{},
		Walked: func(first bool) {
			if first {
				close(walked)
			}
		},
		Warn: log.Printf,
	})
	<-walked
	d.Stop()
	// Output: list 0 watches [192.0.2.1]
}
