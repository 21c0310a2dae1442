package ctl

import (
	"fmt"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A report is what try prints. It is JSON as in package api: no nulls, nothing
// left out.
type report struct {
	Corefile    string        `json:"corefile"`
	Stanzas     []triedStanza `json:"stanzas"`
	Server      string        `json:"server"` // the socket that the Corefile was compared with; the empty string for none
	Differences []difference  `json:"differences"`
}

// A triedStanza is one stanza of the Corefile.
type triedStanza struct {
	Names    []string       `json:"names"`
	Zones    []string       `json:"zones"` // of the server block
	Filter   bool           `json:"filter"`
	DryRun   bool           `json:"dry_run"`
	AllDown  bool           `json:"all_down"`
	Backends []triedBackend `json:"backends"`
	Answers  []triedAnswer  `json:"answers"`

	heading string
}

// A triedBackend is a backend, and what its checks have found.
type triedBackend struct {
	Address      string       `json:"address"`
	CheckAddress string       `json:"check_address"`
	Drain        bool         `json:"drain"`
	State        string       `json:"state"`
	Checks       []triedCheck `json:"checks"`
}

// A triedCheck is the result of one probe.
type triedCheck struct {
	Check  string  `json:"check"`
	Passed bool    `json:"passed"`
	Error  string  `json:"error"`
	Took   float64 `json:"duration"`
}

// A triedAnswer is what a pool would answer to queries of one type.
type triedAnswer struct {
	Type      string   `json:"type"`
	Outcome   string   `json:"outcome"`
	Addresses []string `json:"addresses"`
	TTL       uint32   `json:"ttl"`
}

// newReport returns the report of a Corefile that is not probed yet.
func newReport(path string, c *corefile) *report {
	r := &report{Corefile: path, Stanzas: []triedStanza{}, Differences: []difference{}}
	for i := range c.stanzas {
		s := &c.stanzas[i]
		of := triedStanza{
			Names: s.Names, Zones: s.zones, Filter: s.IsFilter(), DryRun: s.DryRun, heading: s.heading(),
			Backends: []triedBackend{}, Answers: []triedAnswer{},
		}
		for _, b := range s.Pool.Backends {
			of.Backends = append(of.Backends, triedBackend{
				Address: b.Addr.String(), CheckAddress: b.CheckAddr.String(), Drain: b.Drain, State: "unknown", Checks: []triedCheck{},
			})
		}
		r.Stanzas = append(r.Stanzas, of)
	}
	return r
}

// answer adds what follows from the results of probes.
func (r *report) answer(c *corefile, results map[target]probed) {
	for i := range c.stanzas {
		s, of := &c.stanzas[i], &r.Stanzas[i]
		if of.Filter {
			continue
		}
		health := healthOf(s, results)
		for j, b := range s.Pool.Backends {
			of.Backends[j].State = health[j].State.String()
			for _, check := range s.Checks {
				result := results[target{b.CheckAddr, check.Probe.ID}]
				one := triedCheck{Check: check.Probe.Label, Passed: result.err == nil, Took: result.took.Seconds()}
				if result.err != nil {
					one.Error = result.err.Error()
				}
				of.Backends[j].Checks = append(of.Backends[j].Checks, one)
			}
		}
		of.choose(pool.Build(&s.Pool, health))
	}
}

// choose adds the answers of a snapshot.
func (of *triedStanza) choose(snapshot *pool.Snapshot) {
	of.AllDown = snapshot.AllDown
	for _, f := range pool.Families {
		choice := snapshot.Choices[f]
		one := triedAnswer{Type: [...]string{pool.V4: "A", pool.V6: "AAAA"}[f], Outcome: choice.Outcome.String(), Addresses: []string{}, TTL: snapshot.TTL}
		for _, m := range choice.Members {
			one.Addresses = append(one.Addresses, m.Addr.String())
		}
		of.Answers = append(of.Answers, one)
	}
}

// keys returns the first names of the pools that are all down.
func (r *report) keys() (names []string) {
	for _, of := range r.Stanzas {
		if of.AllDown {
			names = append(names, of.Names[0])
		}
	}
	return names
}

// draw draws r. If it is only checked there are no results.
func (r *report) draw(t *table, checkOnly bool) {
	for i := range r.Stanzas {
		of := &r.Stanzas[i]
		if i > 0 && !checkOnly {
			t.line("")
		}
		kind := "pool"
		switch {
		case of.Filter:
			t.line("filter %s: its addresses come from other plugins", of.heading)
			continue
		case of.DryRun:
			kind = "pool, dry_run,"
		}
		t.line("%s %s: %s", kind, of.heading, count(len(of.Backends), "backend"))
		if !checkOnly {
			of.draw(t)
		}
	}
	r.drawDifferences(t)
}

// draw draws the backends of a pool, a line for each check, and the answers.
func (of *triedStanza) draw(t *table) {
	t.line("")
	t.row("ADDRESS", head("STATE"), "CHECK", "TOOK", "RESULT")
	for i := range of.Backends {
		b := &of.Backends[i]
		is := state(b.State)
		if b.Drain {
			is.text += ", drain"
		}
		if len(b.Checks) == 0 {
			t.row(b.Address, is, "-", "-", "no check: always up")
		}
		for _, c := range b.Checks {
			result := "passed"
			if !c.Passed {
				result = c.Error
			}
			t.row(b.Address, is, c.Check, fmt.Sprintf("%.1f ms", 1000*c.Took), result)
		}
	}
	t.line("")
	for _, answer := range of.Answers {
		t.row(answer.Type, answer.Outcome, dash(strings.Join(answer.Addresses, " ")), fmt.Sprintf("TTL %d", answer.TTL))
	}
}

// drawDifferences draws how the Corefile differs from the running server.
func (r *report) drawDifferences(t *table) {
	if r.Server == "" {
		return
	}
	t.line("")
	if len(r.Differences) == 0 {
		t.line("the server at %s has the same names and backends", r.Server)
		return
	}
	t.line("compared with the server at %s:", r.Server)
	for _, d := range r.Differences {
		name := d.Name
		if d.Filter {
			name += " (filter)"
		}
		var parts []string
		for _, addr := range d.Added {
			parts = append(parts, "+"+addr)
		}
		for _, addr := range d.Removed {
			parts = append(parts, "-"+addr)
		}
		t.row(d.Change, name, dash(strings.Join(parts, " ")))
	}
}
