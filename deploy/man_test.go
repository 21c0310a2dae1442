package deploy_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTheManPageIsTheREADME generates the page again. `make man` fixes a
// failure.
func TestTheManPageIsTheREADME(t *testing.T) {
	if testing.Short() {
		t.Skip("may download go-md2man")
	}
	page := filepath.Join(t.TempDir(), "page.7") // not the output: a first run also prints its downloads
	out, err := try(2*time.Minute, "man/generate", page)
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("cannot generate the page: %v\n%s", err, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if read(t, "man/coredns-rrhealth.7") != read(t, page) {
		t.Error("deploy/man/coredns-rrhealth.7 differs from README.md: run make man")
	}
}
