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
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Func asks addr once. It returns nil when the check passed, and otherwise
// an error that an operator understands, without secrets and without unquoted
// text from the network. It returns soon after ctx is done, and whatever it
// opened is closed by then.
type Func func(ctx context.Context, addr netip.Addr) error

// A Check is what the Corefile says is to be asked of every backend of a pool.
// It is immutable.
type Check struct {
	// Label is how log and metrics name the check: its URL as the Corefile
	// writes it, without the query, which is where people keep their tokens.
	Label string
	// ID tells checks apart: two checks with equal IDs ask the same of an
	// address. It may hold secrets and is never shown.
	ID string
	// Insecure is true when the check was told to skip the verification of
	// the certificate.
	Insecure bool
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
}

// An Option is one line of the nested block.
type Option struct {
	Name string
	Args []string
	Pos  string // where it stands, for the error text of whoever parses the Corefile
}

// OptionError is an error in one line of the nested block.
type OptionError struct {
	Option Option
	Reason string
}

// Error gives the reason alone; the position is for the caller to add.
func (e *OptionError) Error() string { return e.Reason }

func (o Option) errorf(format string, args ...any) error {
	return &OptionError{o, fmt.Sprintf("check option %q: ", o.Name) + fmt.Sprintf(format, args...)}
}

// one returns the only argument of o.
func (o Option) one(what string) (string, error) {
	if len(o.Args) != 1 {
		return "", o.errorf("got %d arguments, want one: %s", len(o.Args), what)
	}
	return o.Args[0], nil
}

// A kind parses the checks of one protocol.
type kind func(Spec) (Check, error)

// kinds is the table of what can be asked. A new kind is one file, its test,
// one line here and one row in the README.
var kinds = map[string]kind{
	"http":  parseHTTP,
	"https": parseHTTP,
	"tcp":   parseTCP,
	"tls":   parseTLS,
}

// Kinds returns the names of all kinds, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Parse reads one check. An error in the nested block is an *OptionError.
func Parse(s Spec) (Check, error) {
	if len(s.Args) == 0 {
		return Check{}, fmt.Errorf("check: nothing given, want KIND://[HOST][:PORT][/PATH] with KIND one of %s", list(Kinds()))
	}
	name, _, _ := strings.Cut(s.Args[0], ":")
	parse, ok := kinds[name]
	if !ok {
		return Check{}, fmt.Errorf("check %q: unknown kind %q, want one of %s", s.Args[0], name, list(Kinds()))
	}
	seen := make(map[string]bool)
	for _, o := range s.Options {
		if seen[o.Name] && !repeatable[o.Name] {
			return Check{}, o.errorf("given twice, want it once")
		}
		seen[o.Name] = true
	}
	return parse(s)
}

// repeatable lists the options that may stand more than once in a block.
var repeatable = map[string]bool{"header": true}

// A location is the URL of a check, read and checked.
type location struct {
	kind string
	host string // without brackets; "" when nothing is spoken
	port uint16
	url  *url.URL
	text string // as it may be shown in errors
}

// parseLocation reads the one URL of a check line. A defaultPort of 0 means
// that the port must be given. paths says whether the kind has a use for a path.
func parseLocation(s Spec, defaultPort uint16, paths bool) (location, error) {
	text := s.Args[0]
	if len(s.Args) > 1 {
		return location{}, fmt.Errorf("check %q: unexpected %q behind the URL, options stand in a block { ... }", shown(text), s.Args[1])
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || !strings.Contains(text, "://") {
		return location{}, fmt.Errorf("check %q: not a URL, want KIND://[HOST][:PORT]%s", shown(text), pathHint(paths))
	}
	l := location{kind: u.Scheme, host: u.Hostname(), port: defaultPort, url: u, text: shown(text)}
	switch {
	case u.User != nil:
		return l, fmt.Errorf("check %q: a user in the URL, want none (header Authorization ... sets one)", l.text)
	case u.Fragment != "":
		return l, fmt.Errorf("check %q: a #fragment in the URL, want none: it is never sent", l.text)
	case !paths && (u.Path != "" || u.RawQuery != ""):
		return l, fmt.Errorf("check %q: a path in the URL, want %s://[HOST]:PORT", l.text, l.kind)
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return l, fmt.Errorf("check %q: port %q, want 1 to 65535", l.text, p)
		}
		l.port = uint16(n)
	}
	if l.port == 0 {
		return l, fmt.Errorf("check %q: no port, want %s://[HOST]:PORT", l.text, l.kind)
	}
	if l.host == "" {
		l.host = strings.TrimSuffix(s.Name, ".")
	}
	if l.host != "" && !validHost(l.host) {
		return l, fmt.Errorf("check %q: host %q, want a host name or an IP address", l.text, l.host)
	}
	return l, nil
}

func pathHint(paths bool) string {
	if paths {
		return "[/PATH]"
	}
	return ""
}

// shown is a check as errors may show it: without user and query, which are
// where people keep their tokens.
func shown(text string) string {
	text, _, _ = strings.Cut(text, "?")
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if _, host, ok := strings.Cut(rest, "@"); ok {
			return scheme + "://...@" + host
		}
	}
	return text
}

// authority is HOST:PORT, or :PORT where no host is spoken.
func (l location) authority() string {
	return net.JoinHostPort(l.host, strconv.Itoa(int(l.port)))
}

// validHost reports whether host may be spoken to a server: an IP address, or
// letters, digits, hyphens, underscores and dots. Anything else (a CRLF above
// all, which net/http turns into an empty Host) has no business there.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return true
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
	var parts []string
	for _, o := range options {
		parts = append(parts, id(append([]string{o.Name}, o.Args...)...))
	}
	slices.Sort(parts)
	return id(parts...)
}
