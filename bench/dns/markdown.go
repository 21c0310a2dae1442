package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// A table is a head and its lines.
type table struct {
	title string
	head  []string
	lines [][]string
}

// tables returns what both the terminal and the Markdown file show.
func tables(r report) []table {
	return slices.DeleteFunc([]table{speedTable(r), comparisonTable(r), stormTable(r)}, func(t table) bool { return len(t.lines) == 0 })
}

func speedTable(r report) table {
	t := table{
		title: "Queries answered, as a ratio to `whoami`",
		head:  []string{"what", "ratio (min–max)", "CPU s per million", "with `prometheus` and `errors`", "to `whoami` with the same", "CPU s per million", "lost"},
	}
	var last group
	for _, row := range r.rows {
		if row.group != last {
			last = row.group
			t.lines = append(t.lines, []string{"**" + string(last) + "**", "", "", "", "", "", ""})
		}
		line := []string{row.name, "–", "–", "–", "–", "–", lost(row)}
		if f := row.plain; f != nil {
			line[1], line[2] = f.toFloor.String(), number(f.cpu, 1)
		}
		if f := row.monitored; f != nil {
			line[3], line[4], line[5] = f.toFloor.String(), f.toChain.String(), number(f.cpu, 1)
		}
		t.lines = append(t.lines, line)
	}
	return t
}

// lost tells the queries without an answer, or with a wrong one.
func lost(r row) string {
	var sent, lost, failed int
	for _, f := range []*figures{r.plain, r.monitored} {
		if f != nil {
			sent, lost, failed = sent+f.sent, lost+f.lost, failed+f.failed
		}
	}
	text := fmt.Sprintf("%d of %d", lost, sent)
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	return text
}

func comparisonTable(r report) table {
	t := table{
		title: "One to another",
		head:  []string{"question", "ratio (min–max)", "by CPU time", "with `prometheus` and `errors`"},
	}
	for _, c := range r.comparisons {
		t.lines = append(t.lines, []string{c.question, c.plain.String(), number(c.byCPU, 2), c.monitored.String()})
	}
	return t
}

func stormTable(r report) table {
	t := table{
		title: "Latency beside probes, at half the greatest rate",
		head:  []string{"targets at 1 s", "probes a second", "p50, µs", "p99, µs", "p99 to none (min–max)", "CPU µs per probe", "queries asked", "lost"},
	}
	for _, s := range r.storms {
		t.lines = append(t.lines, []string{
			s.what, number(s.probes, 0), number(s.p50.median, 0), number(s.p99.median, 0),
			s.p99Ratio.String(), number(s.perProbe, 0), number(s.kept*100, 0) + " %", fmt.Sprintf("%d of %d", s.lost, s.sent),
		})
	}
	return t
}

// method tells how the figures came about.
const method = `Every server is started once, on a port of its own; then all are measured in rounds, in a new random order each time.
The ratio is to the whoami plugin of CoreDNS in the same round; shown are the median of the rounds, and in brackets the least and the greatest.
whoami is measured three times a round, and its own brackets show how far the noise of the machine moves a single measurement.
Read the ratios, not the rates: those are the machine's. Every server was first seen to answer what is expected. The pools of rrhealth and gdnsd are probed
by TCP every 10 seconds, those of PowerDNS every 5; BIND and CoreDNS without rrhealth probe nothing. The client is dnsperf, over UDP, with EDNS.
CPU is the server's alone, by /proc/PID/stat; a ratio by CPU time compares how many queries the same CPU time answers, and is the steadier one on a machine that
others use, too. Beside the probe storm nothing is pinned but the client and the backends; the latencies are all those that
dnsperf saw, a lost query counting as one second, and a probe's CPU is what the server used beyond its use without probes. The last row is for comparison:
the server probes nothing, but another process opens as many connections as the greatest storm, so that the machine has as much to do. Where not all queries could be asked, or fewer probes were made
than configured, the machine was too small for the storm.
`

func writeMarkdown(w io.Writer, r report) error {
	var b strings.Builder
	b.WriteString("# How fast rrhealth answers\n\nMade by `make bench-dns`.\n\n![Queries answered, as a ratio to whoami](results.svg)\n\n" + method)
	fmt.Fprintf(&b, "\n%d rounds of %v each, %v in all.\n\n| | |\n|---|---|\n", r.rounds, r.measure, r.duration)
	for _, f := range r.machine {
		fmt.Fprintf(&b, "| %s | %s |\n", cell(f.name), cell(f.value))
	}
	for _, t := range tables(r) {
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		writeLine(&b, t.head)
		b.WriteString("|---" + strings.Repeat("|---:", len(t.head)-1) + "|\n")
		for _, line := range t.lines {
			writeLine(&b, line)
		}
	}
	if len(r.notes) > 0 {
		b.WriteString("\n## Notes\n\n")
		for _, n := range r.notes {
			fmt.Fprintf(&b, "* %s\n", cell(n))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeLine(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + cell(c) + " ")
	}
	b.WriteString("|\n")
}

// cell makes text fit for a cell: what servers log may hold anything.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// writeTable writes the same for the terminal.
func writeTable(w io.Writer, r report) error {
	plain := strings.NewReplacer("`", "", "**", "")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range tables(r) {
		fmt.Fprintf(tw, "\n%s\n\n", plain.Replace(t.title))
		for _, line := range append([][]string{t.head}, t.lines...) {
			fmt.Fprintln(tw, plain.Replace(strings.TrimRight(strings.Join(line, "\t"), "\t")))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	for _, n := range r.notes {
		fmt.Fprintln(w, "note:", n)
	}
	return nil
}
