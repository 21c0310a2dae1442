package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A coreList is a list of cores in the syntax of taskset. Empty means any core.
type coreList string

// cores has the cores of each kind of process.
type cores struct {
	server, client coreList
	all            coreList // all that this process may use
}

// String returns the pinning as the report shows it.
func (c cores) String() string {
	if c.server == "" {
		return "not pinned: there is one core only, or no taskset"
	}
	return fmt.Sprintf("servers on core %s, client and backends on %s", c.server, c.client)
}

// divide gives one of the cores to the servers, so that a ratio means the same
// on every machine, and the rest to the client.
func divide(allowed []int) cores {
	if len(allowed) < 2 {
		return cores{}
	}
	return cores{server: listOf(allowed[:1]), client: listOf(allowed[1:]), all: listOf(allowed)}
}

func listOf(ids []int) coreList {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, strconv.Itoa(id))
	}
	return coreList(strings.Join(words, ","))
}

// pin divides the cores that this process may use, and moves this process to
// those of the client: it is also the backends.
func pin(ctx context.Context) (cores, error) {
	if _, err := exec.LookPath("taskset"); err != nil {
		return cores{}, nil
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return cores{}, err
	}
	allowed, err := allowedCores(string(status))
	if err != nil {
		return cores{}, err
	}
	c := divide(allowed)
	if c.client != "" {
		// #nosec G204 -- numbers
		cmd := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", string(c.client), strconv.Itoa(os.Getpid()))
		if out, err := cmd.CombinedOutput(); err != nil {
			return cores{}, fmt.Errorf("taskset: %w: %s", err, out)
		}
	}
	return c, nil
}

// allowedCores reads the line "Cpus_allowed_list: 0-2,5" of /proc/PID/status.
func allowedCores(status string) ([]int, error) {
	_, rest, found := strings.Cut(status, "Cpus_allowed_list:")
	if !found {
		return nil, fmt.Errorf("/proc/self/status: no line Cpus_allowed_list")
	}
	list, _, _ := strings.Cut(rest, "\n")
	var ids []int
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("cores %q: %w", list, err)
		}
		last, err := strconv.Atoi(to)
		if err != nil {
			return nil, fmt.Errorf("cores %q: %w", list, err)
		}
		for id := first; id <= last; id++ {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// command returns the command argv, bound to the cores. taskset executes the
// command in its own process, so that the PID is that of the command.
func (l coreList) command(ctx context.Context, argv []string) *exec.Cmd {
	if l != "" {
		argv = append([]string{"taskset", "-c", string(l)}, argv...)
	}
	return exec.CommandContext(ctx, argv[0], argv[1:]...) // #nosec G204 -- our own tables
}
