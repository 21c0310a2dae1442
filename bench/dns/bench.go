package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A bench is one run: its processes, and what was measured so far.
type bench struct {
	ctx      context.Context
	plan     plan
	cores    cores
	site     site
	backends *backends
	ports    ports
	servers  []*server // measured: their answers are as expected
	helpers  []*server // not measured
	notes    []string  // which subject was left out, and why
	noted    map[string]bool
	load     string // load average of the machine before the run
	rounds   int    // measured so far
}

// newBench prepares a bench for the CoreDNS at binary. The caller must call
// close, also after errors and signals.
func newBench(ctx context.Context, binary string, p plan) (*bench, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, plan: p, noted: make(map[string]bool), load: loadAverage()}
	if b.site.dir, err = os.MkdirTemp("", "bench-dns-"); err != nil {
		return nil, err
	}
	if err := b.prepare(binary); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(binary string) error {
	var err error
	if b.cores, err = pin(b.ctx); err != nil {
		return err
	}
	if b.backends, err = listen(); err != nil {
		return err
	}
	b.site.binary, b.site.backends = binary, b.backends.port
	b.site.zone = filepath.Join(b.site.dir, "db.example.org")
	if err := os.WriteFile(b.site.zone, []byte(zoneText(records())), 0o644); err != nil { // #nosec G306 -- other servers read it under their own users
		return err
	}
	up, err := b.start(&subject{name: "upstream", chain: "file $ZONE", want: three}, false, b.cores.client)
	if err != nil {
		return fmt.Errorf("the server to forward to: %w", err)
	}
	b.helpers = append(b.helpers, up)
	b.site.upstream = up.port
	return up.awaitCorrect(b.ctx)
}

// close stops all processes and removes their files.
func (b *bench) close() {
	for _, s := range slices.Concat(b.servers, b.helpers) {
		s.stop()
	}
	if b.backends != nil {
		b.backends.close()
	}
	os.RemoveAll(b.site.dir)
}

// start starts one server. It does not wait until the server answers.
func (b *bench) start(sub *subject, monitored bool, where coreList) (*server, error) {
	s := &server{subject: sub, monitored: monitored, rates: make(byRound)}
	var err error
	if s.dir, err = os.MkdirTemp(b.site.dir, "server-"); err != nil {
		return nil, err
	}
	p := place{site: b.site, dir: s.dir}
	if p.port, err = b.ports.take(); err != nil {
		return nil, err
	}
	if p.metrics, err = b.ports.take(); err != nil {
		return nil, err
	}
	s.port = p.port
	var argv []string
	if sub.setup != nil {
		argv, err = sub.setup(p)
	} else {
		argv, err = sub.coredns(p, monitored)
	}
	if err != nil {
		return nil, err
	}
	return s, s.launch(b.ctx, where, argv)
}

// startAll starts a server for each subject, and a second one with prometheus
// and errors for each CoreDNS. A server whose answers are not as expected is
// left out.
func (b *bench) startAll(all []*subject) error {
	progress("starting %d subjects", len(all))
	for _, sub := range all {
		for _, monitored := range []bool{false, true} {
			if sub.setup != nil && monitored {
				continue
			}
			s, err := b.start(sub, monitored, b.cores.server)
			if err != nil {
				b.leaveOut(sub, err)
				continue
			}
			b.servers = append(b.servers, s)
		}
	}
	var good []*server
	for _, s := range b.servers {
		if err := s.awaitCorrect(b.ctx); err != nil {
			b.leaveOut(s.subject, err)
			s.stop()
			continue
		}
		good = append(good, s)
	}
	b.servers = good
	if !slices.ContainsFunc(good, (*server).isFloor) {
		return errors.Join(b.ctx.Err(), errors.New("whoami does not answer, so there is nothing to compare with"))
	}
	return b.ctx.Err()
}

// leaveOut adds a note that a subject, or its monitored twin, is not measured.
// A note that holds for both is added once.
func (b *bench) leaveOut(sub *subject, why error) {
	note := fmt.Sprintf("%s: left out: %v", sub.name, why)
	if b.noted[note] {
		return
	}
	b.noted[note] = true
	b.notes = append(b.notes, note)
	progress("%s", note)
}

// isFloor reports whether all others are compared with s.
func (s *server) isFloor() bool { return s.subject.name == floorName && !s.monitored }
