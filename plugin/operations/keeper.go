package operations

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/state"
)

// stateVersion is that of kept. A file of a later one is set aside.
const stateVersion = 1

// verdictsFor is how old verdicts may be that still count as hints.
const verdictsFor = time.Hour

// A keeper is a state directory.
type keeper struct {
	*state.Dir // nil if it cannot be used
	path       string
	err        error // why it cannot
	users      int   // process stanzas
}

// kept is what the state file has.
type kept struct {
	Overrides []keptOverride `json:"overrides"`
	LastID    uint64         `json:"last_id"` // the largest ID that was ever given
	Live      live.Saved     `json:"live"`
}

// A keptOverride is an override.Override.
type keptOverride struct {
	ID     uint64           `json:"id"`
	Pool   string           `json:"pool"`
	Addr   netip.Addr       `json:"address"`
	Set    string           `json:"set"`
	Weight int              `json:"weight"`
	Author string           `json:"author"`
	Reason string           `json:"reason"`
	Since  api.Time         `json:"since"`
	Until  api.Time         `json:"until"`
	Was    []keptConfigured `json:"was"`
}

// A keptConfigured is an override.Configured.
type keptConfigured struct {
	Pool   string `json:"pool"`
	Drain  bool   `json:"drain"`
	Weight int    `json:"weight"`
}

// openState opens the state directory path, if it is not empty, and takes over what
// is in it if no other is open. A directory that cannot be used is reported, tried
// again at the next reload, and the process goes on without: an unreachable disk
// costs memory of the past, not answers. o.mu and o.changing are held.
func (o *Operations) openState(path string) {
	if path == "" {
		return
	}
	k := o.states[path]
	if k == nil {
		k = &keeper{path: path}
		o.states[path] = k
	}
	k.users++
	if k.Dir != nil {
		return
	}
	defer o.listDirs()
	d, err := state.Open(path, state.Options{Version: stateVersion, Warn: o.log.Warningf})
	if k.err = err; err != nil {
		o.failures.Add(1)
		o.log.Warningf("state not kept: %v", err)
		return
	}
	first := true
	for _, other := range o.states {
		first = first && other.Dir == nil
	}
	var saved kept
	if first {
		if at, ok := d.Load(&saved); ok {
			o.restore(&saved, at)
		}
	}
	k.Dir = d
	d.Start(o.collect)
	d.Changed()
}

// closeState undoes openState. o.mu is held.
func (o *Operations) closeState(path string) {
	k := o.states[path]
	if k == nil {
		return
	}
	if k.users--; k.users > 0 {
		return
	}
	delete(o.states, path)
	o.listDirs()
	failed := k.Status().Failed
	o.failures.Add(failed)
	if err := k.Close(); err != nil {
		o.log.Warningf("state not saved at the end: %v", err)
	}
	o.failures.Add(k.Status().Failed - failed)
}

// listDirs publishes o.states. o.mu is held.
func (o *Operations) listDirs() {
	dirs := make([]keeper, 0, len(o.states))
	for _, k := range o.states {
		dirs = append(dirs, *k)
	}
	slices.SortFunc(dirs, func(a, b keeper) int { return strings.Compare(a.path, b.path) })
	o.dirs.Store(&dirs)
}

// StateChanged has the state saved soon. It does not block.
func (o *Operations) StateChanged() {
	for _, k := range *o.dirs.Load() {
		k.Changed()
	}
}

// collect returns what is to be saved.
func (o *Operations) collect() any {
	k := kept{Overrides: []keptOverride{}, Live: o.registry.Save()}
	for _, set := range o.overrides().All() {
		one := keptOverride{
			ID: set.ID, Pool: set.Pool, Addr: set.Addr, Set: set.Kind.String(), Weight: set.Weight, Author: set.Author, Reason: set.Reason,
			Since: api.Time{Time: set.Since}, Until: api.Time{Time: set.Until}, Was: []keptConfigured{},
		}
		for _, w := range set.Was {
			one.Was = append(one.Was, keptConfigured(w))
		}
		k.Overrides = append(k.Overrides, one)
		k.LastID = max(k.LastID, set.ID)
	}
	return k
}

// restore takes over what was saved at the given time. Overrides in force, which are
// there if a reload has brought the directory, count as later ones. o.changing is held.
func (o *Operations) restore(k *kept, saved time.Time) {
	now := time.Now()
	all := o.saved(k, now)
	if len(all) > 0 {
		o.log.Infof("%d overrides restored", len(all))
	}
	for _, set := range all {
		k.LastID = max(k.LastID, set.ID)
	}
	o.lastID += k.LastID
	for _, set := range o.overrides().All() {
		set.ID += k.LastID
		all = append(all, set)
	}
	clear(o.announced) // by the IDs of before
	o.registry.Restore(k.Live, saved, state.Age(saved, now) <= verdictsFor)
	o.put(override.NewSet(all))
}

// saved returns the overrides in k that still hold at now.
func (o *Operations) saved(k *kept, now time.Time) (all []override.Override) {
	for _, one := range k.Overrides {
		kind, ok := override.ParseKind(one.Set)
		set := override.Override{
			ID: one.ID, Pool: one.Pool, Addr: one.Addr, Kind: kind, Weight: one.Weight, Author: one.Author, Reason: one.Reason,
			Since: one.Since.Time, Until: one.Until.Time,
		}
		for _, w := range one.Was {
			set.Was = append(set.Was, override.Configured(w))
		}
		switch {
		case !ok || !set.Addr.IsValid() || kind == override.Weight && (set.Weight < 1 || set.Weight > override.MaxWeight):
			o.log.Warningf("override in the state file is not one, and is dropped: %q for %q", one.Set, one.Addr)
		case set.Ended(now):
			o.log.Infof("override ended while the server was down: %s of %s in %s, set by %s", set.What(), set.Addr, set.Where(), set.Author)
		default:
			all = append(all, set)
		}
	}
	return all
}

// addState adds what is known of the state directory to s.
func (o *Operations) addState(s *api.Status) {
	for _, k := range *o.dirs.Load() {
		if k.err != nil {
			s.Problems = append(s.Problems, "state not kept: "+k.err.Error())
			continue
		}
		st := k.Status()
		s.StateDir, s.StateSaved = k.path, api.Time{Time: st.SavedAt}
		if st.Err != nil {
			s.Problems = append(s.Problems, "state not saved: "+st.Err.Error())
		}
	}
}
