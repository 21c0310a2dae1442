package probe

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// option takes the options of HTTP, and for https those of TLS. It reports
// whether o was one.
func (h *httpCheck) option(o Option, root string) (bool, error) {
	var err error
	switch o.Name {
	case "method":
		return true, h.setMethod(o)
	case "header":
		return true, h.addHeader(o)
	case "status":
		h.status, err = parseStatusList(o)
		return true, err
	case "body":
		h.body, err = o.regexp()
		return true, err
	}
	return h.tls.option(o, root)
}

func (h *httpCheck) setMethod(o Option) error {
	const want = "an HTTP method such as GET or HEAD"
	var err error
	if h.method, err = o.one(want); err != nil {
		return err
	}
	if !httpguts.ValidHeaderFieldName(h.method) || h.method != strings.ToUpper(h.method) || h.method == http.MethodConnect {
		return o.errorf("got %q, want %s", h.method, want)
	}
	return nil
}

// addHeader takes "header NAME VALUE...". No word of it appears in an error
// before it is known not to be the value.
func (h *httpCheck) addHeader(o Option) error {
	if len(o.Args) < 2 {
		return o.errorf("got %d arguments, want a name and a value", len(o.Args))
	}
	name, value := http.CanonicalHeaderKey(strings.TrimSuffix(o.Args[0], ":")), strings.Join(o.Args[1:], " ")
	if !httpguts.ValidHeaderFieldName(name) {
		return o.errorf("the first word is no name of a header; want header NAME VALUE, with a space between the two")
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return o.errorf("the value of %q has a control character, want none", name)
	}
	switch name {
	case "Host":
		return o.errorf("Host is taken from the URL, want %s://HOST...", h.kind)
	case "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Te":
		return o.errorf("%s is the transport's own, want another header", name)
	}
	if slices.Contains(h.given[name], value) {
		return o.errorf("%s given twice with the same value; write it once", name)
	}
	h.given[name] = append(h.given[name], value)
	h.header[name] = h.given[name] // instead of a default
	return nil
}

// A statusList holds the ranges of status codes that pass, ends included.
type statusList [][2]int

func parseStatusList(o Option) (statusList, error) {
	var l statusList
	for word := range strings.FieldsFuncSeq(strings.Join(o.Args, " "), func(r rune) bool { return r == ' ' || r == ',' }) {
		from, to, isRange := strings.Cut(word, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA != nil || errB != nil || a < 100 || b > 599 || a > b {
			return nil, o.errorf("got %q, want codes and ranges from 100 to 599, such as 200 or 200-399", word)
		}
		if slices.ContainsFunc(l, func(r [2]int) bool { return a <= r[1] && r[0] <= b }) {
			return nil, o.errorf("a code given twice (got %q); write each code once", word)
		}
		l = append(l, [2]int{a, b})
	}
	if l == nil {
		return nil, o.errorf("got none, want codes and ranges from 100 to 599, such as 200 or 200-399")
	}
	return l, nil
}

func (l statusList) has(code int) bool {
	for _, r := range l {
		if code >= r[0] && code <= r[1] {
			return true
		}
	}
	return false
}

// String gives the list as the Corefile would.
func (l statusList) String() string {
	var words []string
	for _, r := range l {
		if r[0] == r[1] {
			words = append(words, strconv.Itoa(r[0]))
		} else {
			words = append(words, fmt.Sprintf("%d-%d", r[0], r[1]))
		}
	}
	return strings.Join(words, " ")
}
