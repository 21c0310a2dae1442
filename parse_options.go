package rrhealth

import "strings"

// An option is a line that a stanza may have.
type option struct {
	name, form string // as docs/configuration.md has them
	read       func(*stanza, line) error
	many       bool // may be given more than once
	general    bool // may also stand in the block of a check
}

// options lists all of them, in the order of docs/configuration.md. Parser, error
// texts and a test of the documents read this list. Lines are read in the order of the
// Corefile, checks last: they need the stanza's pace.
var options = []option{
	{name: "backend", form: backendArgs, read: (*stanza).parseBackend, many: true},
	{name: "watch", form: "CIDR...|any", read: (*stanza).parseWatch},
	{name: "check", form: "KIND://[HOST][:PORT][/PATH] [{ OPTION... }]", many: true},
	{name: "interval", form: "DURATION [fast DURATION]", read: (*stanza).parsePace, general: true},
	{name: "timeout", form: "DURATION", read: (*stanza).parsePace, general: true},
	{name: "rise", form: "N", read: (*stanza).parsePace, general: true},
	{name: "fall", form: "N", read: (*stanza).parsePace, general: true},
	{name: "fall_hard", form: "N", read: (*stanza).parsePace, general: true},
	{name: "policy", form: "rotate|shuffle|weighted|sticky [V4LEN V6LEN]|nearest|sequential", read: (*stanza).parsePolicy},
	{name: "max_answers", form: "N", read: (*stanza).parseMaxAnswers},
	{name: "ttl", form: "DURATION", read: (*stanza).parseTTL},
	{name: "all_down", form: "answer|servfail|refused|nodata|drop|ADDRESS...", read: (*stanza).parseAllDown},
	{name: "min_up", form: "N|N%", read: (*stanza).parseMinUp},
	{name: "slow_start", form: "DURATION", read: (*stanza).parseRecovery},
	{name: "hold_down", form: "DURATION", read: (*stanza).parseRecovery},
	{name: "failback", form: "auto|DURATION|manual", read: (*stanza).parseRecovery},
	{name: "dry_run", read: (*stanza).parseDryRun},
}

// optionNames lists the options for an error text.
func optionNames() string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return strings.Join(names, ", ")
}

// generalOptions lists the options that may also stand in the block of a check.
var generalOptions = func() (names []string) {
	for _, o := range options {
		if o.general {
			names = append(names, o.name)
		}
	}
	return names
}()
