// Package probe checks one address, once.
//
// A probe is a function of a context and an address that returns an error, or nil
// if it passed. It has no state, counts nothing, logs nothing and retries
// nothing, and its only clock is the context's deadline. Package monitor decides
// when to probe which address, and what follows from the result.
//
// Parse turns the words of a Corefile's check line into a Check. Each kind of
// check has a file of its own, with its options and its probe, and one line in
// the table below; no other package knows the kinds.
//
// A probe always goes to the address that it is given. The HOST of a check is
// only the name in the Host header and the SNI, and the name that the
// certificate must match. It is never resolved.
package probe

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Func probes addr once. It returns nil if the check passed, and otherwise an
// error for operators, without secrets (see secret.go) and without unquoted text
// from the network. It returns soon after ctx is done, and has closed all that
// it opened.
type Func func(ctx context.Context, addr netip.Addr) error

// A Check is what is asked of every backend of a pool, as the Corefile has it. It
// is immutable.
type Check struct {
	// Label is the check's name in logs and metrics: its URL as in the
	// Corefile, or its command. It has no query and no arguments, which may
	// contain secrets.
	Label string
	// ID identifies what is asked: checks with equal IDs ask the same. It may
	// contain secrets and is never shown.
	ID string
	// TLS is true if the check uses TLS: its probe notes in an Observation when
	// the server's certificate expires.
	TLS bool
	// Insecure is true if the check does not verify the certificate.
	Insecure bool
	// Warnings are logged at start: settings that are probably wrong. They
	// contain no secrets.
	Warnings []string
	// Probe probes an address.
	Probe Func
}

// A Spec is one check line of the Corefile, with the options of its block that
// belong to the probe.
type Spec struct {
	Args    []string // the words behind "check"
	Options []Option // the nested block, line by line
	Name    string   // the HOST of a URL without one; "" if there is none
	Root    string   // directory that relative file names start from; "" for the working directory
	General []string // the options that the caller reads, for errors

	kind    string   // set by Parse
	options []string // of the kind; set by Parse
}

// A kind is the parser of one protocol's checks and the names of their options.
// The parser, errors and a test of docs/checks.md use the same list.
type kind struct {
	parse   func(Spec) (Check, error)
	options []string
}

// kinds is the table of all kinds. ARCHITECTURE.md lists what a new kind needs
// besides a line here; tcp.go (a dialogue) and grpc.go (a protocol of its own) are
// files to start from.
var kinds = map[string]kind{
	"dns":   {parseDNS, []string{"type", "rcode", "answer"}},
	"exec":  {parseExec, []string{"env"}},
	"grpc":  {parseGRPC, nil},
	"grpcs": {parseGRPC, tlsNames},
	"http":  {parseHTTP, httpOptions},
	"https": {parseHTTP, slices.Concat(httpOptions, tlsNames)},
	"icmp":  {parseICMP, nil},
	"tcp":   {parseTCP, dialogueOptions},
	"tls":   {parseTLS, slices.Concat(dialogueOptions, tlsNames)},
	"udp":   {parseUDP, dialogueOptions},
}

// Kinds returns the names of all kinds, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Parse reads one check. It returns all errors, joined; those in the block are of
// type *OptionError.
func Parse(s Spec) (Check, error) {
	if len(s.Args) == 0 {
		return Check{}, fmt.Errorf("check: nothing given; write KIND://[HOST][:PORT][/PATH], icmp, or exec COMMAND [ARG...], with KIND one of %s", list(Kinds()))
	}
	name, _, _ := strings.Cut(shown(s.Args[0]), ":")
	k, ok := kinds[name]
	if !ok {
		return Check{}, fmt.Errorf("check %q: unknown kind (got %q); use one of %s", shown(s.Args[0]), name, list(Kinds()))
	}
	s.kind, s.options = name, k.options
	c, err := k.parse(s)
	if err != nil {
		return Check{}, err
	}
	c.Warnings = slices.Concat(c.Warnings, s.warnings(), s.exposedKeys())
	c.Probe = secretsOf(s).guard(c)
	return c, nil
}

// printable reports whether text may be used in a log line and in the label of a
// metric. In a label, invalid UTF-8 causes a panic.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// list joins words for an error.
func list(words []string) string { return strings.Join(words, ", ") }

// id builds a Check.ID from parts. It quotes each part, so that different lists
// of parts give different IDs.
func id(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Quote(p))
	}
	return b.String()
}

// optionsID returns the part of a Check.ID for the options, in any order.
func optionsID(options []Option) string {
	parts := make([]string, 0, len(options))
	for _, o := range options {
		parts = append(parts, id(append([]string{o.Name}, o.Args...)...))
	}
	slices.Sort(parts)
	return id(parts...)
}
