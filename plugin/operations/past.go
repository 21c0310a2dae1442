package operations

import (
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/history"
	"github.com/rrhealth/rrhealth/plugin/live"
)

const (
	day = 24 * time.Hour
	// halfHours is how many of them Backend.HalfHours has.
	halfHours = 48
	perHalf   = 30 // minutes
)

// pastOf returns what is shown of b's past: since when it is in its probed state
// and why, its shares of the last day, and the same by half hours.
func pastOf(b *live.BackendView, now time.Time) (since api.Time, reason string, shares api.Shares, byHalfHour string) {
	if at, ok := b.Log.Since(); ok {
		since.Time = at
	}
	for _, e := range slices.Backward(b.Log.Events()) {
		if e.Kind == history.StateChanged {
			reason = e.Reason
			break
		}
	}
	return since, reason, sharesOf(b.Log.Shares(now.Add(-day), now)), picture(b.Log, now)
}

func sharesOf(s history.Shares) api.Shares {
	return api.Shares{Up: s.Up.Seconds(), Down: s.Down.Seconds(), Unknown: s.Unknown.Seconds()}
}

// picture returns the value of Backend.HalfHours.
func picture(l *history.Log, now time.Time) string {
	var parts [halfHours]history.Shares
	l.Parts(parts[:], now, perHalf*time.Minute)
	var all [halfHours]byte
	for i := range all {
		all[i] = digit(parts[i])
	}
	return string(all[:])
}

// digit returns the part of the known time in which a backend was up, from 0 to 9;
// 9 only if it was up all the time, and 0 only if never.
func digit(s history.Shares) byte {
	known := s.Up + s.Down
	switch {
	case known == 0:
		return '-'
	case s.Down == 0:
		return '9'
	case s.Up == 0:
		return '0'
	}
	return '1' + byte(min(7, int64(8*s.Up/known))) // #nosec G115 -- at most 8
}

// history returns the events of backends, the latest first.
func (o *Operations) history(pool, address string) []api.History {
	now := time.Now()
	all := []api.History{}
	for _, v := range o.registry.View() {
		if pool != "" && !v.Named(pool) {
			continue
		}
		for i := range v.Backends {
			b := &v.Backends[i]
			if address != "" && b.Addr.String() != address {
				continue
			}
			h := api.History{
				Pool: v.Name(), Server: v.Block.Server, View: v.Block.View, Address: b.Addr.String(),
				Events: []api.Event{}, Day: sharesOf(b.Log.Shares(now.Add(-day), now)),
			}
			events := b.Log.Events()
			for i := len(events) - 1; i >= 0; i-- {
				e := &events[i]
				h.Events = append(h.Events, api.Event{
					At: api.Time{Time: e.At}, Kind: e.Kind.String(), State: e.State.String(), Reason: e.Reason, By: e.By, What: e.What,
				})
			}
			all = append(all, h)
		}
	}
	return all
}
