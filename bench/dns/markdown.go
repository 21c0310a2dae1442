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

// tables returns the tables for the terminal and for the Markdown file.
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

// lost counts the queries without an answer, and those with a wrong one.
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
			s.label, number(s.probes, 0), number(s.p50.median, 0), number(s.p99.median, 0),
			s.p99Ratio.String(), number(s.perProbe, 0), number(s.kept*100, 0) + " %", fmt.Sprintf("%d of %d", s.lost, s.sent),
		})
	}
	return t
}

// method describes the measurement to the reader of the report.
const method = `The bench starts every server once, each on a port of its own, and measures all of them in rounds, in a new random order each time.
The ratio is to the whoami plugin of CoreDNS in the same round. The tables have the median of the rounds, with the minimum and the maximum in parentheses.
whoami is measured three times a round; its minimum and maximum show how much the noise of the machine changes a single measurement.
Compare the ratios, not the rates, which depend on the machine. The bench first checks that every server gives the expected answers. The pools of rrhealth and
gdnsd are probed by TCP every 10 seconds, those of PowerDNS every 5; BIND and CoreDNS without rrhealth probe nothing. The client is dnsperf, over UDP, with EDNS.
CPU is that of the server alone, from /proc/PID/stat. A ratio by CPU time compares how many queries the same CPU time answers; on a machine with other users it
varies less. During the probe storm only the client and the backends are pinned. The latencies are all those that dnsperf measured, with one second for a lost
query; the CPU of a probe is what the server used minus what it used without probes. The last row is for comparison: the server probes nothing, and another
process opens as many connections as the greatest storm, so that the machine has the same work. If not all queries could be sent, or fewer probes were made than
configured, the machine was too small for the storm.
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

// cell escapes text for a cell: log lines of servers may have any characters.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// writeTable writes the tables for the terminal.
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
