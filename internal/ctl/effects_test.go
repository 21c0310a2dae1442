package ctl

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// selected reports whether c is about b.
func (f *fake) selected(c *api.Change, b *api.Backend) bool {
	s, err := api.ParseSelectors(c.Selectors)
	if err != nil {
		f.t.Error(err)
	}
	return s.Match(netip.MustParseAddr(b.Address), b.Configured) && (c.Pool == "" || f.named(url.Values{api.ParamPool: {c.Pool}}, b.Pool))
}

// effects returns what a change does to the answers of f, without tiers: as much
// as the tests need. matched are the backends that it selects.
func (f *fake) effects(c *api.Change) (matched []string, all []api.Effect) {
	matched, all = []string{}, []api.Effect{}
	for _, p := range f.pools {
		for _, family := range []string{"A", "AAAA"} {
			e := api.Effect{Pool: p.Name, Server: p.Server, Type: family, Before: "served", After: "served", Need: 1, Members: []api.Share{}}
			if p.MinUp == "2" {
				e.Need = 2
			}
			for i := range f.backends {
				b := &f.backends[i]
				if b.Pool != p.Name || strings.Contains(b.Address, ":") != (family == "AAAA") {
					continue
				}
				var share api.Share
				if share = (api.Share{Address: b.Address, Before: answeredWeight(b), After: answeredWeight(b)}); f.selected(c, b) {
					matched = append(matched, b.Pool+" "+b.Address)
					share.After = changedWeight(c, b)
				}
				if share.After > 0 {
					e.Up++
				}
				e.Members = append(e.Members, share)
			}
			if changes := normalize(e.Members); changes {
				e.Unsafe = e.Up < e.Need
				if e.Up == 0 {
					e.After = cmp.Or(map[string]string{"answer": "all_down"}[p.AllDown], p.AllDown)
				}
				all = append(all, e)
			}
		}
	}
	slices.Sort(matched)
	return matched, all
}

func answeredWeight(b *api.Backend) float64 {
	if !b.Answered {
		return 0
	}
	return float64(b.Configured.Weight)
}

// changedWeight returns the weight of b after c.
func changedWeight(c *api.Change, b *api.Backend) float64 {
	switch {
	case c.Set == "drain", c.Set == "down":
		return 0
	case c.Set == "up":
		return float64(b.Configured.Weight)
	case c.Set == "weight" && b.Answered:
		return float64(c.Weight)
	}
	return answeredWeight(b)
}

// normalize makes shares of weights, and reports whether any changes.
func normalize(members []api.Share) (changes bool) {
	var before, after float64
	for _, m := range members {
		before, after = before+m.Before, after+m.After
	}
	for i := range members {
		m := &members[i]
		if m.Before /= max(before, 1); after > 0 {
			m.After /= after
		}
		changes = changes || m.Before != m.After
	}
	slices.SortFunc(members, func(x, y api.Share) int {
		return netip.MustParseAddr(x.Address).Compare(netip.MustParseAddr(y.Address))
	})
	return changes
}
