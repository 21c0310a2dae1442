package live

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/probe"
)

// An expiry is when the certificate that a target showed last expires, in Unix
// seconds, or 0 if it has shown none. Probes write it, Status reads it.
type expiry = atomic.Int64

// certificates has the expiry of each target whose check speaks TLS. One function
// probes all addresses of a check, and finds the expiry of each here.
type certificates struct {
	// certificateKey to *expiry. The monitor's loop adds and removes entries,
	// probes look them up.
	seen sync.Map
}

// A certificateKey identifies a target.
type certificateKey struct {
	addr  netip.Addr
	check monitor.Check
}

// add adds the expiry of the target for addr and c. It returns nil for checks
// without TLS.
func (s *certificates) add(addr netip.Addr, c config.Check) *expiry {
	if !c.Probe.TLS {
		return nil
	}
	e := new(expiry)
	s.seen.Store(certificateKey{addr, c.Pace}, e)
	return e
}

// remove undoes add.
func (s *certificates) remove(addr netip.Addr, c config.Check) {
	s.seen.Delete(certificateKey{addr, c.Pace})
}

// observed returns c's probe, which also stores when the certificate expires.
func (s *certificates) observed(c config.Check) monitor.Probe {
	if !c.Probe.TLS {
		return monitor.Probe(c.Probe.Probe)
	}
	asked := c.Pace
	return func(ctx context.Context, addr netip.Addr) error {
		var o probe.Observation
		err := c.Probe.Probe(probe.WithObservation(ctx, &o), addr)
		if e, ok := s.seen.Load(certificateKey{addr, asked}); ok && !o.CertificateExpiry.IsZero() {
			e.(*expiry).Store(o.CertificateExpiry.Unix())
		}
		return err
	}
}

// earlier returns the earlier of at and seen, where 0 and nil are none.
func earlier(at int64, seen *expiry) int64 {
	if seen == nil {
		return at
	}
	if s := seen.Load(); at == 0 || s != 0 && s < at {
		return s
	}
	return at
}
