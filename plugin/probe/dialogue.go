package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
)

// maxReply is how much of a reply is read, in bytes. A match must lie within it.
const maxReply = 64 << 10

// A dialogue is what a check says and what it expects to read.
type dialogue struct {
	send   []byte
	expect *regexp.Regexp
}

// option takes the options send and expect. It reports whether o was one.
func (d *dialogue) option(o Option) (bool, error) {
	switch o.Name {
	case "send":
		text, err := o.one(`the text to send, with \r \n \t \xHH for what cannot be typed`)
		if err != nil {
			return true, err
		}
		if text == "" {
			return true, o.errorf(`nothing to send (got ""); leave the option out, or set the {$VARIABLE} that stands there`)
		}
		if d.send, err = unescape(text); err != nil {
			return true, o.errorf("%v", err)
		}
		return true, nil
	case "expect":
		var err error
		d.expect, err = o.regexp()
		return true, err
	}
	return false, nil
}

// regexp reads the only argument of o as a regular expression.
func (o Option) regexp() (*regexp.Regexp, error) {
	text, err := o.one("a regular expression (RE2)")
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, o.errorf(`matches everything (got ""); leave the option out, or write (?s). for at least one byte`)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, o.errorf("%v, want a regular expression (RE2)", err)
	}
	return re, nil
}

// unescape resolves \r, \n, \t, \0, \\ and \xHH: a Corefile cannot hold the
// bytes themselves.
func unescape(text string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		i++
		if i == len(text) {
			return nil, errors.New(`a lone \ at the end, want \\`)
		}
		switch text[i] {
		case 'r':
			out = append(out, '\r')
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case '0':
			out = append(out, 0)
		case '\\':
			out = append(out, '\\')
		case 'x':
			var b byte
			if i+2 >= len(text) {
				return nil, errors.New(`\x without two hexadecimal digits`)
			}
			if _, err := fmt.Sscanf(text[i+1:i+3], "%02x", &b); err != nil {
				return nil, errors.New(`\x without two hexadecimal digits`)
			}
			out = append(out, b)
			i += 2
		default:
			return nil, fmt.Errorf(`unknown escape \%c, want \r, \n, \t, \0, \\ or \xHH`, text[i])
		}
	}
	return out, nil
}

// errNoMatch says that a reply was read to its end and did not match.
var errNoMatch = errors.New("no match")

// errNoMatchSoFar says that a reply did not match as far as it is read.
var errNoMatchSoFar = fmt.Errorf("%w in the first %d bytes", errNoMatch, maxReply)

// matchBody reads the body of a reply until re matches, and returns nil. It
// returns errNoMatch when the body ended without a match, errNoMatchSoFar when
// it is as long as is read, or longer, and the reader's error when it broke off.
func matchBody(r io.Reader, re *regexp.Regexp) error {
	limited := &io.LimitedReader{R: r, N: maxReply}
	received := &recorder{r: limited}
	switch {
	case re.MatchReader(bufio.NewReader(received)):
		return nil
	case received.err != nil && !errors.Is(received.err, io.EOF):
		return received.err
	case limited.N <= 0:
		return errNoMatchSoFar
	}
	return errNoMatch
}

// A recorder remembers the first error that its reader gave: others take any
// error for the end of the text, or read on and get another.
type recorder struct {
	r   io.Reader
	err error
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// promptPieces is how many pieces a reply may come in and be matched anew with
// each. Later pieces are matched when the reply has grown by a quarter, or has
// ended: a server that dribbles bytes must not cost a match of all for each.
const promptPieces = 256

// readUntil reads from r until re matches what has arrived, and returns what was
// read. Unlike matchBody it is for replies without an end: a server that has
// said "OK" and waits for us has matched "OK", although regexp.MatchReader
// would first wait for what comes after the K.
func readUntil(r io.Reader, re *regexp.Regexp) ([]byte, error) {
	var (
		reply []byte
		tried int
		piece = make([]byte, 4<<10)
	)
	for pieces := 1; len(reply) < maxReply; pieces++ {
		n, err := r.Read(piece[:min(len(piece), maxReply-len(reply))])
		reply = append(reply, piece[:n]...)
		grown := len(reply) - tried
		if err != nil || pieces <= promptPieces || grown > tried/4 || len(reply) == maxReply {
			if (grown > 0 || err != nil) && re.Match(reply) {
				return reply, nil
			}
			tried = len(reply)
		}
		switch {
		case errors.Is(err, io.EOF):
			return reply, errNoMatch
		case err != nil:
			return reply, err
		}
	}
	return reply, errNoMatch
}

// converse says what d says over conn, and listens. It words what went wrong.
func (d dialogue) exchange(kind string, target netip.AddrPort, conn io.ReadWriter) error {
	if len(d.send) > 0 {
		if _, err := conn.Write(d.send); err != nil {
			return broken(kind, target, "sending", alertInstead(conn, err))
		}
	}
	if d.expect == nil {
		return nil
	}
	reply, err := readUntil(conn, d.expect)
	if err == nil {
		return nil
	}
	return d.mismatch(kind, target, reply, err)
}

// unmet words why reply, which ended with err, is not what was expected.
func (d dialogue) mismatch(kind string, target netip.AddrPort, reply []byte, err error) error {
	switch {
	case errors.Is(err, errNoMatch) && len(reply) == 0:
		return failed(kind, target, "connection closed without a reply, want a match of %q", d.expect)
	case errors.Is(err, errNoMatch) && len(reply) == maxReply:
		return failed(kind, target, "reply %s, want a match of %q in its first %d bytes", begins(reply), d.expect, maxReply)
	case errors.Is(err, errNoMatch), isTimeout(err) && len(reply) > 0:
		return &failure{kind: kind, target: target, reason: reasonf("reply %s, want a match of %q", begins(reply), d.expect), cause: err}
	}
	return broken(kind, target, "waiting for the expected reply", err)
}

// begins is the beginning of reply, as a reason shows it.
func begins(reply []byte) foreign { return repeated(string(reply[:min(len(reply), mostForeign)]), 40) }
