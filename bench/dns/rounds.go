package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// measure measures all subjects, and ends by the deadline.
func (b *bench) measure(all []*subject, stormy bool, deadline time.Time) (*report, error) {
	if err := b.startAll(all); err != nil {
		return nil, err
	}
	end := deadline
	if stormy {
		end = deadline.Add(-b.plan.storm)
	}
	if err := b.allRounds(end); err != nil {
		return nil, err
	}
	var storms []*storm
	if stormy {
		for _, s := range b.servers {
			s.stop() // nothing else must run during the storm
		}
		storms = b.storm(deadline)
	}
	return b.report(storms)
}

// allRounds warms up and measures in rounds: at least one, and another only if
// it is likely to end before end.
func (b *bench) allRounds(end time.Time) error {
	if err := b.round(b.plan.warm); err != nil {
		return err
	}
	for b.rounds < b.plan.rounds {
		start := time.Now()
		b.rounds++
		progress("round %d of at most %d", b.rounds, b.plan.rounds)
		if err := b.round(b.plan.measure); err != nil {
			return err
		}
		if time.Now().Add(time.Since(start)).After(end) {
			break
		}
	}
	return nil
}

// floorTimes is how often the floor is measured in a round. All rates are
// divided by it, so it is the median of several.
const floorTimes = 3

// round measures all servers in random order: the floor floorTimes, the others
// once. A server that fails is left out, with its earlier results.
func (b *bench) round(length time.Duration) error {
	order := slices.Clone(b.servers)
	floor := order[slices.IndexFunc(order, (*server).isFloor)]
	order = append(order, slices.Repeat([]*server{floor}, floorTimes-1)...)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, s := range order {
		err := b.once(s, length)
		switch {
		case err == nil:
			continue
		case b.ctx.Err() != nil || s.isFloor():
			return fmt.Errorf("%s: %w", s.name(), err)
		}
		b.leaveOut(s.subject, fmt.Errorf("in round %d: %w; last log line: %s", b.rounds, err, s.lastLine()))
		s.stop()
		b.servers = slices.DeleteFunc(b.servers, func(o *server) bool { return o == s })
	}
	return nil
}

// once measures s. Before the first round it only warms s up.
func (b *bench) once(s *server, length time.Duration) error {
	queries, err := s.subject.names.queries(b.site.dir)
	if err != nil {
		return err
	}
	before, err := s.used()
	if err != nil {
		return err
	}
	got, err := perf(b.ctx, b.cores, load{port: s.port, queries: queries, length: length})
	if err != nil {
		return err
	}
	after, err := s.used()
	if err != nil || b.rounds == 0 {
		return err
	}
	s.rates[b.rounds] = append(s.rates[b.rounds], got.rate)
	s.cpu += after - before
	s.sent += got.sent
	s.completed += got.completed
	s.lost += got.lost
	s.failed += got.failed
	return nil
}
