package deploy_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// The text of a release comes from CHANGELOG.md: a tag without a section there
// must stop the release instead of publishing an empty text.
func TestReleaseNotesComeFromTheChangelog(t *testing.T) {
	newest := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)\b`).FindStringSubmatch(read(t, "../CHANGELOG.md"))
	if newest == nil {
		t.Fatal("CHANGELOG.md has no section of a version such as 0.1.0")
	}
	out, err := try(time.Minute, "../scripts/release-notes", "v"+newest[1])
	if err != nil || !strings.Contains(out, "\n### Added\n") || strings.Contains(out, "\n## ") {
		t.Errorf("release-notes v%s: %v\n%.300s", newest[1], err, out)
	}
	if out, err := try(time.Minute, "../scripts/release-notes", "v99.0.0"); err == nil {
		t.Errorf("release-notes v99.0.0: no error for a version without a section:\n%.300s", out)
	}
}
