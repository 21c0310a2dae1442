package probe

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// explainTLS words what a TLS handshake may fail with. It reports whether err
// is such a thing.
func explainTLS(err error) (reason, bool) {
	var (
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		weak    x509.InsecureAlgorithmError
		alert   *net.OpError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid):
		return explainInvalid(invalid), true
	case errors.As(err, &host):
		return reasonf("certificate is for %s, not for %s", names(host.Certificate), host.Host), true
	case errors.As(err, &unknown):
		return explainChain(err), true
	case errors.As(err, &weak):
		return weaklySigned(x509.SignatureAlgorithm(weak)), true
	case errors.As(err, &alert) && alert.Op == "remote error":
		return reasonf("server sent the TLS alert: %s", value(strings.TrimPrefix(alert.Err.Error(), "tls: "))), true
	case errors.As(err, &record):
		return reasonf("the reply is not TLS"), true
	}
	return reason{}, false
}

// explainInvalid words why a certificate of a chain may not be used.
func explainInvalid(err x509.CertificateInvalidError) reason {
	switch {
	case err.Reason == x509.Expired && err.Cert != nil && time.Now().Before(err.Cert.NotBefore):
		return reasonf("certificate is not valid before %s", day(err.Cert.NotBefore))
	case err.Reason == x509.Expired && err.Cert != nil:
		return reasonf("certificate expired on %s", day(err.Cert.NotAfter))
	case err.Reason == x509.NotAuthorizedToSign:
		return reasonf("certificate is signed by one that may not sign others")
	case err.Reason == x509.IncompatibleUsage:
		return reasonf("certificate may not be used by a server")
	}
	return reasonf("certificate breaks the limits that its authorities set (names, usages or length of the chain)")
}

// weak are the signatures that are forged too easily to be accepted.
var weak = []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1}

func weaklySigned(algorithm x509.SignatureAlgorithm) reason {
	return reasonf("certificate is signed with %s, which is not accepted any more", value(algorithm.String()))
}

// explainChain words why no chain leads from the certificate of the server to
// an authority that is trusted.
func explainChain(err error) reason {
	refused, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok || len(refused.UnverifiedCertificates) == 0 {
		return reasonf("certificate is signed by an authority that is not trusted here")
	}
	sent := refused.UnverifiedCertificates
	last := sent[0]
	for i := 0; i < len(sent) && !selfSigned(last); i++ { // as long as the longest chain
		if slices.Contains(weak, last.SignatureAlgorithm) {
			return weaklySigned(last.SignatureAlgorithm)
		}
		at := slices.IndexFunc(sent, func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, last.RawIssuer) })
		if at < 0 {
			return reasonf("certificate is signed by %s, which is not trusted here and not sent by the server: an intermediate certificate is missing, or the authority is unknown",
				authorityName(last.Issuer.CommonName, last.Issuer.Organization))
		}
		last = sent[at]
	}
	if last == sent[0] {
		return reasonf("certificate is signed by itself, and not trusted here")
	}
	return reasonf("certificate is signed by an authority that is not trusted here: %s", authorityName(last.Subject.CommonName, last.Subject.Organization))
}

func selfSigned(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// authorityName is what people call an authority.
func authorityName(name string, organization []string) any {
	for _, n := range append([]string{name}, organization...) {
		if n != "" {
			return repeated(n, 100)
		}
	}
	return "one without a name"
}

// names lists what a certificate is good for, the first four of it.
func names(c *x509.Certificate) any {
	if c == nil {
		return "another name"
	}
	var all []string
	for _, n := range c.DNSNames {
		all = append(all, strconv.Quote(cut(n)))
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all"
	}
	if len(all) > 4 {
		all = append(all[:4], "...")
	}
	return value(strings.Join(all, ", "))
}

// day is the date of t, which the server chose.
func day(t time.Time) foreign { return value(t.UTC().Format(time.DateOnly)) }
