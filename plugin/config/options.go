package config

import (
	"slices"
	"strings"
)

// An Option is a line that a stanza may have.
type Option struct {
	Name    string
	Form    string // of its arguments
	InCheck bool   // may also be given in the block of a check
}

// An option is an Option and how it is read. To add one, add a line to options, a
// reader beside those of its kind, a section in docs/configuration.md, and its
// errors in testdata/corefile_errors.txt.
type option struct {
	Option
	read  func(*parser, Line) error
	many  bool // may be given more than once
	block bool // may have a block
}

// options lists all of them, in the order of docs/configuration.md. The parser,
// its errors and a test of the documents use this list. Lines are read in the
// order of the Corefile; checks are put off until the others are read.
var options = []option{
	{Option: Option{Name: "backend", Form: backendArgs}, read: (*parser).parseBackend, many: true},
	{Option: Option{Name: "watch", Form: "CIDR...|any"}, read: (*parser).parseWatch},
	{Option: Option{Name: "check", Form: "KIND://[HOST][:PORT][/PATH] [{ OPTION... }]"}, read: (*parser).putOff, many: true, block: true},
	{Option: Option{Name: "interval", Form: "DURATION [fast DURATION]", InCheck: true}, read: (*parser).parsePace},
	{Option: Option{Name: "timeout", Form: "DURATION", InCheck: true}, read: (*parser).parsePace},
	{Option: Option{Name: "rise", Form: "N", InCheck: true}, read: (*parser).parsePace},
	{Option: Option{Name: "fall", Form: "N", InCheck: true}, read: (*parser).parsePace},
	{Option: Option{Name: "fall_hard", Form: "N", InCheck: true}, read: (*parser).parsePace},
	{Option: Option{Name: "policy", Form: "rotate|shuffle|weighted|sticky [V4LEN V6LEN]|nearest|sequential"}, read: (*parser).parsePolicy},
	{Option: Option{Name: "max_answers", Form: "N"}, read: (*parser).parseMaxAnswers},
	{Option: Option{Name: "ttl", Form: "DURATION"}, read: (*parser).parseTTL},
	{Option: Option{Name: "all_down", Form: "answer|servfail|refused|nodata|drop|ADDRESS..."}, read: (*parser).parseAllDown},
	{Option: Option{Name: "min_up", Form: "N|N%"}, read: (*parser).parseMinUp},
	{Option: Option{Name: "slow_start", Form: "DURATION"}, read: (*parser).parseRecovery},
	{Option: Option{Name: "hold_down", Form: "DURATION"}, read: (*parser).parseRecovery},
	{Option: Option{Name: "failback", Form: "auto|DURATION|manual"}, read: (*parser).parseRecovery},
	{Option: Option{Name: "dry_run"}, read: (*parser).parseDryRun},
}

// Options returns every option of a stanza, in the order of
// docs/configuration.md.
func Options() []Option {
	all := make([]Option, len(options))
	for i, o := range options {
		all[i] = o.Option
	}
	return all
}

// optionOf returns the option that l sets.
func optionOf(l Line) (option, bool) {
	i := slices.IndexFunc(options, func(o option) bool { return o.Name == l.word() })
	if i < 0 {
		return option{}, false
	}
	return options[i], true
}

// optionNames lists the options for an error. Without a NAME the stanza may be
// meant to be the process stanza.
func (p *parser) optionNames() string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.Name
	}
	all := strings.Join(names, ", ")
	if len(p.at.args()) == 0 && p.undecided() {
		all += ", or in the process stanza " + namesIn(processOptions)
	}
	return all
}

// paceOptions lists the options that may also be given in the block of a check.
func paceOptions() (names []string) {
	for _, o := range options {
		if o.InCheck {
			names = append(names, o.Name)
		}
	}
	return names
}
