package status

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// longestValue is how long the value of a parameter may be: a name has at most
// 255 bytes, four times that with escapes.
const longestValue = 1024

// A query is the parameters of a URL, checked.
type query struct {
	search, state, pool, address string
	limit, offset                int
	name, qtype, client          string
	at, since                    time.Time
	selectors                    []string
}

// setters has a function for each parameter, which reads its value.
var setters = map[string]func(q *query, value string) error{
	api.ParamSearch:   func(q *query, value string) error { q.search = value; return nil },
	api.ParamState:    func(q *query, value string) error { q.state = value; return nil }, // checked by parseQuery
	api.ParamPool:     func(q *query, value string) error { q.pool = value; return nil },
	api.ParamAddress:  func(q *query, value string) error { return address(&q.address, value) },
	api.ParamLimit:    func(q *query, value string) error { return number(&q.limit, value, 1, api.MaxLimit) },
	api.ParamOffset:   func(q *query, value string) error { return number(&q.offset, value, 0, 1<<31-1) },
	api.ParamSince:    func(q *query, value string) error { return moment(&q.since, value) },
	api.ParamName:     func(q *query, value string) error { q.name = value; return nil },
	api.ParamType:     func(q *query, value string) error { q.qtype = strings.ToUpper(value); return nil },
	api.ParamClient:   func(q *query, value string) error { return address(&q.client, value) },
	api.ParamAt:       func(q *query, value string) error { return moment(&q.at, value) },
	api.ParamSelector: func(q *query, value string) error { q.selectors = append(q.selectors, value); return nil },
}

// parseQuery reads the parameters of a URL, of which those in accepted are
// allowed, and of state the values in states.
func parseQuery(raw string, accepted, states []string) (query, error) {
	q := query{limit: api.DefaultLimit, qtype: "A"}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, refusal(http.StatusBadRequest, "query: "+shorten(err.Error(), 100)+"; escape it as in name=%20")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // the error of the first one, always the same
	for _, name := range names {
		if err := q.set1(name, values[name], accepted); err != nil {
			return q, err
		}
	}
	if q.state != "" && !slices.Contains(states, q.state) {
		return q, badValue(api.ParamState, oneOf(q.state, states...))
	}
	return q, nil
}

// set1 reads the values of one parameter. The empty string is as good as none:
// forms send all their fields.
func (q *query) set1(name string, values, accepted []string) error {
	if !slices.Contains(accepted, name) {
		return unknownParameter(name, accepted)
	}
	if len(values) > 1 && name != api.ParamSelector {
		return refusal(http.StatusBadRequest, "parameter "+name+": given twice; give it once")
	}
	for _, value := range values {
		if len(value) > longestValue {
			return refusal(http.StatusBadRequest, fmt.Sprintf("parameter %s: too long (got %d bytes); at most %d", name, len(value), longestValue))
		}
		if value == "" {
			continue
		}
		if err := setters[name](q, value); err != nil {
			return badValue(name, err)
		}
	}
	return nil
}

func badValue(name string, err error) error {
	return refusal(http.StatusBadRequest, "parameter "+name+": "+err.Error())
}

func unknownParameter(name string, accepted []string) error {
	use := "there is none here"
	if len(accepted) > 0 {
		use = "use " + strings.Join(accepted, ", ")
	}
	return refusal(http.StatusBadRequest, fmt.Sprintf("unknown parameter (got %s); %s", shorten(name, 40), use))
}

func address(to *string, value string) error {
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" {
		return fmt.Errorf("not an address (got %s); give one as 192.0.2.1 or 2001:db8::1", shorten(value, 60))
	}
	*to = addr.Unmap().String()
	return nil
}

func moment(to *time.Time, value string) (err error) {
	if *to, err = time.Parse(time.RFC3339, value); err != nil {
		return fmt.Errorf("not a time (got %s); give one as 2006-01-02T15:04:05Z", shorten(value, 40))
	}
	return nil
}

func number(to *int, value string, least, most int) (err error) {
	if *to, err = strconv.Atoi(value); err != nil || *to < least || *to > most {
		return fmt.Errorf("not a number that is allowed (got %s); give one from %d to %d", shorten(value, 40), least, most)
	}
	return nil
}

func oneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("unknown (got %s); use %s", shorten(value, 40), strings.Join(allowed, ", "))
}
