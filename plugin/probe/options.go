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
	Pos  string // its position, for the error of the caller
}

// OptionError is an error in one line of the nested block.
type OptionError struct {
	Option Option
	Reason string
}

// Error returns the reason only; the caller adds the position.
func (e *OptionError) Error() string { return e.Reason }

func (o Option) errorf(format string, args ...any) error {
	return &OptionError{o, fmt.Sprintf("check option %q: ", o.Name) + fmt.Sprintf(format, args...)}
}

// one returns the only argument of o; what describes it for the error.
func (o Option) one(what string) (string, error) {
	if len(o.Args) != 1 {
		return "", o.errorf("takes one argument (got %d); write %s", len(o.Args), what)
	}
	return o.Args[0], nil
}

// warnings returns warnings about options that are valid but probably wrong.
// CoreDNS replaces {$NAME} by nothing if the variable is not set: the request
// has an empty token then, and the backend goes down without an obvious reason.
func (s Spec) warnings() []string {
	var odd []string
	for _, o := range s.Options {
		if o.Name != "header" && o.Name != "env" {
			continue
		}
		if value := strings.Join(o.Args[1:], " "); value == "" || strings.HasSuffix(value, " ") {
			odd = append(odd, fmt.Sprintf("the value of %s %s is empty or ends in a space: is a {$VARIABLE} not set?", o.Name, o.Args[0]))
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

// repeatable lists the options that a block may have more than once.
var repeatable = []string{"env", "header"}

// Options returns the names of a kind's options, in the order of docs/checks.md.
func Options(kind string) []string { return slices.Clone(kinds[kind].options) }

// each calls read for every option of s, and returns all errors: an operator who
// sees one at a time needs a reload for each. It does not call read for options
// that the kind does not have, or that were given before. read reports whether
// it knows the option.
func (s Spec) each(read func(Option) (bool, error)) error {
	var errs []error
	seen := make(map[string]bool)
	for _, o := range s.Options {
		known, again := slices.Contains(s.options, o.Name), seen[o.Name]
		seen[o.Name] = true
		if known && again && !slices.Contains(repeatable, o.Name) {
			errs = append(errs, o.errorf("given twice; write it once"))
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
