package api

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
