package deploy_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTheManPageIsTheREADME makes the page again. `make man` mends a failure.
func TestTheManPageIsTheREADME(t *testing.T) {
	if testing.Short() {
		t.Skip("may have to download what makes the page")
	}
	page := filepath.Join(t.TempDir(), "page.7") // not the output: a first run also prints what it downloads
	out, err := try(2*time.Minute, "man/generate", page)
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("cannot make the page here: %v\n%s", err, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if read(t, "man/coredns-rrhealth.7") != read(t, page) {
		t.Error("deploy/man/coredns-rrhealth.7 is not what README.md says: run deploy/man/generate coredns-rrhealth.7")
	}
}
