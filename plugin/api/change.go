package api

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
	Orphaned bool   `json:"orphaned"` // the pool, or any if Pool is empty, does not have the address now
}

// A Change sets or removes overrides.
//
// Its selectors are of three kinds: addresses (ADDRESS, a pattern such as
// 192.0.2.* with at least one * or ? and the other wildcards of path.Match, a
// network such as 192.0.2.0/24), tier=N, and location=PLACE (location=EU also selects EU/DE). A backend is
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
