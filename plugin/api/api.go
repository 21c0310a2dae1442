// Package api has the JSON of the status port and the control socket, as Go
// types. The server fills them and rrhealthctl reads them; neither has types of
// its own.
//
// The rules: no value is null, no field is left out because it is false, zero or
// empty, lists are sorted, times are RFC 3339 in UTC (the empty string if there is
// none), and durations are seconds, as numbers. A field may be added; one that is
// there keeps its name and its meaning as long as the path begins with /api/v1.
// schema.json describes them to other programs, and a test compares it with the
// types.
//
// Each path serves GET, which changes nothing. Only PathOverrides on the control
// socket also serves POST.
package api

import (
	"encoding/json"
	"fmt"
	"time"
)

// The paths.
const (
	PathStatus    = "/api/v1/status"    // Status
	PathPools     = "/api/v1/pools"     // Pools
	PathBackends  = "/api/v1/backends"  // Backends
	PathOverrides = "/api/v1/overrides" // Overrides; POST takes a Change and answers a Changed
	PathHistory   = "/api/v1/history"   // Histories
	PathExplain   = "/api/v1/explain"   // Explanation
	PathWhatIf    = "/api/v1/whatif"    // Effects
	PathSchema    = "/api/v1/schema"    // the JSON schema of all of them
)

// A Time is a point in time, or none.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler: RFC 3339 in UTC with milliseconds, or the
// empty string for the zero time.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte(`""`), nil
	}
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	if s == "" {
		*t = Time{}
		return nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	t.Time = at
	return nil
}

// An Error is the body of every answer whose code is not 200.
type Error struct {
	Problem string   `json:"error"`
	Effects []Effect `json:"effects"` // of a Change that was refused for what it would do
	// Code is the status code: 409 for a Change that is refused, 404 for an unknown
	// name, 400 otherwise. 0 lets the server decide.
	Code int `json:"-"`
}

// Error implements error.
func (e *Error) Error() string { return e.Problem }

// Status is the whole process at a glance.
type Status struct {
	Host       string   `json:"host"`
	Version    string   `json:"version"`  // of rrhealth
	CoreDNS    string   `json:"coredns"`  // its version
	Started    Time     `json:"started"`  // the process
	Loaded     Time     `json:"loaded"`   // the Corefile, at start or at the last reload
	Now        Time     `json:"now"`      // when this was true
	Pools      int      `json:"pools"`    // stanzas with backends
	AllDown    int      `json:"all_down"` // of them, those with every backend down
	Short      int      `json:"short"`    // of them, those with fewer up than min_up
	Filters    int      `json:"filters"`
	Backends   Counts   `json:"backends"`
	Watched    Counts   `json:"watched"` // addresses below filters
	Overrides  int      `json:"overrides"`
	StateDir   string   `json:"state_directory"` // the empty string without state
	StateSaved Time     `json:"state_saved"`
	Problems   []string `json:"problems"` // what an operator should know, such as a state that cannot be saved
}

// Counts are backends by their effective state.
type Counts struct {
	All      int `json:"all"`
	Up       int `json:"up"`
	Down     int `json:"down"`
	Unknown  int `json:"unknown"`
	HeldDown int `json:"held_down"`
	Drained  int `json:"drained"`
}

// Pools are stanzas, the worst first: a page of those that were asked for.
type Pools struct {
	Total  int    `json:"total"`  // that match
	Offset int    `json:"offset"` // of the first in Pools
	Pools  []Pool `json:"pools"`
}

// A Pool is a stanza: backends that one or more names share.
type Pool struct {
	Name     string   `json:"name"`   // its first NAME
	Names    []string `json:"names"`  // at most 100
	More     int      `json:"more"`   // names that Names has no room for
	Server   string   `json:"server"` // of the server block, as in metrics
	View     string   `json:"view"`
	Filter   bool     `json:"filter"` // its backends are watched addresses
	Policy   string   `json:"policy"`
	AllDown  string   `json:"all_down"` // the option
	MinUp    string   `json:"min_up"`   // the option
	DryRun   bool     `json:"dry_run"`
	State    string   `json:"state"` // ok, degraded (some are down), short (fewer up than min_up), all_down
	TTL      int      `json:"ttl"`   // seconds, of its answers now
	Counts   Counts   `json:"counts"`
	Backends []string `json:"backends"` // addresses; at most 100. See PathBackends
}

// Backends are addresses of pools and filters, the worst first: a page of those
// that were asked for.
type Backends struct {
	Total    int       `json:"total"`
	Offset   int       `json:"offset"`
	Backends []Backend `json:"backends"`
}

// A Backend is an address of one pool or below one filter. What the Corefile
// says, what an operator has set, what the probes have found and what follows
// stand side by side.
type Backend struct {
	Pool         string     `json:"pool"` // the first NAME of the pool or filter
	Server       string     `json:"server"`
	View         string     `json:"view"`
	Filter       bool       `json:"filter"`
	Address      string     `json:"address"`
	CheckAddress string     `json:"check_address"`
	Configured   Configured `json:"configured"`
	Overrides    []Override `json:"overrides"`    // those in force, the one of the state first
	Probed       string     `json:"probed"`       // up, down or unknown: the verdict of the checks
	Effective    string     `json:"effective"`    // up, down, unknown, held_down or drained
	Weight       int        `json:"weight"`       // in force
	Answered     bool       `json:"answered"`     // it is in the answers, as far as rotation and max_answers leave room
	Why          string     `json:"why"`          // why it is not, or why it is although it is down; see Explanation
	Since        Time       `json:"since"`        // when the probed state began
	Reason       string     `json:"reason"`       // the error of the probe that decided, the empty string for none
	CachedUntil  Time       `json:"cached_until"` // when the last cache that obeys TTLs forgets it; now or earlier if it is out for long
	First        uint64     `json:"first_answers"`
	Checks       []Check    `json:"checks"`
	Day          Shares     `json:"day"` // the last 24 hours, as far as they are known
	// HalfHours are the last 48 of them, the latest last: from 0 (never up) to 9 (up
	// all the time), or - for one without a verdict.
	HalfHours string `json:"half_hours"`
}

// Configured is what the Corefile says of a backend.
type Configured struct {
	Drain    bool   `json:"drain"`
	Weight   int    `json:"weight"`
	Tier     int    `json:"tier"`
	Location string `json:"location"`
}

// A Check is one check of a backend.
type Check struct {
	Check   string  `json:"check"` // its label, as in metrics
	State   string  `json:"state"`
	Suspect bool    `json:"suspect"` // the next result may change the state
	Streak  int     `json:"streak"`  // results in a row against the state
	Last    Time    `json:"last"`    // the last result that counted
	Next    Time    `json:"next"`    // the empty string while a probe is in flight
	Passed  uint64  `json:"passed"`
	Failed  uint64  `json:"failed"`
	Errors  uint64  `json:"errors"` // local errors
	Every   float64 `json:"interval"`
}

// Shares are how long a backend was in each probed state, in seconds.
type Shares struct {
	Up      float64 `json:"up"`
	Down    float64 `json:"down"`
	Unknown float64 `json:"unknown"`
}
