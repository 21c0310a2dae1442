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

// A dialogue is what a check sends and what it expects to read.
type dialogue struct {
	send   []byte
	expect *regexp.Regexp
}

// option reads the options send and expect. It reports whether o is one.
func (d *dialogue) option(o Option) (bool, error) {
	switch o.Name {
	case "send":
		text, err := o.one(`the text to send, with \r \n \t \xHH for what cannot be typed`)
		if err != nil {
			return true, err
		}
		if text == "" {
			return true, o.errorf(`nothing to send (got ""); leave the option out, or set its {$VARIABLE}`)
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
		return nil, o.errorf("%v; write a regular expression (RE2)", err)
	}
	return re, nil
}

// unescape replaces \r, \n, \t, \0, \\ and \xHH by the bytes that a Corefile
// cannot contain.
func unescape(text string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		i++
		if i == len(text) {
			return nil, errors.New(`single \ at the end; write \\`)
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
				return nil, errors.New(`\x without two hexadecimal digits; write \xHH`)
			}
			if _, err := fmt.Sscanf(text[i+1:i+3], "%02x", &b); err != nil {
				return nil, errors.New(`\x without two hexadecimal digits; write \xHH`)
			}
			out = append(out, b)
			i += 2
		default:
			return nil, fmt.Errorf(`unknown escape (got \%c); use \r, \n, \t, \0, \\ or \xHH`, text[i])
		}
	}
	return out, nil
}

// errNoMatch is the error if a reply was read to its end and did not match.
var errNoMatch = errors.New("no match")

// errNoMatchSoFar is the error if the part of a reply that is read did not match.
var errNoMatchSoFar = fmt.Errorf("%w in the first %d bytes", errNoMatch, maxReply)

// matchBody reads the body of a reply until re matches, and returns nil. It
// returns errNoMatch if the body ended without a match, errNoMatchSoFar if
// maxReply bytes have no match, and the reader's error if there was one.
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

// A recorder keeps the first error of its reader: regexp takes any error for the
// end of the text, and net/http may read on and get another.
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

// promptPieces is the number of pieces of a reply up to which each piece causes a
// match of the whole reply. After that, the reply is matched again when it has
// grown by a quarter, or has ended: a server that sends single bytes would
// otherwise cost a match of the whole reply for each.
const promptPieces = 256

// readUntil reads from r until re matches what has arrived, and returns what it
// read. Unlike matchBody it is for replies without an end: if a server sends "OK"
// and waits, "OK" matches, whereas regexp.MatchReader would wait for the
// character after the K.
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

// exchange sends over conn and reads the expected reply.
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

// mismatch returns the failure for a reply that ended with err without a match.
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

// begins returns the beginning of reply, for a reason.
func begins(reply []byte) foreign { return repeated(string(reply[:min(len(reply), mostForeign)]), 40) }
