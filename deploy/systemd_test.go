package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const unit = "systemd/coredns-rrhealth.service"

// TestTheUnitIsUnderstood has systemd read the unit. systemd reports unknown
// options. Missing programs do not count: the test replaces the path of
// CoreDNS.
func TestTheUnitIsUnderstood(t *testing.T) {
	analyze := systemdAnalyze(t)
	path := filepath.Join(t.TempDir(), filepath.Base(unit))
	content := strings.ReplaceAll(read(t, unit), "/usr/local/bin/coredns", "/bin/true")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := try(time.Minute, analyze, "verify", "--man=no", "--recursive-errors=no", path)
	if err != nil || strings.Contains(out, filepath.Base(unit)) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// exposure is the maximum for the unit in systemd's own measure: 0 is no
// access, 10 an ordinary program of root.
const exposure = 2.0

func TestTheUnitIsHardened(t *testing.T) {
	out := run(t, time.Minute, systemdAnalyze(t), "security", "--offline=yes", "--no-pager", unit)
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no exposure level in the output of systemd-analyze:\n%s", out)
	}
	if level, _ := strconv.ParseFloat(m[1], 64); level > exposure {
		t.Errorf("exposure %s, want %.1f at most:\n%s", m[1], exposure, out)
	} else {
		t.Logf("exposure %s", m[1])
	}
}

func systemdAnalyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	return path
}
