package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// measured returns servers as after two rounds. In the second all had half the
// rate, which must not change the ratios.
func measured() []*server {
	of := func(sub *subject, monitored bool, rate, cpu float64) *server {
		return &server{
			subject: sub, monitored: monitored, rates: byRound{1: {rate}, 2: {rate / 2}},
			cpu: time.Duration(cpu * float64(time.Second)), sent: 100_001, completed: 100_000, lost: 1,
		}
	}
	whoami := &subject{name: floorName, group: floor}
	rotate := &subject{name: "rotate", group: serve}
	loadbalance := &subject{name: "file + loadbalance", group: bare}
	foreign := &subject{name: "A <b> & c", group: others}
	slow := of(foreign, false, 10_000, 9)
	slow.rates[2][0], slow.failed = 8_000, 7
	steady := of(whoami, false, 20_000, 2.5)
	steady.rates[1] = []float64{20_000, 18_000, 21_000}
	return []*server{
		steady, of(whoami, true, 16_000, 3),
		of(rotate, false, 24_000, 2), of(rotate, true, 16_000, 3),
		of(loadbalance, false, 12_000, 4), slow,
	}
}

func example() report {
	calm := &storm{
		targets: 0, p50: byRound{1: {100}, 2: {120}}, p99: byRound{1: {1000}, 2: {2000}},
		cpu: time.Second, lasted: 4 * time.Second, wanted: 40_000, sent: 40_000,
	}
	busy := &storm{
		targets: 1000, p50: byRound{1: {110}, 2: {130}}, p99: byRound{1: {1100}, 2: {3000}},
		cpu: 1400 * time.Millisecond, lasted: 4 * time.Second, wanted: 40_000, sent: 40_000, probes: 4000, lost: 3,
	}
	return report{
		machine: []fact{{"processor", "Example | 9000, 2 cores"}, {"kernel", "Linux 6.18"}},
		rounds:  2, measure: 2 * time.Second, duration: 95 * time.Second,
		rows: rowsOf(measured()), comparisons: comparisonsOf(measured()), storms: stormRows([]*storm{calm, busy}),
		notes: []string{"sticky: left out: does not run: policy: \"sticky\" | is <specified>,\nbut not built yet"},
	}
}

func TestTheReportLooksAsItShould(t *testing.T) {
	for file, write := range map[string]func(io.Writer, report) error{
		"testdata/results.md": writeMarkdown, "testdata/results.svg": writeSVG, "testdata/results.txt": writeTable,
	} {
		t.Run(file, func(t *testing.T) {
			var b strings.Builder
			if err := write(&b, example()); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s\n(go test ./bench/dns -update rewrites the file; then read the difference)", b.String(), want)
			}
		})
	}
}

func TestThePlotIsWellFormed(t *testing.T) {
	var b strings.Builder
	if err := writeSVG(&b, example()); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
}

func TestEveryLineOfATableHasItsColumns(t *testing.T) {
	if got := tables(example()); len(got) != 3 {
		t.Errorf("got %d tables, want 3", len(got))
	}
	if got := tables(report{}); len(got) != 0 {
		t.Errorf("got %d tables of an empty report, want none", len(got))
	}
	for _, tab := range tables(example()) {
		for _, line := range tab.lines {
			if len(line) != len(tab.head) {
				t.Errorf("%s: got %d cells in %q, want %d", tab.title, len(line), line, len(tab.head))
			}
		}
	}
}

// A comparison with a subject that was left out is not in the report.
func TestOnlyWhatWasMeasuredIsCompared(t *testing.T) {
	got := comparisonsOf(measured())
	if len(got) != 1 || got[0].plain != (spread{2, 2, 2}) || got[0].byCPU != 2 {
		t.Errorf("got %+v, want the one of rotate and file + loadbalance, 2.00 by rate and by CPU", got)
	}
	names := make(map[string]bool)
	for _, s := range subjects("") {
		if names[s.name] {
			t.Errorf("subject %q is listed twice, want each name once", s.name)
		}
		names[s.name] = true
	}
	for _, c := range comparisons {
		if !names[c.a] || !names[c.b] {
			t.Errorf("comparison %q of %q and %q: no such subject", c.question, c.a, c.b)
		}
	}
}
