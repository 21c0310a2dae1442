package operations

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/config"
)

// A request that looks at the state while the server stops does not hold it up: the
// server waits for the request.
func TestStopDoesNotWaitForARequestThatWaitsForStop(t *testing.T) {
	d := newDesk(t, "")
	dir := t.TempDir()
	p := process(dir)
	stopped := make(chan struct{})
	d.Operations = New(d.registry, d.log, func() (string, string) {
		go func() {
			d.Stop(p)
			close(stopped)
		}()
		for d.Operations.mu.TryLock() { // until Stop has it
			started := len(d.servers)
			d.Operations.mu.Unlock()
			if started == 0 {
				break
			}
		}
		return "", ""
	}, func(*dns.Msg, netip.Addr) (Answer, error) { return Answer{}, nil })
	if err := d.Start(p); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", p.Control)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stopped:
	case <-time.After(20 * time.Second):
		t.Fatal("Stop and a request wait for one another")
	}
}

// A load that fails changes nothing: neither what is shown of the load before, nor its
// overrides.
func TestALoadThatFailsChangesNothing(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	dir := t.TempDir()
	first := process(dir)
	if err := d.Start(first); err != nil {
		t.Fatal(err)
	}
	defer d.Stop(first)
	loaded := d.model().Status.Loaded
	d.must(set("drain", "192.0.2.1"))

	bad := process(dir)
	bad.Control = filepath.Join(dir, "missing", "s")
	if err := d.Start(bad); err == nil {
		t.Error("a control socket in a missing directory")
	}
	if got := d.model().Status.Loaded; !got.Equal(loaded.Time) {
		t.Errorf("loaded at %v after a load that failed, want %v", got, loaded)
	}
	late := process(dir) // fails after it has started
	if err := d.Start(late); err != nil {
		t.Fatal(err)
	}
	d.Stop(late)
	if got := d.model().Status.Loaded; !got.Equal(loaded.Time) {
		t.Errorf("loaded at %v after a load that failed late, want %v", got, loaded)
	}
	if got := d.shown(); !slices.Equal(got, []string{"192.0.2.1 drain"}) {
		t.Errorf("overrides %q", got)
	}
}

// Without a process stanza no operator can remove overrides, so they go.
func TestOverridesGoWithTheProcessStanza(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	p := process(t.TempDir())
	if err := d.Start(p); err != nil {
		t.Fatal(err)
	}
	d.must(set("drain", "192.0.2.1"))
	d.log.take()
	d.Stop(p)
	if got := d.answered("www.example.org."); slices.Contains(got, "192.0.2.1") {
		t.Errorf("answered %q before the next Corefile has started", got)
	}
	d.Reconcile()
	if got := d.answered("www.example.org."); !slices.Contains(got, "192.0.2.1") {
		t.Errorf("answered %q", got)
	}
	d.log.want(t, "warning: 1 overrides dropped: the Corefile has no process stanza by which they could be removed")
}

// A state directory that cannot be used costs the past and nothing else. The next
// reload tries again, and loses nothing that is in force.
func TestAStateDirectoryThatCannotBeUsed(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	dir := t.TempDir()
	first := process(dir)
	first.State = filepath.Join(dir, "state")
	if err := os.WriteFile(first.State, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(first); err != nil {
		t.Fatal(err)
	}
	if lines := d.log.take(); len(lines) != 2 || !strings.HasPrefix(lines[1], "warning: state not kept: state "+first.State) {
		t.Errorf("logged %q", lines)
	}
	if got := d.model().Status; len(got.Problems) != 1 || got.StateDir != "" {
		t.Errorf("problems %q, directory %q", got.Problems, got.StateDir)
	}
	d.must(set("drain", "192.0.2.1"))

	if err := os.Remove(first.State); err != nil {
		t.Fatal(err)
	}
	second := process(dir)
	second.State = first.State
	if err := d.Start(second); err != nil {
		t.Fatal(err)
	}
	d.Stop(first)
	if got := d.model().Status; len(got.Problems) != 0 || got.StateDir != first.State {
		t.Errorf("problems %q, directory %q after it was mended", got.Problems, got.StateDir)
	}
	d.Stop(second)
	if text, err := os.ReadFile(filepath.Join(first.State, "rrhealth.json")); err != nil || !strings.Contains(string(text), `"192.0.2.1"`) {
		t.Errorf("saved %s (%v)", text, err)
	}
}

// Overrides of a directory that a reload brings do not replace those in force.
func TestADirectoryOfAReloadAddsToWhatIsInForce(t *testing.T) {
	dir := t.TempDir()
	before := newDesk(t, twoPools)
	p := process(dir)
	if err := before.Start(p); err != nil {
		t.Fatal(err)
	}
	before.must(set("drain", "192.0.2.1"))
	before.must(set("up", "192.0.2.2"))
	before.Stop(p)
	before.end()

	d := newDesk(t, twoPools)
	defer d.end()
	without := &config.Process{Control: filepath.Join(dir, "t"), Mode: 0o600}
	if err := d.Start(without); err != nil {
		t.Fatal(err)
	}
	d.must(set("down", "192.0.2.2"))
	d.must(set("drain", "192.0.2.4"))
	with := process(dir)
	if err := d.Start(with); err != nil {
		t.Fatal(err)
	}
	defer d.Stop(with) // it saves until then
	d.Stop(without)
	if got, want := d.shown(), []string{"192.0.2.1 drain", "192.0.2.2 down", "192.0.2.4 drain"}; !slices.Equal(got, want) {
		t.Errorf("overrides %q, want %q", got, want)
	}
	ids := make(map[uint64]bool)
	for _, one := range d.overrides().All() {
		ids[one.ID] = true
	}
	if d.must(in("api.example.org", set("down", "192.0.2.4"))); len(ids) != 3 || ids[d.lastID] {
		t.Errorf("IDs %v, then %d", ids, d.lastID)
	}
}
