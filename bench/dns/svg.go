package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// The dimensions of the plot, in pixels.
const (
	plotWidth  = 860
	labelWidth = 250
	valueWidth = 50
	barHeight  = 9
	rowHeight  = 2*barHeight + 8
	headHeight = 26
	topHeight  = 64
)

// style sets colors that are readable on white and on black.
const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.small { font-size: 10px }
.plain { fill: #2f81f7 }
.monitored { fill: #a371f7 }
.line { stroke: #8b949e; stroke-width: 1; opacity: 0.5 }
.floor { stroke: #8b949e; stroke-width: 1; stroke-dasharray: 4 3 }
.whisker { stroke: #57606a; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .whisker { stroke: #c9d1d9 } }
</style>
`

// A plot is a horizontal bar chart.
type plot struct {
	strings.Builder
	y     float64
	scale float64 // pixels for a ratio of 1
}

// writeSVG draws the speed table: for each subject a bar as it is and one with
// prometheus and errors, with whiskers from the least to the greatest.
func writeSVG(w io.Writer, r report) error {
	most, height := 1.0, topHeight+20 // room for the largest median and a bit of its whisker
	var last group
	for _, row := range r.rows {
		if row.group != last {
			last = row.group
			height += headHeight
		}
		height += rowHeight
		for _, f := range []*figures{row.plain, row.monitored} {
			if f != nil && !math.IsNaN(f.toFloor.median) {
				most = max(most, f.toFloor.median*1.2)
			}
		}
	}
	p := &plot{scale: (plotWidth - labelWidth - valueWidth) / most}
	fmt.Fprintf(p, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\">\n%s", plotWidth, height, plotWidth, style)
	p.WriteString("<title>Queries answered, as a ratio to whoami</title>\n")
	p.legend()
	p.axis(most, float64(height))
	p.y = topHeight
	last = ""
	for _, row := range r.rows {
		if row.group != last {
			last = row.group
			p.text(8, p.y+headHeight-8, "head", string(last))
			p.y += headHeight
		}
		p.row(row)
	}
	p.WriteString("</svg>\n")
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *plot) legend() {
	p.text(8, 18, "head", "Queries answered per second, as a ratio to the whoami plugin of CoreDNS")
	for _, l := range []struct {
		x           float64
		class, text string
	}{{8, "plain", "the chain as named"}, {158, "monitored", "with prometheus and errors"}} {
		p.rect(l.x, 29, 12, barHeight, l.class)
		p.text(l.x+17, 38, "", l.text)
	}
	p.text(375, 38, "", "whiskers: least and greatest of the rounds")
}

// axis draws a line for each half; the line of the floor is dashed.
func (p *plot) axis(most, height float64) {
	for ratio := 0.0; ratio <= most; ratio += 0.5 {
		class := "line"
		if ratio == 1 {
			class = "floor"
		}
		x := labelWidth + ratio*p.scale
		p.line(x, topHeight-4, x, height-8, class)
		p.text(x-7, topHeight-8, "small", fmt.Sprintf("%.1f", ratio))
	}
}

func (p *plot) row(r row) {
	p.text(20, p.y+barHeight+5, "", r.name)
	p.bar(r.plain, "plain")
	p.bar(r.monitored, "monitored")
	p.y += rowHeight - 2*barHeight
}

// bar draws one bar. It leaves the place empty if there is no measurement.
func (p *plot) bar(f *figures, class string) {
	y := p.y
	p.y += barHeight
	if f == nil || math.IsNaN(f.toFloor.median) {
		return
	}
	s, middle := f.toFloor, y+barHeight/2.0
	p.rect(labelWidth, y, s.median*p.scale, barHeight-1, class)
	low, high := labelWidth+s.low*p.scale, min(labelWidth+s.high*p.scale, plotWidth-valueWidth)
	p.line(low, middle, high, middle, "whisker")
	p.line(low, y+1, low, y+barHeight-2, "whisker")
	p.line(high, y+1, high, y+barHeight-2, "whisker")
	p.text(high+5, y+barHeight-1, "small", fmt.Sprintf("%.2f", s.median))
}

func (p *plot) rect(x, y, width, height float64, class string) {
	fmt.Fprintf(p, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=%q/>\n", x, y, width, height, class)
}

func (p *plot) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(p, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=%q/>\n", x1, y1, x2, y2, class)
}

func (p *plot) text(x, y float64, class, text string) {
	if class != "" {
		class = fmt.Sprintf(" class=%q", class)
	}
	fmt.Fprintf(p, "<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", x, y, class, html.EscapeString(text))
}
