package main

import (
	"fmt"
	"slices"
	"strings"
)

// A subject is one server, or one chain of CoreDNS, to measure.
type subject struct {
	name  string // in the report
	group group
	want  answer
	names names

	// One of these: the chain of a CoreDNS, or how to set up another server.
	chain string
	setup func(place) (argv []string, err error)
}

// A group is a part of the report.
type group string

const (
	floor  group = "The floor"
	serve  group = "rrhealth serves"
	filter group = "rrhealth filters"
	bare   group = "CoreDNS without rrhealth"
	others group = "Other servers"
)

// floorName is the subject that all others are compared with.
const floorName = "whoami"

// policies are the policies to measure, each with the options of its backends.
// A policy that this build rejects is left out of the report, with a note.
var policies = []struct {
	name    string
	options [3]string
}{
	{name: "rotate"},
	{name: "shuffle"},
	{name: "weighted", options: [3]string{"weight 3", "weight 2", "weight 1"}},
	{name: "sequential"},
	{name: "sticky"},
	{name: "nearest", options: [3]string{"location 52.52 13.40", "location 40.71 -74.01", "location -33.87 151.21"}},
}

const (
	manyNames   = 100_000
	manyMembers = 100
)

// three is the answer of most pools.
var three = answer{3, addresses(3)}

// subjects returns the subjects in the order of the report: the floor, and
// those that have one of the comma-separated words of only in their name.
func subjects(only string) []*subject {
	all := slices.Concat(
		[]*subject{
			{name: floorName, group: floor, chain: "whoami"},
			{name: "whoami, 100,000 names", group: floor, names: manyNames, chain: "whoami"},
		},
		serving(), filtering(), other())
	return slices.DeleteFunc(all, func(s *subject) bool {
		return s.name != floorName && !wanted(only, s.name)
	})
}

// wanted reports whether name has one of the comma-separated words of only.
func wanted(only, name string) bool {
	return slices.ContainsFunc(strings.Split(only, ","), func(word string) bool { return strings.Contains(name, word) })
}

// serving returns rrhealth serving pools.
func serving() []*subject {
	var all []*subject
	for _, p := range policies {
		lines := []string{"policy " + p.name}
		for i, options := range p.options {
			lines = append(lines, "backend "+address(i)+" "+options)
		}
		all = append(all, &subject{name: p.name, group: serve, want: three, chain: pool(1, lines...)})
	}
	return append(all,
		&subject{
			name: "rotate, 100 members, max_answers 8", group: serve, want: answer{8, addresses(manyMembers)},
			chain: pool(1, "backend "+strings.Join(addresses(manyMembers), " "), "max_answers 8"),
		},
		&subject{
			name: "rotate, 100,000 names", group: serve, want: three, names: manyNames,
			chain: pool(manyNames, "backend "+strings.Join(addresses(3), " ")),
		},
	)
}

// pool returns stanzas, one for each hundred names, whose backends are probed
// every 10 seconds.
func pool(n names, lines ...string) string {
	var b strings.Builder
	for part := range slices.Chunk(n.all(), 100) {
		fmt.Fprintf(&b, "rrhealth %s {\n%s\ncheck tcp://:$BACKENDS\ninterval 10s\n}\n", strings.Join(part, " "), strings.Join(lines, "\n"))
	}
	return b.String()
}

// filtering returns chains without rrhealth, and the same chains with a filter
// above them.
func filtering() []*subject {
	const (
		file    = "file $ZONE"
		forward = "forward . 127.0.0.1:$UPSTREAM\ncache"
		watch   = "rrhealth {\nwatch 127.0.0.0/8\ncheck tcp://:$BACKENDS\ninterval 10s\n}\n"
	)
	return []*subject{
		{name: "filter file", group: filter, want: three, chain: watch + file},
		{name: "filter forward + cache", group: filter, want: three, chain: watch + forward},
		{name: "file", group: bare, want: three, chain: file},
		{name: "file + loadbalance", group: bare, want: three, chain: file + "\nloadbalance"},
		{name: "forward + cache", group: bare, want: three, chain: forward},
		{name: "forward + cache + loadbalance", group: bare, want: three, chain: forward + "\nloadbalance"},
	}
}

// comparisons are ratios between subjects that answer a question.
var comparisons = []struct{ question, a, b string }{
	{"rrhealth in place of `file` + `loadbalance`", "rotate", "file + loadbalance"},
	{"100 members and `max_answers 8`, to 3 members", "rotate, 100 members, max_answers 8", "rotate"},
	{"100,000 names, to one name", "rotate, 100,000 names", "rotate"},
	{"100,000 names, to one name, `whoami` (which knows no names)", "whoami, 100,000 names", floorName},
	{"`file` behind rrhealth, to `file`", "filter file", "file"},
	{"`forward` + `cache` behind rrhealth, to `forward` + `cache`", "filter forward + cache", "forward + cache"},
	{"`file` behind rrhealth, to `file` + `loadbalance`", "filter file", "file + loadbalance"},
}

// coredns writes the Corefile with the chain of the subject, and returns the
// command to start CoreDNS with it.
func (s *subject) coredns(p place, monitored bool) ([]string, error) {
	extra := ""
	if monitored {
		extra = "\nerrors\nprometheus 127.0.0.1:$METRICS"
	}
	// The lines may be in any order: the build decides the order of the chain.
	text := p.fill(fmt.Sprintf("example.org:$PORT {\nbind 127.0.0.1\n%s%s\n}\n", s.chain, extra))
	path, err := p.write("Corefile", text)
	return []string{p.binary, "-conf", path}, err
}
