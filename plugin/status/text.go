package status

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

const typeText = "text/plain; charset=utf-8"

// text returns v for a terminal: curl gets it.
func (v *view) text() []byte {
	var out strings.Builder
	if v.Problem != "" {
		fmt.Fprintf(&out, "error: %s\n", v.Problem)
		return []byte(out.String())
	}
	s := v.Status
	fmt.Fprintf(&out, "%s on %s: pools %d, filters %d, backends %d: %d up, %d down, %d unknown, %d held down, %d drained\n",
		v.Versions, v.Host, s.Pools, s.Filters, s.Backends.All, s.Backends.Up, s.Backends.Down, s.Backends.Unknown, s.Backends.HeldDown, s.Backends.Drained)
	for _, p := range v.Problems {
		fmt.Fprintf(&out, "problem: %s\n", p)
	}
	v.poolTable(&out)
	v.backendTable(&out)
	v.overrideTable(&out)
	v.eventTable(&out)
	return []byte(out.String())
}

// table writes lines of cells below a head, aligned, if there are any.
func table(out *strings.Builder, head string, n int, line func(i int) []string) {
	if n == 0 {
		return
	}
	out.WriteByte('\n')
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, "|", "\t"))
	for i := range n {
		cells := line(i)
		for j, cell := range cells {
			if cell == "" {
				cells[j] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes all
}

func (v *view) poolTable(out *strings.Builder) {
	rows := slices.Concat(v.Details, v.Pools) // one of them is empty
	table(out, "POOL|STATE|UP|POLICY|MIN_UP|TTL|SERVER", len(rows), func(i int) []string {
		p := &rows[i]
		return []string{p.Name, p.Label, p.Counts, p.Policy, p.MinUp, p.TTL, p.Server}
	})
	v.PoolPager.text(out)
}

func (v *view) overrideTable(out *strings.Builder) {
	table(out, "OVERRIDE|ADDRESS|POOL|BY|LEFT|REASON", len(v.Overrides), func(i int) []string {
		o := &v.Overrides[i]
		what := o.What
		if o.Orphaned {
			what += " (orphaned)"
		}
		return []string{what, o.Address, o.Pool, o.Author, o.Left, o.Reason}
	})
	if v.Hidden > 0 {
		fmt.Fprintf(out, "and %d more\n", v.Hidden)
	}
}

func (v *view) backendTable(out *strings.Builder) {
	table(out, "BACKEND|POOL|STATE|PROBED|SET|ANSWERED|SINCE|NEXT|DAY|REASON", len(v.Backends), func(i int) []string {
		b := &v.Backends[i]
		set := make([]string, 0, len(b.Set))
		for _, o := range b.Set {
			set = append(set, o.What+" "+o.Left)
		}
		return []string{b.Address, b.Pool, b.Label, b.Probed, strings.Join(set, ", "), b.Answered, b.Since.Text, b.Next.Text, b.Share, b.Reason}
	})
	v.Pager.text(out)
}

func (v *view) eventTable(out *strings.Builder) {
	table(out, "AT|BACKEND|STATE|WHAT", len(v.Events), func(i int) []string {
		e := &v.Events[i]
		return []string{e.At.Exact, e.Address, e.Label, e.Text}
	})
}

// text says which lines of how many are shown, if not all are.
func (p *pager) text(out *strings.Builder) {
	switch {
	case p == nil:
	case p.Empty:
		out.WriteString("\nnothing matches\n")
	case p.Previous != "" || p.Next != "":
		out.WriteString(p.Part)
		if p.Next != "" {
			fmt.Fprintf(out, "; the next: %s", p.Next)
		}
		out.WriteByte('\n')
	}
}
