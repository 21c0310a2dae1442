package rrhealth

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/probe"
)

// An expiry is when the certificate that a target showed last expires, in Unix
// seconds, or 0 when it has shown none. Probes write it, scrapes read it.
type expiry = atomic.Int64

// certificates has the expiry of each target whose check speaks TLS. Probes of
// all addresses are one function, and find theirs here.
type certificates struct {
	seen sync.Map // certificateKey to *expiry
}

// A certificateKey is what makes a target.
type certificateKey struct {
	addr  netip.Addr
	check monitor.Check
}

// add makes a place for what probes of addr by c will see. It returns nil where
// there is nothing to see.
func (s *certificates) add(addr netip.Addr, c check) *expiry {
	if !c.probe.TLS {
		return nil
	}
	e := new(expiry)
	s.seen.Store(certificateKey{addr, c.monitor()}, e)
	return e
}

// remove undoes add.
func (s *certificates) remove(addr netip.Addr, c check) {
	s.seen.Delete(certificateKey{addr, c.monitor()})
}

// observed returns c's probe, which notes when the certificate expires.
func (s *certificates) observed(c check) monitor.Probe {
	if !c.probe.TLS {
		return monitor.Probe(c.probe.Probe)
	}
	asked := c.monitor()
	return func(ctx context.Context, addr netip.Addr) error {
		var o probe.Observation
		err := c.probe.Probe(probe.WithObservation(ctx, &o), addr)
		if e, ok := s.seen.Load(certificateKey{addr, asked}); ok && !o.CertificateExpiry.IsZero() {
			e.(*expiry).Store(o.CertificateExpiry.Unix())
		}
		return err
	}
}

// earlier returns the earlier of an expiry and what was seen, where 0 and nil
// are none.
func earlier(at int64, seen *expiry) int64 {
	if seen == nil {
		return at
	}
	if s := seen.Load(); at == 0 || s != 0 && s < at {
		return s
	}
	return at
}
