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

// explainTLS returns the reason for an error of a TLS handshake. It reports
// whether err is one.
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

// explainInvalid returns the reason why a certificate of a chain is invalid.
func explainInvalid(err x509.CertificateInvalidError) reason {
	switch {
	case err.Reason == x509.Expired && err.Cert != nil && time.Now().Before(err.Cert.NotBefore):
		return reasonf("certificate is not valid before %s", day(err.Cert.NotBefore))
	case err.Reason == x509.Expired && err.Cert != nil:
		return reasonf("certificate expired on %s", day(err.Cert.NotAfter))
	case err.Reason == x509.NotAuthorizedToSign:
		return reasonf("certificate is signed by a certificate that may not sign others")
	case err.Reason == x509.IncompatibleUsage:
		return reasonf("certificate may not be used by a server")
	}
	return reasonf("certificate violates the constraints of its authorities (names, usages or length of the chain)")
}

// weak are the signature algorithms that can be forged too easily.
var weak = []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1}

func weaklySigned(algorithm x509.SignatureAlgorithm) reason {
	return reasonf("certificate is signed with %s, which is too weak", value(algorithm.String()))
}

// explainChain returns the reason why there is no chain from the certificate of
// the server to a trusted authority.
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
		return reasonf("certificate is self-signed, and not trusted here")
	}
	return reasonf("certificate is signed by an authority that is not trusted here: %s", authorityName(last.Subject.CommonName, last.Subject.Organization))
}

func selfSigned(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// authorityName returns the name of an authority for operators.
func authorityName(name string, organization []string) any {
	for _, n := range append([]string{name}, organization...) {
		if n != "" {
			return repeated(n, 100)
		}
	}
	return "an authority without a name"
}

// names returns the first four names of a certificate.
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

// day returns the date of t, which the server chose.
func day(t time.Time) foreign { return value(t.UTC().Format(time.DateOnly)) }
