package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

// An Observation is what a probe saw besides whether the check passed. Who asks
// provides it with WithObservation and reads it when the probe has returned.
type Observation struct {
	// CertificateExpiry is when the certificates that the server showed stop
	// being valid: the earliest end in the chain. It is told of certificates
	// that do not verify as well, an expired one above all. Zero: none seen.
	CertificateExpiry time.Time
}

type observationKey struct{}

// WithObservation returns a context whose probe fills in o.
func WithObservation(ctx context.Context, o *Observation) context.Context {
	return context.WithValue(ctx, observationKey{}, o)
}

// observeCertificate notes what a handshake that ended with err has shown.
func observeCertificate(ctx context.Context, state tls.ConnectionState, err error) {
	o, ok := ctx.Value(observationKey{}).(*Observation)
	if !ok {
		return
	}
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		state.PeerCertificates = refused.UnverifiedCertificates
	}
	o.CertificateExpiry = expiry(state)
}
