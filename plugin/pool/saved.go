package pool

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A savedHistory is a History as JSON.
type savedHistory struct {
	Backends map[netip.Addr]savedBackend `json:"backends"`
	Standby  [len(Families)]savedStandby `json:"standby"`
}

type savedBackend struct {
	State    string      `json:"state"`
	Falls    []time.Time `json:"falls"`
	HoldDown float64     `json:"hold_down"` // seconds
	Until    time.Time   `json:"until"`
	Able     bool        `json:"able"`
	Waiting  bool        `json:"waiting"`
	Ready    bool        `json:"ready"`
	Grows    time.Time   `json:"grows"`
}

type savedStandby struct {
	Tier  int       `json:"tier"`
	To    int       `json:"to"`
	Since time.Time `json:"since"`
}

// Restore takes over what saved knows of h's backends, from before a restart.
func (h *History) Restore(saved *History) {
	h.standby = saved.standby
	maps.Copy(h.backends, saved.Clone().backends)
}

// MarshalJSON implements json.Marshaler.
func (h *History) MarshalJSON() ([]byte, error) {
	s := savedHistory{Backends: make(map[netip.Addr]savedBackend, len(h.backends))}
	for addr, b := range h.backends {
		s.Backends[addr] = savedBackend{
			State: b.state.String(), Falls: slices.Concat([]time.Time{}, b.falls), HoldDown: b.holdDown.Seconds(), Until: b.until,
			Able: b.able, Waiting: b.waiting, Ready: b.ready, Grows: b.grows,
		}
	}
	for f, standby := range h.standby {
		s.Standby[f] = savedStandby{standby.tier, standby.to, standby.since}
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler. Times that are further away than any
// hold-down may be are cut: the clock may have been set between.
func (h *History) UnmarshalJSON(text []byte) error {
	var s savedHistory
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("history of a pool: %w", err)
	}
	now := time.Now()
	*h = *NewHistory()
	for addr, b := range s.Backends {
		past := &backendHistory{
			holdDown: time.Duration(min(max(b.HoldDown, 0), FlapWindow.Seconds()) * float64(time.Second)), until: b.Until, able: b.Able, waiting: b.Waiting, ready: b.Ready, grows: b.Grows,
		}
		for _, state := range verdict.States {
			if state.String() == b.State {
				past.state = state
			}
		}
		for _, fall := range b.Falls[max(0, len(b.Falls)-maxFalls):] {
			if !fall.After(now) {
				past.falls = append(past.falls, fall)
			}
		}
		if past.until.Sub(now) > FlapWindow {
			past.until = now.Add(past.holdDown)
		}
		if past.grows.After(now) {
			past.grows = time.Time{}
		}
		h.backends[addr] = past
	}
	for f, standby := range s.Standby {
		if standby.Since.After(now) {
			standby.Since = now
		}
		h.standby[f].tier, h.standby[f].to, h.standby[f].since = standby.Tier, standby.To, standby.Since
	}
	return nil
}
