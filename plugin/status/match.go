package status

import (
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// The values of the parameter state, the worst first.
var (
	backendStates = []string{"down", "unknown", "held_down", "drained", "up"}
	poolStates    = []string{"all_down", "short", "degraded", "ok"}
)

// page returns the part of all that q is about: those that match, from offset on,
// limit at most, as a copy; and how many match.
func page[T any](all []T, q query, match func(*T) bool) (some []T, total int) {
	some = []T{}
	for i := range all {
		if !match(&all[i]) {
			continue
		}
		if total >= q.offset && len(some) < q.limit {
			some = append(some, all[i])
		}
		total++
	}
	return some, total
}

// backends returns a function that reports whether a backend matches q.
func (q query) backends(m *Model) func(*api.Backend) bool {
	search, named := strings.ToLower(q.search), q.namedPools(m)
	return func(b *api.Backend) bool {
		return (q.state == "" || b.Effective == q.state) &&
			(q.address == "" || b.Address == q.address) &&
			(q.pool == "" || slices.ContainsFunc(named, func(p *api.Pool) bool { return p.Name == b.Pool && p.Server == b.Server && p.View == b.View }) || sameName(b.Pool, q.pool)) &&
			(search == "" || containsFold(b.Address, search) || containsFold(b.Pool, search) || containsFold(b.Reason, search) ||
				containsFold(b.Configured.Location, search) || containsFold(b.Server, search) || containsFold(b.View, search))
	}
}

// namedPools returns the pools that have the name q.pool, be it not the first.
func (q query) namedPools(m *Model) (named []*api.Pool) {
	if q.pool == "" {
		return nil
	}
	for i := range m.Pools {
		if p := &m.Pools[i]; hasName(p, q.pool) {
			named = append(named, p)
		}
	}
	return named
}

// pools returns a function that reports whether a pool matches q.
func (q query) pools() func(*api.Pool) bool {
	search := strings.ToLower(q.search)
	return func(p *api.Pool) bool {
		return (q.state == "" || p.State == q.state) && (q.pool == "" || hasName(p, q.pool)) &&
			(search == "" || containsFold(p.Name, search) || containsFold(p.Server, search) || containsFold(p.View, search) || containsFold(p.Policy, search) ||
				slices.ContainsFunc(p.Names, func(name string) bool { return containsFold(name, search) }) ||
				slices.ContainsFunc(p.Backends, func(address string) bool { return containsFold(address, search) }))
	}
}

// overrides returns a function that reports whether an override matches q.
func (q query) overrides() func(*api.Override) bool {
	return func(o *api.Override) bool {
		return (q.pool == "" || sameName(o.Pool, q.pool)) && (q.address == "" || o.Address == q.address)
	}
}

func hasName(p *api.Pool, name string) bool {
	return sameName(p.Name, name) || slices.ContainsFunc(p.Names, func(other string) bool { return sameName(other, name) })
}

// sameName compares names of DNS, with or without the last dot.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// containsFold reports whether s contains lower, in any case of ASCII letters. It
// does not allocate: it is called with several texts of each backend.
func containsFold(s, lower string) bool {
	for i := 0; i+len(lower) <= len(s); i++ {
		j := 0
		for j < len(lower) && lowerByte(s[i+j]) == lower[j] {
			j++
		}
		if j == len(lower) {
			return true
		}
	}
	return false
}

func lowerByte(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
