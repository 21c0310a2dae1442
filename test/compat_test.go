package test

import (
	"testing"

	"github.com/coredns/coredns/coremain"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// needsAddressesBesideServices skips a test of what is done with the addresses
// of the targets of HTTPS and SVCB records, where file does not put them beside.
func needsAddressesBesideServices(t *testing.T) {
	t.Helper()
	if !harness.Since(1, 14) {
		t.Skipf("file of CoreDNS %s puts no addresses beside HTTPS and SVCB records", coremain.CoreVersion)
	}
}
