package deploy_test

import (
	"os"
	"testing"
	"time"
)

// TestTheManPageIsTheREADME makes the page again. `make man` mends a failure.
func TestTheManPageIsTheREADME(t *testing.T) {
	if testing.Short() {
		t.Skip("may have to download what makes the page")
	}
	made, err := try(2*time.Minute, "man/generate")
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("cannot make the page here: %v\n%s", err, made)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, made)
	}
	if have := read(t, "man/coredns-rrhealth.7"); have != made+"\n" {
		t.Error("deploy/man/coredns-rrhealth.7 is not what README.md says: run deploy/man/generate coredns-rrhealth.7")
	}
}
