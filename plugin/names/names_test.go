package names

import (
	"fmt"
	"strings"
	"testing"
)

// none is what the tests expect where no entry matches.
const none = ""

func table(entries []string) Table {
	t := NewTable(len(entries))
	for i, name := range entries {
		t.Add(name, int32(i))
	}
	return t
}

func TestTableMatch(t *testing.T) {
	entries := []string{
		"www.example.org.", "*.w.example.org.", "under.w.example.org.", "deep.er.w.example.org.",
		"*.example.com.", "example.net.", `a\.b.example.net.`, `a\032b.example.net.`,
	}
	tab := table(entries)
	for _, tc := range []struct{ what, name, want string }{
		{"a name", "www.example.org.", "www.example.org."},
		{"in another case", "wWw.EXAMPLE.org.", "www.example.org."},
		{"below a name", "x.www.example.org.", none},
		{"above a name", "example.org.", none},
		{"beside a name", "ww.example.org.", none},
		{"the end of a label", "awww.example.org.", none},
		{"the root", ".", none},
		{"a wildcard", "a.w.example.org.", "*.w.example.org."},
		{"a wildcard, in another case", "A.W.Example.Org.", "*.w.example.org."},
		{"a wildcard, several labels above", "a.b.c.w.example.org.", "*.w.example.org."},
		{"the wildcard itself", "*.w.example.org.", "*.w.example.org."},
		{"below the wildcard itself", "x.*.w.example.org.", none}, // the asterisk exists: RFC 4592, section 2.2.1
		{"the parent of a wildcard", "w.example.org.", none},
		{"a name beside a wildcard", "under.w.example.org.", "under.w.example.org."},
		{"below a name beside a wildcard", "x.under.w.example.org.", none}, // it is the closest encloser
		{"an empty non-terminal beside a wildcard", "er.w.example.org.", none},
		{"below an empty non-terminal", "x.er.w.example.org.", none},
		{"above all wildcards", "x.example.org.", none},
		{"an apex", "example.net.", "example.net."},
		{"the parent of a wildcard at an apex", "example.com.", none},
		{"an escaped dot", `A\.b.example.net.`, `a\.b.example.net.`},
		{"an escaped byte", `a\032b.example.net.`, `a\032b.example.net.`},
		{"no final dot", "www.example.org", none},
		{"nothing", "", none},
	} {
		t.Run(tc.what, func(t *testing.T) {
			i, ok := tab.Match(tc.name)
			if got := entry(entries, i, ok); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
			}
		})
	}
}

// entry returns what Match found, or none.
func entry(entries []string, i int32, ok bool) string {
	if !ok {
		return none
	}
	return entries[i]
}

func TestTableAbove(t *testing.T) {
	tab := table([]string{"www.sub.example.org.", "sub.example.org.", "*.w.example.net."})
	for name, want := range map[string]bool{
		"example.org.": true, "EXAMPLE.org.": true, "org.": true, "w.example.net.": true, "example.net.": true,
		"sub.example.org.": false, "www.sub.example.org.": false, "x.example.org.": false, "*.w.example.net.": false, "com.": false,
	} {
		if got := tab.Above(name); got != want {
			t.Errorf("%s is above an entry: %t, want %t", name, got, want)
		}
	}
}

func TestSuffixesMatch(t *testing.T) {
	entries := []string{".", "example.org.", "*.example.org.", "deep.example.org.", "*.net."}
	s := NewSuffixes()
	for i, name := range entries {
		s.Add(name, int32(i))
	}
	for _, tc := range []struct{ what, name, want string }{
		{"the root", ".", "."},
		{"no suffix but the root", "com.", "."},
		{"a suffix itself", "example.org.", "example.org."},
		{"below both a name and its wildcard", "www.example.org.", "*.example.org."},
		{"several labels below", "a.b.example.org.", "*.example.org."},
		{"the longest", "deep.example.org.", "deep.example.org."},
		{"below the longest", "x.deep.example.org.", "deep.example.org."},
		{"in another case", "X.Deep.EXAMPLE.org.", "deep.example.org."},
		{"the parent of a wildcard", "net.", "."},
		{"below it", "a.net.", "*.net."},
		{"the end of a label", "notexample.org.", "."},
	} {
		t.Run(tc.what, func(t *testing.T) {
			i, ok := s.Match(tc.name)
			if got := entry(entries, i, ok); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
			}
		})
	}
}

// Without an entry for the root, some names have no suffix.
func TestSuffixesWithoutTheRoot(t *testing.T) {
	s := NewSuffixes()
	s.Add("*.example.org.", 7)
	for name, want := range map[string]bool{"www.example.org.": true, "example.org.": false, "example.net.": false, ".": false} {
		if i, ok := s.Match(name); ok != want || ok && i != 7 {
			t.Errorf("%s: got %d, %t, want 7, %t", name, i, ok, want)
		}
	}
}

// The zero values match nothing: a server block may have only pools, or only
// filters.
func TestEmptyTablesMatchNothing(t *testing.T) {
	var (
		tab Table
		s   Suffixes
	)
	for _, name := range []string{"www.example.org.", ".", ""} {
		if _, ok := tab.Match(name); ok {
			t.Errorf("an empty Table matches %q", name)
		}
		if tab.Above(name) {
			t.Errorf("an empty Table has %q above an entry", name)
		}
		if _, ok := s.Match(name); ok {
			t.Errorf("an empty Suffixes matches %q", name)
		}
	}
}

// Every query looks a name up.
func TestMatchDoesNotAllocate(t *testing.T) {
	tab := table([]string{"www.example.org.", "*.w.example.org."})
	s := NewSuffixes()
	s.Add("example.org.", 0)
	longest := strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("D", 49) + ".example.org."
	for _, name := range []string{"wWw.example.org.", "a.b.c.W.example.org.", "other.example.net.", longest} {
		got := testing.AllocsPerRun(100, func() {
			tab.Match(name)
			tab.Above(name)
			s.Match(name)
		})
		if got > 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}

// A name that is longer than the buffer for it is found, too.
func TestNamesFullOfEscapes(t *testing.T) {
	long := strings.Repeat(strings.Repeat(`\001`, 60)+".", 3) + "example.org."
	tab := table([]string{long})
	if _, ok := tab.Match(strings.ToUpper(long)); !ok {
		t.Errorf("a name of %d characters is not found", len(long))
	}
}

func BenchmarkTableMatch(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("names=%d", n), func(b *testing.B) {
			tab, queries := NewTable(n), make([]string, n)
			for i := range queries {
				queries[i] = fmt.Sprintf("n%d.example.org.", i)
				tab.Add(queries[i], int32(i))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tab.Match(queries[i%n])
			}
		})
	}
}
