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

// Overrides are what operators have set, sorted by pool and address.
type Overrides struct {
	Overrides []Override `json:"overrides"`
}

// An Override is what an operator has set for an address.
type Override struct {
	ID       uint64 `json:"id"`
	Pool     string `json:"pool"` // the empty string: in every pool and filter
	Address  string `json:"address"`
	Set      string `json:"set"`    // drain, down, up or weight
	Weight   int    `json:"weight"` // of Set weight, else 0
	Author   string `json:"author"`
	Reason   string `json:"reason"`
	Since    Time   `json:"since"`
	Until    Time   `json:"until"`    // the empty string: for ever
	Orphaned bool   `json:"orphaned"` // no pool or filter has the address now
}

// A Change sets or removes overrides.
//
// Its selectors are of three kinds: addresses (ADDRESS, a pattern such as
// 192.0.2.* with the wildcards of path.Match, a network such as 192.0.2.0/24),
// tier=N, and location=PLACE (location=EU also selects EU/DE). A backend is
// selected if it meets one selector of each kind that is given: several addresses
// mean any of them, and tier=2 beside them means those of tier 2 only. Parse them
// with ParseSelectors. With Set auto, an ADDRESS also selects an orphaned override.
type Change struct {
	Set       string   `json:"set"` // drain, down, up, weight, or auto to remove
	Weight    int      `json:"weight"`
	Selectors []string `json:"selectors"` // at least one
	Pool      string   `json:"pool"`      // a NAME; the empty string: everywhere
	Author    string   `json:"author"`    // the empty string: the user at the other end of the socket
	Reason    string   `json:"reason"`
	For       float64  `json:"for"` // seconds; one of For, Until and Forever
	Until     Time     `json:"until"`
	Forever   bool     `json:"forever"`
	Force     bool     `json:"force"`   // also if a pool keeps fewer than min_up
	DryRun    bool     `json:"dry_run"` // answer what would follow, and change nothing
}

// Changed is what a Change has done.
type Changed struct {
	Overrides []Override `json:"overrides"` // set or removed by it
	Effects   []Effect   `json:"effects"`   // of the pools whose answers change
	// QuietAt is when the last cache that obeys TTLs has forgotten the addresses
	// that are no longer answered; the empty string if none has left the answers.
	QuietAt Time `json:"quiet_at"`
}

// Effects are what a change would do to the answers.
type Effects struct {
	Matched []string `json:"matched"` // "POOL ADDRESS"
	Effects []Effect `json:"effects"`
}

// An Effect is what changes in the answers of one pool for one address family.
type Effect struct {
	Pool    string  `json:"pool"`
	Server  string  `json:"server"`
	View    string  `json:"view"`
	Type    string  `json:"type"`   // A or AAAA
	Before  string  `json:"before"` // the outcome, as in metrics
	After   string  `json:"after"`
	Up      int     `json:"up"`      // members up afterwards, of the tiers that are answered
	Need    int     `json:"need"`    // min_up, in members
	Unsafe  bool    `json:"unsafe"`  // fewer than min_up, or none, and that was not so before
	Members []Share `json:"members"` // sorted by address
}

// A Share is the part of the first answers that an address has.
type Share struct {
	Address string  `json:"address"`
	Before  float64 `json:"before"`
	After   float64 `json:"after"`
}

// Histories are the events of backends.
type Histories struct {
	Total     int       `json:"total"`     // backends that match
	Histories []History `json:"histories"` // at most MaxLimit, those with the latest events
}

// A History is what has happened to one backend.
type History struct {
	Pool    string  `json:"pool"`
	Server  string  `json:"server"`
	View    string  `json:"view"`
	Address string  `json:"address"`
	Events  []Event `json:"events"` // the last 50, the latest first
	Day     Shares  `json:"day"`
}

// An Event is a change of one backend.
type Event struct {
	At     Time   `json:"at"`
	Kind   string `json:"kind"`  // state, held_down, released, overridden or override_ended
	State  string `json:"state"` // the probed state from then on
	Reason string `json:"reason"`
	By     string `json:"by"`   // the author of an override
	What   string `json:"what"` // what was set
}

// An Explanation is why a query gets its answer.
type Explanation struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Client  string   `json:"client"` // the address that was assumed; the empty string for none
	At      Time     `json:"at"`
	Server  string   `json:"server"`
	View    string   `json:"view"`
	Pool    string   `json:"pool"`   // the NAME that matched; the empty string for none
	Filter  string   `json:"filter"` // likewise
	Outcome string   `json:"outcome"`
	Rcode   string   `json:"rcode"`
	TTL     int      `json:"ttl"`
	Order   bool     `json:"order"`  // Answer is in the order of the next answer; false where it depends on chance
	Answer  []string `json:"answer"` // addresses
	Members []Reason `json:"members"`
	Notes   []string `json:"notes"` // such as dry_run, or what is not known of the past
}

// A Reason is why one address is in an answer or not.
type Reason struct {
	Address  string `json:"address"`
	Answered bool   `json:"answered"`
	Rule     string `json:"rule"` // see Rules
	Text     string `json:"text"` // the same in a sentence, with names and numbers
}

// Rules lists the values of Reason.Rule and of Backend.Why.
var Rules = [...]string{
	"up",              // answered: it is up
	"unknown",         // answered: there is no verdict yet
	"min_up",          // answered although it is down: too few are up
	"all_down",        // answered although it is down: all are
	"fallback",        // answered: an address of all_down
	"dry_run",         // answered although it is down: dry_run
	"down",            // left out: its checks fail
	"override",        // left out or answered because of an operator
	"drain",           // left out: drained in the Corefile
	"held_down",       // left out: hold_down or failback
	"tier",            // left out: an earlier tier has enough
	"max_answers",     // left out of this answer, not of the next
	"family",          // left out: of the other address family
	"all_down_action", // left out: all are down, and all_down says so
}
