package probe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

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

// warnings returns what is odd about the options that were accepted. CoreDNS
// replaces {$NAME} by nothing where the variable is not set: the request then
// has an empty token, and the backend is down for a reason that is hard to see.
func (s Spec) warnings() []string {
	var odd []string
	for _, o := range s.Options {
		if o.Name != "header" && o.Name != "env" {
			continue
		}
		if value := strings.Join(o.Args[1:], " "); value == "" || strings.HasSuffix(value, " ") {
			odd = append(odd, fmt.Sprintf("the value of %s %s is empty or ends in a space: a {$VARIABLE} that is not set?", o.Name, o.Args[0]))
		}
	}
	return odd
}

// The options that several kinds share.
var (
	dialogueOptions = []string{"send", "expect"}
	httpOptions     = []string{"method", "header", "status", "body"}
	tlsNames        = []string{"alpn", "ca", "cert", "min_days", "insecure"}
)

// repeatable lists the options that may stand more than once in a block.
var repeatable = []string{"env", "header"}

// Options returns the names of the options that checks of a kind take, in the
// order of docs/checks.md.
func Options(kind string) []string { return slices.Clone(kinds[kind].options) }

// each has every option of s read, and returns the errors of all of them: an
// operator who fixes one at a time reloads once for each. Options that the kind
// does not have, or that were given before, are not passed to read. read
// reports whether it knows the option.
func (s Spec) each(read func(Option) (bool, error)) error {
	var errs []error
	seen := make(map[string]bool)
	for _, o := range s.Options {
		known, again := slices.Contains(s.options, o.Name), seen[o.Name]
		seen[o.Name] = true
		if known && again && !slices.Contains(repeatable, o.Name) {
			errs = append(errs, o.errorf("given twice, want it once"))
			continue
		}
		var err error
		if known {
			known, err = read(o)
		}
		if !known {
			err = o.errorf("unknown for %s; use one of %s", s.kind, list(slices.Concat(s.options, s.General)))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
