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

// running returns the names of the running server, and how many more it has than
// it lists. Those of wanted are among what it returns, as far as maxLookups goes.
func (c *client) running(ctx context.Context, wanted entries) (all entries, more int, err error) {
	pools, err := c.Pools(ctx, nil)
	if err != nil {
		return nil, 0, err
	}
	backends, err := c.Backends(ctx, nil)
	if err != nil {
		return nil, 0, err
	}
	type stanza struct {
		name, server, view string
		filter             bool
	}
	of := make(map[stanza][]string)
	for _, b := range backends.Backends {
		k := stanza{b.Pool, b.Server, b.View, b.Filter}
		of[k] = append(of[k], b.Address)
	}
	all = make(entries)
	add := func(p *api.Pool, names ...string) {
		for _, name := range names {
			all.add(name, p.Filter, "")
			for _, addr := range of[stanza{p.Name, p.Server, p.View, p.Filter}] {
				all.add(name, p.Filter, addr)
			}
		}
	}
	for i := range pools.Pools {
		add(&pools.Pools[i], pools.Pools[i].Names...)
		more += pools.Pools[i].More
	}
	lookups := 0
	for e := range wanted {
		if all[e] != nil || more == 0 || lookups == maxLookups {
			continue
		}
		lookups++
		found, err := c.Pools(ctx, url.Values{api.ParamPool: {e.name}})
		if err != nil {
			return nil, 0, err
		}
		for i := range found.Pools {
			add(&found.Pools[i], e.name)
		}
	}
	return all, more, nil
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
