package names_test

import (
	"fmt"

	"github.com/rrhealth/rrhealth/plugin/names"
)

// A wildcard matches below its parent, at any depth, but not below a name that
// exists on the way.
func ExampleTable() {
	pools := []string{"www.example.org.", "*.example.org."}
	table := names.NewTable(len(pools))
	for i, name := range pools {
		table.Add(name, int32(i))
	}
	for _, name := range []string{"WWW.example.org.", "a.b.example.org.", "a.www.example.org.", "example.org."} {
		if i, ok := table.Match(name); ok {
			fmt.Println(name, "->", pools[i])
		} else {
			fmt.Println(name, "-> none, above an entry:", table.Above(name))
		}
	}
	// Output:
	// WWW.example.org. -> www.example.org.
	// a.b.example.org. -> *.example.org.
	// a.www.example.org. -> none, above an entry: false
	// example.org. -> none, above an entry: true
}

// The longest suffix wins, however many labels the name has below it.
func ExampleSuffixes() {
	filters := []string{"example.org.", "*.cdn.example.org."}
	suffixes := names.NewSuffixes()
	for i, name := range filters {
		suffixes.Add(name, int32(i))
	}
	for _, name := range []string{"a.b.cdn.example.org.", "cdn.example.org.", "example.net."} {
		if i, ok := suffixes.Match(name); ok {
			fmt.Println(name, "->", filters[i])
		} else {
			fmt.Println(name, "-> none")
		}
	}
	// Output:
	// a.b.cdn.example.org. -> *.cdn.example.org.
	// cdn.example.org. -> example.org.
	// example.net. -> none
}
