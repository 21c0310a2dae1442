// Command examples runs the end-to-end test of every example and prints the
// results as a table. It needs root, and the programs that examples/README.md
// lists.
//
//	go run ./examples
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A row is the result that a test reports; see lab.Row.
type row struct {
	Scenario, Killed string
	Detection, Bound time.Duration
	Failed, Of       int
	Passed           bool
}

func main() {
	passed, err := run(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "examples:", err)
		os.Exit(2)
	}
	if !passed {
		os.Exit(1)
	}
}

// run runs all tests and writes the table.
func run(out io.Writer) (passed bool, err error) {
	dir, err := os.MkdirTemp("", "rrh-examples-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	table, coredns := filepath.Join(dir, "table"), filepath.Join(dir, "coredns")
	if out, err := exec.Command("go", "build", "-o", coredns, "./cmd/coredns").CombinedOutput(); err != nil { // #nosec G204 -- our own arguments
		return false, fmt.Errorf("building CoreDNS (run this in the top folder): %w\n%s", err, out)
	}
	// One package at a time: the tests measure times, and use a lot of CPU.
	test := exec.Command("go", "test", "-count=1", "-p=1", "-v", "-timeout=10m", "./examples/...")
	test.Env = append(os.Environ(), "EXAMPLES=1", "EXAMPLES_TABLE="+table, "RRHEALTH_COREDNS="+coredns)
	var output bytes.Buffer
	test.Stdout, test.Stderr = &output, &output
	failure := test.Run()
	var exit *exec.ExitError
	if failure != nil && !errors.As(failure, &exit) {
		return false, failure
	}
	rows, err := read(table)
	if err != nil {
		return false, err
	}
	if failure != nil {
		fmt.Fprintf(out, "%s\n", output.Bytes())
	}
	write(out, rows)
	for line := range strings.Lines(output.String()) {
		if strings.HasPrefix(line, "--- SKIP") {
			fmt.Fprint(out, line)
		}
	}
	return failure == nil && len(rows) > 0, nil
}

func read(path string) ([]row, error) {
	content, err := os.ReadFile(path) // #nosec G304 -- our own file
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rows []row
	for d := json.NewDecoder(bytes.NewReader(content)); ; {
		var r row
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.Scenario, b.Scenario) })
			return rows, nil
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
}

func write(out io.Writer, rows []row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tkilled\tdetected after\tbound\tfailed requests\tverdict")
	for _, r := range rows {
		detection, bound, verdict := "-", "-", "FAILED"
		if r.Detection >= 0 {
			detection = fmt.Sprintf("%.1f s", r.Detection.Seconds())
		}
		if r.Bound > 0 {
			bound = fmt.Sprintf("%.1f s", r.Bound.Seconds())
		}
		if r.Passed {
			verdict = "ok"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d of %d\t%s\n", r.Scenario, r.Killed, detection, bound, r.Failed, r.Of, verdict)
	}
	_ = w.Flush()
}
