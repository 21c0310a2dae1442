package status

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// Bounds of what the overview shows beside the backends.
const (
	mostProblems  = 20
	mostOverrides = 20
	worstPools    = 10
	mostEvents    = 50
)

// A viewer returns what a page shows.
type viewer func(s *Server, m *Model, q query) (*view, error)

// A view is what a page shows, as text that is cut and ready to be escaped. The
// page of HTML and that of text are two forms of it.
type view struct {
	Title     string
	Problem   string // of an error
	Status    *api.Status
	Host      string
	Versions  string
	Now       time.Time
	Tiles     []tile
	Problems  []string
	Overrides []overrideRow
	Hidden    int // overrides without room
	Details   []poolRow
	Pools     []poolRow
	PoolPager *pager // nil for those that are not ok on the overview
	Form      *form
	Backends  []backendRow
	Pager     *pager
	Events    []eventRow
	Assets    assetNames
}

// A tile is a count that is a link to what it counts.
type tile struct {
	State, Label, Glyph, URL, Count string
	Current                         bool
}

// A form filters a table.
type form struct {
	Action, Search, State, Of string
	States                    []choice
}

// A choice is a state that a form offers.
type choice struct {
	Value, Label string
	Selected     bool
}

// A pager leads through a long table.
type pager struct {
	Empty          bool
	Part           string // which lines of how many
	Previous, Next string // URLs, the empty string for none
}

func viewOverview(_ *Server, m *Model, q query) (*view, error) {
	v := newView("Overview", m)
	v.Tiles = tiles(&m.Status, q)
	for _, p := range m.Status.Problems[:min(len(m.Status.Problems), mostProblems)] {
		v.Problems = append(v.Problems, shorten(p, 300))
	}
	for i := range m.Overrides[:min(len(m.Overrides), mostOverrides)] {
		v.Overrides = append(v.Overrides, v.override(&m.Overrides[i]))
	}
	v.Hidden = len(m.Overrides) - len(v.Overrides)
	for i := range m.Pools {
		if p := &m.Pools[i]; p.State != "ok" && len(v.Pools) < worstPools {
			v.Pools = append(v.Pools, v.pool(p))
		}
	}
	v.backends("/", m, q)
	return v, nil
}

func viewPools(_ *Server, m *Model, q query) (*view, error) {
	v := newView("Pools", m)
	some, total := page(m.Pools, q, q.pools())
	for i := range some {
		v.Pools = append(v.Pools, v.pool(&some[i]))
	}
	v.Form = newForm("/pools", "pools", q, poolStates)
	v.PoolPager = newPager("/pools", q, len(some), total)
	return v, nil
}

func viewPool(s *Server, m *Model, q query) (*view, error) {
	named := q.namedPools(m)
	if len(named) == 0 {
		return nil, refusal(http.StatusNotFound, "no pool or filter has this name (got "+shorten(q.pool, 100)+"); see /pools")
	}
	v := newView(shorten(q.pool, 100), m)
	for _, p := range named[:min(len(named), worstPools)] {
		v.Details = append(v.Details, v.pool(p))
	}
	v.events(s.history(m, q))
	v.backends(poolURL(q.pool), m, q)
	return v, nil
}

func newView(title string, m *Model) *view {
	v := &view{Title: title, Status: &m.Status, Now: m.Status.Now.Time, Host: shorten(m.Status.Host, 100)}
	v.Versions = "rrhealth " + shorten(m.Status.Version, 40) + ", CoreDNS " + shorten(m.Status.CoreDNS, 40)
	if v.Now.IsZero() {
		v.Now = time.Now()
	}
	return v
}

// backends fills the table of backends with those that match q.
func (v *view) backends(action string, m *Model, q query) {
	some, total := page(m.Backends, q, q.backends(m))
	for i := range some {
		v.Backends = append(v.Backends, v.backend(&some[i]))
	}
	v.Form = newForm(action, "backends", q, backendStates)
	v.Pager = newPager(action, q, len(some), total)
}

// events fills the table of events with the latest of all.
func (v *view) events(all []api.History) {
	for _, h := range all {
		for i := range h.Events {
			v.Events = append(v.Events, eventRow{Event: &h.Events[i], Address: shorten(h.Address, 60)})
		}
	}
	slices.SortStableFunc(v.Events, func(a, b eventRow) int { return b.Event.At.Compare(a.Event.At.Time) })
	v.Events = v.Events[:min(len(v.Events), mostEvents)]
	for i := range v.Events {
		v.Events[i].fill(v.Now)
	}
}

func tiles(st *api.Status, q query) []tile {
	c := &st.Backends
	var all []tile
	for _, t := range []struct {
		state string
		count int
	}{{"", c.All}, {"down", c.Down}, {"unknown", c.Unknown}, {"held_down", c.HeldDown}, {"drained", c.Drained}, {"up", c.Up}} {
		all = append(all, tile{
			State: t.state, Label: cmp.Or(label(t.state), "all"), Glyph: glyphs[t.state], Count: grouped(t.count),
			URL: link("/", query{search: q.search, state: t.state}), Current: q.state == t.state,
		})
	}
	if st.Overrides > 0 {
		all = append(all, tile{Label: "set by operators", Count: grouped(st.Overrides), URL: "#set"})
	}
	return all
}

func newForm(action, of string, q query, states []string) *form {
	f := &form{Action: action, Of: of, Search: q.search, State: q.state, States: []choice{{"", "any", q.state == ""}}}
	for _, s := range states {
		f.States = append(f.States, choice{s, label(s), q.state == s})
	}
	return f
}

func newPager(action string, q query, shown, total int) *pager {
	p := &pager{Empty: total == 0, Part: fmt.Sprintf("%s to %s of %s", grouped(q.offset+1), grouped(q.offset+shown), grouped(total))}
	if shown == 0 {
		p.Part = "0 of " + grouped(total)
	}
	if q.offset > 0 {
		back := q
		back.offset = max(0, min(q.offset, total)-q.limit)
		p.Previous = link(action, back)
	}
	if q.offset+shown < total && shown > 0 {
		on := q
		on.offset += q.limit
		p.Next = link(action, on)
	}
	return p
}

// link returns the URL of a page with the parameters of q.
func link(path string, q query) string {
	values := url.Values{}
	if q.search != "" {
		values.Set(api.ParamSearch, q.search)
	}
	if q.state != "" {
		values.Set(api.ParamState, q.state)
	}
	if q.offset > 0 {
		values.Set(api.ParamOffset, strconv.Itoa(q.offset))
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// poolURL returns the path of the page of a pool.
func poolURL(name string) string { return poolPath + url.PathEscape(name) }

// A picture is SVG that is made of numbers only.
type picture = template.HTML
