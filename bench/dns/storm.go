package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stormSizes are the numbers of targets that are probed every second during the
// queries.
var stormSizes = []int{0, 1000, 3000, 10_000}

// A storm has the measurements for one number of targets.
type storm struct {
	targets int
	server  *server
	other   *server // a process that opens connections in place of the server, or nil

	p50, p99 byRound // in microseconds
	cpu      time.Duration
	lasted   time.Duration
	probes   int
	wanted   int // queries at the full rate
	sent     int
	lost     int
}

// newStormSubject returns a chain with a pool of three, which is queried, and
// with pools of a hundred targets each, which are only probed.
func newStormSubject(targets int) *subject {
	var chain strings.Builder
	fmt.Fprintf(&chain, "rrhealth www.example.org {\nbackend %s\n}\n", strings.Join(addresses(3), " "))
	all := addresses(targets)
	for i := 0; len(all) > 0; i++ {
		n := min(100, len(all))
		fmt.Fprintf(&chain, "rrhealth pool%d.example.org {\nbackend %s\ncheck tcp://:$BACKENDS\ninterval 1s\ntimeout 500ms\n}\n", i, strings.Join(all[:n], " "))
		all = all[n:]
	}
	return &subject{name: fmt.Sprintf("%d targets at 1 s", targets), want: three, chain: chain.String()}
}

// label returns the name of s in the report.
func (s *storm) label() string {
	if s.other != nil {
		return "0, and another process that connects"
	}
	return strconv.Itoa(s.targets)
}

// settle is how long a server runs after it was started or resumed, before it
// is measured.
const settle = 1500 * time.Millisecond

// storm queries at half the greatest rate, and measures the latencies. The
// servers are not pinned to one core: the report has the CPU time of probes and
// their effect on answers separately. A storm that fails is left out, with a
// note.
func (b *bench) storm(deadline time.Time) []*storm {
	var all []*storm
	for i, n := range append(slices.Clone(stormSizes), 0) {
		progress("probe storm: starting %d targets", n)
		s := &storm{targets: n, p50: make(byRound), p99: make(byRound)}
		subject := newStormSubject(n)
		err := b.launchStorm(s, subject)
		if err == nil && i == len(stormSizes) {
			err = b.launchOther(s)
		}
		if err != nil {
			b.leaveOut(subject, err)
			if i == 0 {
				return nil // nothing to compare with
			}
			continue
		}
		all = append(all, s)
	}
	rate, err := b.halfRate(all[0])
	if err != nil {
		b.leaveOut(all[0].server.subject, err)
		return nil
	}
	each := time.Duration(len(all)) * (b.plan.latency + settle)
	for round := 1; round <= b.plan.rounds && (round == 1 || time.Now().Add(each).Before(deadline)); round++ {
		progress("probe storm: round %d at %d queries a second", round, rate)
		for _, i := range rand.Perm(len(all)) {
			if err := b.stormOnce(all[i], round, rate); err != nil {
				b.leaveOut(all[i].server.subject, err)
				return nil
			}
		}
	}
	return all
}

// launchStorm starts a server for s and freezes it after settle.
func (b *bench) launchStorm(s *storm, subject *subject) error {
	var err error
	if s.server, err = b.start(subject, false, b.cores.all); err != nil {
		return err
	}
	b.helpers = append(b.helpers, s.server)
	if err := s.server.awaitCorrect(b.ctx); err != nil {
		s.server.stop()
		return err
	}
	if err := b.rest(settle); err != nil {
		return err
	}
	return s.server.freeze()
}

// launchOther starts, and freezes, a process that opens as many connections as
// the probes of the greatest storm, beside the server of s.
func (b *bench) launchOther(s *storm) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.other = &server{subject: &subject{name: "connections"}}
	if s.other.dir, err = os.MkdirTemp(b.site.dir, "other-"); err != nil {
		return err
	}
	if err := s.other.launch(b.ctx, b.cores.all, []string{self, "-connect", strconv.Itoa(b.backends.port)}); err != nil {
		return err
	}
	b.helpers = append(b.helpers, s.other)
	return s.other.freeze()
}

// processes returns the processes of s.
func (s *storm) processes() []*server {
	if s.other == nil {
		return []*server{s.server}
	}
	return []*server{s.server, s.other}
}

// freeze and thaw suspend and resume s, while others are measured.
func (s *storm) freeze() (err error) {
	for _, p := range s.processes() {
		err = errors.Join(err, p.freeze())
	}
	return err
}

func (s *storm) thaw() (err error) {
	for _, p := range s.processes() {
		err = errors.Join(err, p.thaw())
	}
	return err
}

// used returns the CPU time that s has used.
func (s *storm) used() (sum time.Duration, err error) {
	for _, p := range s.processes() {
		used, failed := p.used()
		sum, err = sum+used, errors.Join(err, failed)
	}
	return sum, err
}

// rest waits for d, or until the run is canceled.
func (b *bench) rest(d time.Duration) error {
	select {
	case <-b.ctx.Done():
		return b.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// halfRate returns half the rate of queries that calm can answer.
func (b *bench) halfRate(calm *storm) (int, error) {
	if err := calm.server.thaw(); err != nil {
		return 0, err
	}
	queries, err := names(1).queries(b.site.dir)
	if err != nil {
		return 0, err
	}
	got, err := perf(b.ctx, b.cores, load{port: calm.server.port, queries: queries, length: b.plan.latency})
	if err != nil {
		return 0, err
	}
	return int(got.rate / 2), calm.server.freeze()
}

// stormOnce measures s while the others are frozen.
func (b *bench) stormOnce(s *storm, round, rate int) error {
	if err := s.thaw(); err != nil {
		return err
	}
	if err := b.rest(settle); err != nil {
		return err
	}
	queries, err := names(1).queries(b.site.dir)
	if err != nil {
		return err
	}
	before, err := s.used()
	if err != nil {
		return err
	}
	probes, start := b.backends.accepted.Load(), time.Now()
	got, err := perf(b.ctx, b.cores, load{port: s.server.port, queries: queries, length: b.plan.latency, rate: rate, verbose: true})
	if err != nil {
		return err
	}
	s.lasted += time.Since(start)
	s.probes += int(b.backends.accepted.Load() - probes)
	after, err := s.used()
	if err != nil {
		return err
	}
	s.cpu += after - before
	s.wanted += int(float64(rate) * b.plan.latency.Seconds())
	s.sent += got.sent
	s.lost += got.lost
	for p, where := range map[float64]byRound{50: s.p50, 99: s.p99} {
		where[round] = append(where[round], float64(percentile(got.latencies, p).Microseconds()))
	}
	return s.freeze()
}
