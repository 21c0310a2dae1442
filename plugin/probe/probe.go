// Package probe asks one address, once, whether it is well.
//
// A probe is a function of a context and an address to an error: nil means it
// passed. It keeps no state, counts nothing, logs nothing, retries nothing and
// looks at no clock but its context's deadline. Who is asked when, and what
// follows from the result, is for others to say.
//
// Parse turns the words of a Corefile's check line into a Check. Each kind of
// check lives in a file of its own, with its options and its probe, and stands
// as one line in the table below; nothing else in the project knows the kinds.
//
// A probe always goes to the address it is given. The HOST of a check is only
// the name that is spoken there: the Host header, the SNI, and the name that
// the certificate must match. It is never resolved.
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

// A Func asks addr once. It returns nil when the check passed, and otherwise
// an error that an operator understands, without secrets (see secret.go) and
// without unquoted text from the network. It returns soon after ctx is done, and
// whatever it opened is closed by then.
type Func func(ctx context.Context, addr netip.Addr) error

// A Check is what the Corefile says is to be asked of every backend of a pool.
// It is immutable.
type Check struct {
	// Label is how log and metrics name the check: its URL as the Corefile
	// writes it, without the query, which is where people keep their tokens,
	// or the command without its arguments, for the same reason.
	Label string
	// ID tells checks apart: two checks with equal IDs ask the same of an
	// address. It may hold secrets and is never shown.
	ID string
	// TLS is true when the check speaks TLS: its probe tells an Observation
	// when the server's certificate expires.
	TLS bool
	// Insecure is true when the check was told to skip the verification of
	// the certificate.
	Insecure bool
	// Warnings are what is probably not meant so, for the log at start. They
	// hold no secrets.
	Warnings []string
	// Probe does the asking.
	Probe Func
}

// A Spec is one check line as it stands in the Corefile, with the nested
// options that concern the probe itself.
type Spec struct {
	Args    []string // the words behind "check"
	Options []Option // the nested block, line by line
	Name    string   // HOST where the URL has none; "" when there is none to take
	Root    string   // directory that relative file names start from; "" for the working directory
	General []string // options that the caller reads itself, for error texts

	kind    string   // set by Parse
	options []string // that the kind has; set by Parse
}

// A kind parses the checks of one protocol, and has the options of the list.
// Parser, error texts and a test of docs/checks.md read the same list.
type kind struct {
	parse   func(Spec) (Check, error)
	options []string
}

// kinds is the table of what can be asked. A new kind is one file, its test,
// one line here and one section in docs/checks.md.
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

// Parse reads one check. Its error joins all errors that were found; those in
// the nested block are of type *OptionError.
func Parse(s Spec) (Check, error) {
	if len(s.Args) == 0 {
		return Check{}, fmt.Errorf("check: nothing given, want KIND://[HOST][:PORT][/PATH], icmp, or exec COMMAND [ARG...], with KIND one of %s", list(Kinds()))
	}
	name, _, _ := strings.Cut(shown(s.Args[0]), ":")
	k, ok := kinds[name]
	if !ok {
		return Check{}, fmt.Errorf("check %q: unknown kind %q, want one of %s", shown(s.Args[0]), name, list(Kinds()))
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

// printable reports whether text may stand in a log line and in the label of a
// metric, where text that is not UTF-8 would be a panic.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// list joins words for an error text.
func list(words []string) string { return strings.Join(words, ", ") }

// id builds a Check.ID from the parts that tell checks apart. Each part is
// quoted, so that no two different lists of parts give the same ID.
func id(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Quote(p))
	}
	return b.String()
}

// optionsID is the part of a Check.ID that the options make.
func optionsID(options []Option) string {
	parts := make([]string, 0, len(options))
	for _, o := range options {
		parts = append(parts, id(append([]string{o.Name}, o.Args...)...))
	}
	slices.Sort(parts)
	return id(parts...)
}
