package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

// An Observation is what a probe learned besides its result. The caller passes it
// with WithObservation and reads it after the probe has returned.
type Observation struct {
	// CertificateExpiry is when the server's certificates expire: the earliest
	// end in the chain. It is also set if the certificates do not verify, for
	// instance because they have expired. It is zero without a certificate.
	CertificateExpiry time.Time
}

type observationKey struct{}

// WithObservation returns a context for a probe that sets o.
func WithObservation(ctx context.Context, o *Observation) context.Context {
	return context.WithValue(ctx, observationKey{}, o)
}

// observeCertificate notes the certificates of a handshake that ended with err.
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
