package probe

import (
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what is got into the golden files")

// A row is a server and a check of it: what follows from asking stands in the
// golden file, worded as in the log.
type row struct {
	name    string
	check   string // PORT is the server's
	options []string
	serve   func(*testing.T) (port string)
	silent  bool // the server never answers: the probe is to time out
}

// rows are all servers, good and evil, in the order of the golden file. Each
// kind has a function of its own beside its tests.
var rows = []func(*testing.T) []row{
	tcpRows, tlsRows, httpRows, httpsRows, http2Rows, grpcRows, dnsRows, udpRows, execRows,
}

// mostMemory is what asking the worst of servers may cost. The runtime counts
// for the whole process, so the server's part is included, and what pools drop
// under the race detector. Servers that send without end make it once, and the
// kernel takes little of it (see serveOn): else what they send before the probe
// gets a processor and hangs up would count, 9 MiB on a busy machine.
const mostMemory = 4 << 20

// TestEveryServerIsJudgedAndTheReasonCanBeRead asks every server that we could
// think of. None may make a probe leak, or use memory without bound; what
// operators read is in testdata/failures.txt, to be looked over by a human.
func TestEveryServerIsJudgedAndTheReasonCanBeRead(t *testing.T) {
	// The roots are read once for the process, in megabytes: not by a row.
	if _, err := x509.SystemCertPool(); err != nil {
		t.Fatal(err)
	}
	var all []row
	for _, of := range rows {
		all = append(all, of(t)...)
	}
	reasons, timeouts := make([]string, len(all)), uint64(0)
	for i, r := range all {
		if r.silent {
			timeouts++
		} else {
			t.Run(r.name, func(t *testing.T) {
				noLeaks(t)
				bounded(t, 1, func() { reasons[i] = r.run(t) })
			})
		}
	}
	// All timeouts at the same time, so that they can be long enough for a
	// machine that is busy.
	silent := func(t *testing.T) {
		t.Helper()
		for i, r := range all {
			if r.silent {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					reasons[i] = r.run(t)
				})
			}
		}
	}
	bounded(t, timeouts, func() { t.Run("silent", func(t *testing.T) { noLeaks(t); silent(t) }) })
	var got strings.Builder
	for i, r := range all {
		fmt.Fprintf(&got, "%-60s %s\n", r.name, reasons[i])
	}
	golden(t, "failures.txt", got.String())
}

// bounded fails the test if ask allocates more than so many probes may.
func bounded(t *testing.T, probes uint64, ask func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ask()
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > probes*mostMemory {
		t.Errorf("used %d KiB of memory, want at most %d", grown>>10, probes*mostMemory>>10)
	}
}

func (r row) run(t *testing.T) string {
	t.Helper()
	port := ""
	if r.serve != nil {
		port = r.serve(t)
	}
	c := check(t, port, r.check, r.options...)
	within := enough
	if r.silent {
		within = briefs
	}
	began := time.Now()
	err := ask(t, c, within)
	if r.silent && time.Since(began) < briefs {
		t.Errorf("gave up before its time")
	}
	if err == nil {
		return "passes"
	}
	return normal(err.Error(), port)
}

// normal replaces what differs from run to run.
func normal(reason, port string) string {
	if port != "" {
		reason = strings.ReplaceAll(reason, ":"+port, ":PORT")
	}
	reason = dates.ReplaceAllString(reason, "$1 DATE")
	return strings.ReplaceAll(reason, os.TempDir(), "TMP")
}

var dates = regexp.MustCompile(`(on|before) \d{4}-\d\d-\d\d`)

// golden compares got with the file of that name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(wanted) || line != wanted[i] {
			w := "nothing"
			if i < len(wanted) {
				w = wanted[i]
			}
			t.Fatalf("%s:%d:\n got %s\nwant %s", file, i+1, line, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s has lines that nothing gives", file)
	}
}
