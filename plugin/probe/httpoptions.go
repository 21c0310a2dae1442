package probe

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// option reads the options of HTTP, and for https those of TLS. It reports
// whether o is one.
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
	var err error
	if h.method, err = o.one("an HTTP method such as GET or HEAD"); err != nil {
		return err
	}
	if !httpguts.ValidHeaderFieldName(h.method) || h.method != strings.ToUpper(h.method) || h.method == http.MethodConnect {
		return o.errorf("unsupported method (got %q); write GET, HEAD or another in capitals", h.method)
	}
	return nil
}

// addHeader reads "header NAME VALUE...". Errors contain a word only after it is
// clear that the word is not part of the value, which may be a secret.
func (h *httpCheck) addHeader(o Option) error {
	if len(o.Args) < 2 {
		return o.errorf("takes a name and a value (got %d of 2); write header NAME VALUE", len(o.Args))
	}
	name, value := http.CanonicalHeaderKey(strings.TrimSuffix(o.Args[0], ":")), strings.Join(o.Args[1:], " ")
	if !httpguts.ValidHeaderFieldName(name) {
		return o.errorf("the first word is not the name of a header; write header NAME VALUE, with a space between the two")
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return o.errorf("control character in the value of %q; remove it", name)
	}
	switch name {
	case "Host":
		return o.errorf("Host comes from the URL; write %s://HOST...", h.kind)
	case "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Te":
		return o.errorf("%s is set by the transport; use another header", name)
	}
	if slices.Contains(h.given[name], value) {
		return o.errorf("%s given twice with the same value; write it once", name)
	}
	h.given[name] = append(h.given[name], value)
	h.header[name] = h.given[name] // replaces a default
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
			return nil, o.errorf("invalid status (got %q); write codes and ranges from 100 to 599, such as 200 or 200-399", word)
		}
		if slices.ContainsFunc(l, func(r [2]int) bool { return a <= r[1] && r[0] <= b }) {
			return nil, o.errorf("a code given twice (got %q); write each code once", word)
		}
		l = append(l, [2]int{a, b})
	}
	if l == nil {
		return nil, o.errorf("no status given; write codes and ranges from 100 to 599, such as 200 or 200-399")
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

// String returns the list as in the Corefile.
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
