// Package config turns the lines of a Corefile into stanzas: complete, checked
// and immutable.
//
// Parse reads each stanza in four steps. It reads its names; then its options,
// in the order of the Corefile, by the table in options.go; then it checks what
// depends on several options, and fills in defaults; last, it reads the checks,
// which need the pace of the stanza, and derives the TTLs from them.
//
// Parse goes on after an error and returns all of them, each with the position
// of its line. It does not report what follows from an option that it could not
// read: to fix that option may be all there is to do.
//
// A stanza with an option of the process stanza is that (process.go), and is read
// by a table of its own.
//
// The package does not depend on caddy: ReadLines takes words through an
// interface. The packages below define what a stanza consists of: pool the
// settings of answers, monitor the pace of a check, probe the kinds of checks.
package config

import (
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/probe"
)

// The defaults of a stanza. docs/detection.md has the reasons.
const (
	defaultInterval   = 5 * time.Second
	defaultFast       = time.Second
	defaultTimeout    = 2 * time.Second
	defaultRise       = 2
	defaultFall       = 3
	defaultMaxAnswers = 8
)

// The limits of what a stanza may set.
const (
	minInterval   = 100 * time.Millisecond
	maxInterval   = 24 * time.Hour
	maxStreak     = 100
	maxWeight     = 65535
	maxTier       = 100
	maxMaxAnswers = 1000
	// maxWatchedMinUp is how many A records fit into a DNS message: 16 bytes each.
	maxWatchedMinUp = 4094
	minRecovery     = time.Second // of slow_start, hold_down and failback
	maxRecovery     = 24 * time.Hour
)

// A Stanza is one rrhealth block of the Corefile: a pool for each of its names,
// or, with Watch, a filter for each.
type Stanza struct {
	Names  []string // at least one; in lower case, with the final dot; may start with "*."
	Pool   pool.Config
	Checks []Check
	Watch  Networks
	DryRun bool // probe, log and count, but change no answer
}

// IsFilter reports whether s is a filter. Its Pool has no backends then.
func (s *Stanza) IsFilter() bool { return s.Watch.Any || len(s.Watch.Prefixes) > 0 }

// A Check is a question, and how often it is asked of an address.
type Check struct {
	Probe probe.Check
	Pace  monitor.Check // its ID is that of Probe
}

// A Block is what stanzas need of their server block.
type Block struct {
	Zones []string // at least one; in lower case, with the final dot; names must be inside one
	Root  string   // directory that relative file names start from; "" for the working directory

	Process *Process // that of a server block before, which may be the only one; or nil
}
