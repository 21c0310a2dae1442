package probe

import (
	"context"
	"testing"
	"time"
)

func TestAProbeTellsWhenTheCertificateExpires(t *testing.T) {
	a := newAuthority(t)
	ends := map[string]time.Time{
		"good":    time.Now().AddDate(0, 0, 30).Truncate(time.Second),
		"expired": time.Now().AddDate(0, 0, -3).Truncate(time.Second),
	}
	for _, tc := range []struct {
		name, check string
		options     []string
		end         string
	}{
		{"tls", "tls://www.example.org:PORT", []string{"ca " + a.file}, "good"},
		{"https", "https://www.example.org:PORT", []string{"ca " + a.file, "alpn http/1.1"}, "good"},
		{"grpcs", "grpcs://www.example.org:PORT", []string{"ca " + a.file}, "good"},
		{"insecure", "tls://www.example.org:PORT", []string{"insecure"}, "good"},
		{"does not verify", "tls://www.example.org:PORT", nil, "good"},
		{"expired", "tls://www.example.org:PORT", []string{"ca " + a.file}, "expired"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cert := a.issue(leaf{notBefore: time.Now().AddDate(-1, 0, 0), notAfter: ends[tc.end]})
			c := check(t, shakes(cert)(t), tc.check, tc.options...)
			if !c.TLS {
				t.Error("the check does not say that it uses TLS")
			}
			var o Observation
			ctx, cancel := context.WithTimeout(WithObservation(t.Context(), &o), enough)
			defer cancel()
			_ = c.Probe(ctx, loopback)
			if !o.CertificateExpiry.Equal(ends[tc.end]) {
				t.Errorf("expiry %v, want %v", o.CertificateExpiry, ends[tc.end])
			}
		})
	}
}

func TestTheCertificateOfTheAuthorityMayExpireFirst(t *testing.T) {
	a := newAuthority(t) // for a year
	cert := a.issue(leaf{notAfter: time.Now().AddDate(5, 0, 0)})
	c := check(t, shakes(cert)(t), "tls://www.example.org:PORT", "ca "+a.file)
	var o Observation
	if err := c.Probe(WithObservation(t.Context(), &o), loopback); err != nil {
		t.Fatal(err)
	}
	if !o.CertificateExpiry.Equal(a.cert.NotAfter) {
		t.Errorf("expiry %v, want %v: the authority expires first", o.CertificateExpiry, a.cert.NotAfter)
	}
}
