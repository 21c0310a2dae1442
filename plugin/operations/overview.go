package operations

import (
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/status"
)

// model returns the state of now.
func (o *Operations) model() *status.Model {
	now := time.Now()
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	version, coredns := o.versions()
	m := &status.Model{
		Status: api.Status{
			Host: host, Version: version, CoreDNS: coredns, Started: api.Time{Time: o.began},
			Loaded: api.Time{Time: time.Unix(0, o.loaded.Load())}, Now: api.Time{Time: now}, Problems: []string{},
		},
		Pools: []api.Pool{}, Backends: []api.Backend{},
	}
	views := o.registry.View()
	for i := range views {
		v := &views[i]
		p := poolOf(v)
		m.Pools = append(m.Pools, p)
		m.Backends = append(m.Backends, backendsOf(v, now)...)
		addPool(&m.Status, &p)
	}
	set := o.overrides().All()
	m.Overrides = shownOverrides(set, orphaned(views, set))
	m.Status.Overrides = len(set)
	slices.SortFunc(m.Pools, comparePools)
	slices.SortFunc(m.Backends, compareBackends)
	o.addState(&m.Status)
	return m
}

// addPool adds p to the counts of s.
func addPool(s *api.Status, p *api.Pool) {
	to := &s.Backends
	if p.Filter {
		s.Filters++
		to = &s.Watched
	} else {
		s.Pools++
	}
	switch p.State {
	case stateAllDown:
		s.AllDown++
	case stateShort:
		s.Short++
	}
	to.All += p.Counts.All
	to.Up += p.Counts.Up
	to.Down += p.Counts.Down
	to.Unknown += p.Counts.Unknown
	to.HeldDown += p.Counts.HeldDown
	to.Drained += p.Counts.Drained
}

// orphaned returns whether an override of set is for no backend and no watched
// address of views.
func orphaned(views []live.StanzaView, set []override.Override) func(*override.Override) bool {
	of := make(map[netip.Addr][]*live.StanzaView, len(set))
	for i := range set {
		of[set[i].Addr] = nil
	}
	for i := range views {
		for j := range views[i].Backends {
			if all, ok := of[views[i].Backends[j].Addr]; ok {
				of[views[i].Backends[j].Addr] = append(all, &views[i])
			}
		}
	}
	return func(s *override.Override) bool {
		return !slices.ContainsFunc(of[s.Addr], func(v *live.StanzaView) bool { return s.Pool == "" || v.Named(s.Pool) })
	}
}
