package ctl

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// A difference is how a name of a Corefile differs from that of the running
// server.
type difference struct {
	Name    string   `json:"name"`
	Filter  bool     `json:"filter"`
	Change  string   `json:"change"` // gained, lost or changed
	Added   []string `json:"added"`  // addresses
	Removed []string `json:"removed"`
}

// An entry is a name that is served or filtered.
type entry struct {
	name   string
	filter bool
}

// entries are the addresses of names. A name in several server blocks or views has
// those of all of them.
type entries map[entry]map[string]bool

// add adds an address; the empty string adds the name alone.
func (e entries) add(name string, filter bool, addr string) {
	of := e[entry{name, filter}]
	if of == nil {
		of = make(map[string]bool)
		e[entry{name, filter}] = of
	}
	if addr != "" && !filter { // what a filter watches is found out, not configured
		of[addr] = true
	}
}

// entries returns the names of a Corefile.
func (c *corefile) entries() entries {
	all := make(entries)
	for i := range c.stanzas {
		s := &c.stanzas[i]
		for _, name := range s.Names {
			all.add(name, s.IsFilter(), "")
			for _, b := range s.Pool.Backends {
				all.add(name, false, b.Addr.String())
			}
		}
	}
	return all
}

// maxLookups bounds how many names are asked for one by one.
const maxLookups = 1000

// A listing is what the running server has.
type listing struct {
	entries
	backends map[stanzaKey][]string // addresses
	more     int                    // names that the server does not list
}

// A stanzaKey identifies a stanza of the server.
type stanzaKey struct {
	name, server, view string
	filter             bool
}

// running returns the names of the running server. Those of wanted are among them,
// as far as maxLookups goes, also if the server does not list them.
func (c *client) running(ctx context.Context, wanted entries) (*listing, error) {
	pools, err := c.Pools(ctx, nil)
	if err != nil {
		return nil, err
	}
	backends, err := c.Backends(ctx, nil)
	if err != nil {
		return nil, err
	}
	l := &listing{entries: make(entries), backends: make(map[stanzaKey][]string)}
	for _, b := range backends.Backends {
		k := stanzaKey{b.Pool, b.Server, b.View, b.Filter}
		l.backends[k] = append(l.backends[k], b.Address)
	}
	for i := range pools.Pools {
		l.addNames(&pools.Pools[i], pools.Pools[i].Names...)
		l.more += pools.Pools[i].More
	}
	return l, l.lookUp(ctx, c, wanted)
}

// addNames adds names of a stanza.
func (l *listing) addNames(p *api.Pool, names ...string) {
	for _, name := range names {
		l.add(name, p.Filter, "")
		for _, addr := range l.backends[stanzaKey{p.Name, p.Server, p.View, p.Filter}] {
			l.add(name, p.Filter, addr)
		}
	}
}

// lookUp asks for names of wanted that are not listed, one by one.
func (l *listing) lookUp(ctx context.Context, c *client, wanted entries) error {
	lookups := 0
	for e := range wanted {
		if l.entries[e] != nil || l.more == 0 || lookups == maxLookups {
			continue
		}
		lookups++
		found, err := c.Pools(ctx, url.Values{api.ParamPool: {e.name}})
		if err != nil {
			return err
		}
		for i := range found.Pools {
			l.addNames(&found.Pools[i], e.name)
		}
	}
	return nil
}

// differences returns how names differ, sorted: gained, lost, changed.
func differences(before, after entries) []difference {
	list := []difference{}
	for e, addrs := range after {
		d := difference{Name: e.name, Filter: e.filter, Change: "gained", Added: missing(addrs, before[e]), Removed: missing(before[e], addrs)}
		if before[e] != nil {
			if d.Change = "changed"; len(d.Added)+len(d.Removed) == 0 {
				continue
			}
		}
		list = append(list, d)
	}
	for e, addrs := range before {
		if after[e] == nil {
			list = append(list, difference{Name: e.name, Filter: e.filter, Change: "lost", Added: []string{}, Removed: missing(addrs, nil)})
		}
	}
	order := map[string]int{"gained": 0, "lost": 1, "changed": 2}
	slices.SortFunc(list, func(x, y difference) int {
		if by := order[x.Change] - order[y.Change]; by != 0 {
			return by
		}
		return strings.Compare(x.Name, y.Name)
	})
	return list
}

// missing returns those of all that are not in other, sorted.
func missing(all, other map[string]bool) []string {
	left := []string{}
	for _, addr := range slices.Sorted(maps.Keys(all)) {
		if !other[addr] {
			left = append(left, addr)
		}
	}
	return left
}
