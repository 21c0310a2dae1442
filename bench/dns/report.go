package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A report has all results of a run.
type report struct {
	machine     []fact
	rounds      int
	measure     time.Duration // of one server in one round
	duration    time.Duration
	rows        []row
	comparisons []comparison
	storms      []stormRow
	notes       []string
}

// A row is one subject: as it is, and with prometheus and errors in its chain.
type row struct {
	name             string
	group            group
	plain, monitored *figures // nil if not measured
}

// figures are the results for one server.
type figures struct {
	toFloor spread  // ratio to the floor
	toChain spread  // ratio to the floor with the same additional plugins
	cpu     float64 // seconds per million queries
	sent    int
	lost    int
	failed  int
}

// A comparison is the ratio of one subject to another.
type comparison struct {
	question         string
	plain, monitored spread
	byCPU            float64 // queries for the same CPU time, of the plain ones
}

// A stormRow has the results for one number of targets.
type stormRow struct {
	label    string  // the number of targets
	probes   float64 // a second, as the backends counted them
	p50, p99 spread  // microseconds
	p99Ratio spread  // to no targets
	perProbe float64 // CPU, microseconds, beyond what the queries take
	kept     float64 // part of the queries that dnsperf could send at that rate
	sent     int
	lost     int
}

// report returns the report of all that was measured.
func (b *bench) report(storms []*storm) (*report, error) {
	r := &report{
		machine: append(machine(b.ctx, b.site.binary, b.cores), fact{"load of others, before the run", b.load}), rounds: b.rounds, measure: b.plan.measure,
		rows: rowsOf(b.servers), comparisons: comparisonsOf(b.servers), storms: stormRows(storms), notes: b.notes,
	}
	return r, b.ctx.Err()
}

// find returns the server of a subject, or an empty one if it was not measured.
func find(servers []*server, name string, monitored bool) *server {
	i := slices.IndexFunc(servers, func(s *server) bool { return s.subject.name == name && s.monitored == monitored })
	if i < 0 {
		return new(server)
	}
	return servers[i]
}

// rowsOf returns the rows of the servers, in their order.
func rowsOf(servers []*server) []row {
	var rows []row
	for _, s := range servers {
		f := &figures{
			toFloor: spreadOf(ratios(s.rates, find(servers, floorName, false).rates)),
			toChain: spreadOf(ratios(s.rates, find(servers, floorName, s.monitored).rates)),
			cpu:     perMillion(s.cpu, s.completed), sent: s.sent, lost: s.lost, failed: s.failed,
		}
		if s.isFloor() {
			f.toFloor = spreadOf(withinRounds(s.rates))
		}
		at := slices.IndexFunc(rows, func(r row) bool { return r.name == s.subject.name })
		if at < 0 {
			at = len(rows)
			rows = append(rows, row{name: s.subject.name, group: s.subject.group})
		}
		if s.monitored {
			rows[at].monitored = f
		} else {
			rows[at].plain = f
		}
	}
	return rows
}

// comparisonsOf returns the comparisons of which both subjects were measured.
func comparisonsOf(servers []*server) []comparison {
	var all []comparison
	for _, c := range comparisons {
		a, b := find(servers, c.a, false), find(servers, c.b, false)
		one := comparison{
			question:  c.question,
			plain:     spreadOf(ratios(a.rates, b.rates)),
			monitored: spreadOf(ratios(find(servers, c.a, true).rates, find(servers, c.b, true).rates)),
			byCPU:     perMillion(b.cpu, b.completed) / perMillion(a.cpu, a.completed),
		}
		if !math.IsNaN(one.plain.median) {
			all = append(all, one)
		}
	}
	return all
}

// stormRows compares each storm with the first, which has no targets.
func stormRows(storms []*storm) []stormRow {
	rows := make([]stormRow, 0, len(storms))
	for _, s := range storms {
		calm := storms[0]
		rows = append(rows, stormRow{
			label: s.label(), probes: float64(s.probes) / s.lasted.Seconds(),
			p50: spreadOf(flat(s.p50)), p99: spreadOf(flat(s.p99)), p99Ratio: spreadOf(ratios(s.p99, calm.p99)),
			perProbe: perProbe(s, calm), kept: float64(s.sent) / float64(s.wanted), sent: s.sent, lost: s.lost,
		})
	}
	return rows
}

// perProbe returns the microseconds of CPU per probe: the CPU time of s minus
// what calm used for as many queries, divided by the probes.
func perProbe(s, calm *storm) float64 {
	if s.probes == 0 || calm.sent == 0 {
		return math.NaN()
	}
	queries := calm.cpu.Seconds() / float64(calm.sent) * float64(s.sent)
	return (s.cpu.Seconds() - queries) / float64(s.probes) * 1e6
}

// flat returns the measurements of all rounds.
func flat(rounds byRound) []float64 {
	var all []float64
	for _, xs := range rounds {
		all = append(all, xs...)
	}
	return all
}

// number formats x, or returns a dash if it is not finite.
func number(x float64, digits int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, x)
}
