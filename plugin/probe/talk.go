package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// maxReply is how much of a reply is read, in bytes. A match must lie within it.
const maxReply = 64 << 10

// A dialogue is what a check says and what it wants to hear.
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

// errNoMatch says that a reply was read, as far as it is read, and did not match.
var errNoMatch = errors.New("no match")

// match reads from r until re matches, and returns nil. It returns errNoMatch
// when the reply ended or went beyond maxReply without a match, and the
// reader's error when it broke off.
func match(r io.Reader, re *regexp.Regexp) error {
	limited := &recorder{r: io.LimitReader(r, maxReply)}
	if re.MatchReader(bufio.NewReader(limited)) {
		return nil
	}
	if limited.err != nil && !errors.Is(limited.err, io.EOF) {
		return limited.err
	}
	return errNoMatch
}

// A recorder remembers the first bytes and the error that its reader gave:
// regexp.MatchReader takes any error for the end of the text.
type recorder struct {
	r    io.Reader
	err  error
	head []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if room := maxQuoted - len(r.head); room > 0 {
		r.head = append(r.head, p[:min(n, room)]...)
	}
	if err != nil {
		r.err = err
	}
	return n, err
}

// maxQuoted is how many bytes of a wrong reply the reason quotes.
const maxQuoted = 40

// talk sends and expects over conn.
func (d dialogue) talk(conn io.ReadWriter) (reply string, doing string, err error) {
	if len(d.send) > 0 {
		if _, err := conn.Write(d.send); err != nil {
			return "", "sending", err
		}
	}
	if d.expect == nil {
		return "", "", nil
	}
	r := &recorder{r: conn}
	err = match(r, d.expect)
	return strings.ToValidUTF8(string(r.head), "?"), "waiting for the expected reply", err
}
