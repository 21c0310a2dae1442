package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/internal/lease"
)

// listen accepts connections at addr until the test ends.
func listen(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// tryFile writes files, of which the first is a Corefile, and tries it. Without a
// server f is nil.
func tryFile(t *testing.T, f *fake, corefile string, more ...string) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRunner(f)
	if f == nil {
		r.Getenv = func(key string) string {
			return map[string]string{ControlVariable: filepath.Join(filepath.Dir(file), "none")}[key]
		}
	}
	got := r.run(t.Context(), append([]string{"try", file}, more...)...)
	got.out, got.err = strings.ReplaceAll(got.out, file, "Corefile"), strings.ReplaceAll(got.err, file, "Corefile")
	return got
}

// triedJSON runs try -o json.
func triedJSON(t *testing.T, f *fake, corefile string, more ...string) (report, result) {
	t.Helper()
	got := tryFile(t, f, corefile, append(more, "-o", "json")...)
	var r report
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || strings.Contains(got.out, "null") {
		t.Fatalf("%v: %+v", err, got)
	}
	return r, got
}

// answersOf returns the answers of the ith stanza, as TYPE OUTCOME ADDRESSES.
func (r *report) answersOf(i int) string {
	var parts []string
	for _, a := range r.Stanzas[i].Answers {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Type, a.Outcome, strings.Join(a.Addresses, ","))))
	}
	return strings.Join(parts, "; ")
}

func TestTryShowsWhatWouldBeAnswered(t *testing.T) {
	ip := lease.Net(t)
	listen(t, ip+"1:443")
	listen(t, ip+"2:443")
	backends := "backend 192.0.2.1 check_addr " + ip + "1\nbackend 192.0.2.2 check_addr " + ip + "2\nbackend 192.0.2.3 check_addr " + ip + "3\n"
	for _, tc := range []struct {
		stanza, want string
		code         int
	}{
		{backends + "check tcp://:443", "A served 192.0.2.1,192.0.2.2; AAAA nodata", ExitDone},
		{backends, "A served 192.0.2.1,192.0.2.2,192.0.2.3; AAAA nodata", ExitDone}, // without a check
		{backends + "check tcp://:443\nmin_up 3", "A min_up 192.0.2.1,192.0.2.2,192.0.2.3; AAAA nodata", ExitDone},
		{backends + "check tcp://:444", "A all_down 192.0.2.1,192.0.2.2,192.0.2.3; AAAA nodata", ExitFailed},
		{backends + "check tcp://:443\ncheck tcp://:444\nall_down servfail", "A servfail; AAAA nodata", ExitFailed},
		{backends + "backend 192.0.2.4 check_addr " + ip + "1 drain\ncheck tcp://:443", "A served 192.0.2.1,192.0.2.2; AAAA nodata", ExitDone},
		{"backend 2001:db8::1 check_addr " + ip + "1\nbackend 192.0.2.3 check_addr " + ip + "3\ncheck tcp://:443", "A nodata; AAAA served 2001:db8::1", ExitDone},
	} {
		r, got := triedJSON(t, nil, "example.org {\nrrhealth www.example.org {\n"+tc.stanza+"\n}\n}\n")
		if answers := r.answersOf(0); answers != tc.want || got.code != tc.code {
			t.Errorf("%s:\ncode %d, %s, want %d, %s", tc.stanza, got.code, answers, tc.code, tc.want)
		}
	}
}

// An address that pools share is probed once for each check.
func TestTryProbesEachTargetOnce(t *testing.T) {
	ip := lease.Net(t)
	l, err := net.Listen("tcp", ip+"1:443")
	if err != nil {
		t.Fatal(err)
	}
	connections := make(chan struct{}, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "hello\r\n")
			c.Close()
			connections <- struct{}{}
		}
	}()
	stanza := "{\nbackend 192.0.2.1 check_addr " + ip + "1\ncheck tcp://:443 {\nexpect hello\n}\n}\n"
	if got := tryFile(t, nil, "example.org {\nrrhealth a.example.org "+stanza+"rrhealth b.example.org "+stanza+"}\n"); got.code != ExitDone {
		t.Errorf("%+v", got)
	}
	l.Close()
	<-ended
	if n := len(connections); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// A local error takes no backend out: the command of an exec check is not there
// any more when it is run.
func TestTryWithALocalError(t *testing.T) {
	command := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(command, []byte("#!/nonexistent/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, got := triedJSON(t, nil, "example.org {\nrrhealth {\nbackend 192.0.2.1 192.0.2.2\ncheck exec "+command+"\n}\n}\n")
	if answers := r.answersOf(0); got.code != ExitDone || answers != "A served 192.0.2.1,192.0.2.2; AAAA nodata" || r.Stanzas[0].Backends[0].State != "unknown" {
		t.Errorf("code %d, %s, %+v", got.code, answers, r.Stanzas[0].Backends)
	}
}

// A silent backend takes the timeout of its check, however many there are.
func TestTryTakesTheTimeout(t *testing.T) {
	ip := lease.Net(t)
	var addrs []string
	for i := range 50 {
		c, err := net.ListenPacket("udp", fmt.Sprintf("%s%d:53", ip, i+1)) // it never replies
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		addrs = append(addrs, fmt.Sprintf("%s%d", ip, i+1))
	}
	began := time.Now()
	got := tryFile(t, nil, "example.org {\nrrhealth {\nbackend "+strings.Join(addrs, " ")+"\ncheck udp://:53 {\nsend x\nexpect y\ntimeout 300ms\n}\n}\n}\n")
	if took := time.Since(began); got.code != ExitFailed || took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("code %d after %v, want 1 after 300ms: %s", got.code, took, got.err)
	}
}

func TestTryIsInterrupted(t *testing.T) {
	ip := lease.Net(t)
	c, err := net.ListenPacket("udp", ip+"1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte("example.org {\nrrhealth {\nbackend "+ip+"1\ncheck udp://:53 {\nsend x\nexpect y\ninterval 1h\ntimeout 1m\n}\n}\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, interrupt)
	began := time.Now()
	r := newRunner(nil).run(ctx, "try", file)
	if r.code != ExitFailed || r.out != "" || r.err != "rrhealthctl try: interrupted\n" || time.Since(began) > 10*time.Second {
		t.Errorf("%+v after %v", r, time.Since(began))
	}
}

// Errors of all server blocks are reported at once, with their lines, and no
// backend is probed.
func TestTryReportsAllErrors(t *testing.T) {
	got := tryFile(t, nil, "example.org {\nrrhealth {\nbackend 192.0.2.1\nttl 30\n}\n}\nexample.net {\nwhoami\nrrhealth {\nbackend x\nchek tcp://:80\n}\n}\n")
	for _, want := range []string{
		"rrhealthctl try: 3 errors in the Corefile:\n",
		"\nCorefile:4 - Error during parsing: ttl: \"30\" has no unit",
		"\nCorefile:10 - Error during parsing: backend: got \"x\"",
		"\nCorefile:11 - Error during parsing: unknown option \"chek\"",
	} {
		if got.code != ExitFailed || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("code %d, stdout %q, stderr\n%s\nwant %s", got.code, got.out, got.err, want)
		}
	}
}

func TestTryOfWhatIsNoCorefile(t *testing.T) {
	for corefile, want := range map[string]string{
		"example.org {\nrrhealth {\n":                               "Corefile:2 - Error during parsing: Unexpected EOF",
		"exa..mple {\nrrhealth {\nbackend 192.0.2.1\n}\n}\n":        `server block "exa..mple": not a zone`,
		"example.org {\nimport nothing\n}\n":                        "File to import not found: nothing",
		"example.org {\nrrhealth other.test {\nbackend ::1\n}\n}\n": `name "other.test": not inside the server block (example.org.)`,
	} {
		if got := tryFile(t, nil, corefile); got.code != ExitFailed || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%q: %+v\nwant %s", corefile, got, want)
		}
	}
	if got := newRunner(nil).run(t.Context(), "try", filepath.Join(t.TempDir(), "none")); got.code != ExitFailed || !strings.Contains(got.err, "no such file") {
		t.Errorf("%+v", got)
	}
}

// Imports, snippets, variables and the plugin root are read as CoreDNS does.
func TestTryReadsWhatCoreDNSReads(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RRHEALTH_TRY_BACKEND", "192.0.2.7")
	for name, text := range map[string]string{
		"Corefile":    "(ttl) {\nttl 20s\n}\nexample.org example.net {\nroot " + dir + "\nimport more/*.conf\n}\nimport block\n10.0.0.0/22 {\nrrhealth {\nbackend 192.0.2.9\n}\n}\n",
		"more/a.conf": "rrhealth www.example.org {\nbackend {$RRHEALTH_TRY_BACKEND}\nimport ttl\ncheck https://:443/ {\nca ca.pem\n}\n}\n",
		"block":       "example.com:1053 {\nrrhealth {\nbackend 192.0.2.8\n}\n}\n",
		"ca.pem":      "no certificate\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := newRunner(nil)
	got := r.run(t.Context(), "try", "--no-probe", filepath.Join(dir, "Corefile"))
	if !strings.Contains(got.err, filepath.Join(dir, "more/a.conf")+":5 - ") || !strings.Contains(got.err, `no certificate in "ca.pem"`) {
		t.Errorf("the root or the import is not read: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "more/a.conf"), []byte("rrhealth www.example.org {\nbackend {$RRHEALTH_TRY_BACKEND}\nimport ttl\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = r.run(t.Context(), "try", "--no-probe", "-o", "json", filepath.Join(dir, "Corefile"))
	var of report
	if err := json.Unmarshal([]byte(got.out), &of); err != nil || got.code != ExitDone || len(of.Stanzas) != 3 {
		t.Fatalf("%v: %+v", err, got)
	}
	for i, want := range []string{
		"[www.example.org.] [example.org. example.net.] 192.0.2.7",
		"[example.com.] [example.com.] 192.0.2.8",
		"[0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa. 2.0.10.in-addr.arpa. 3.0.10.in-addr.arpa.] [0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa. 2.0.10.in-addr.arpa. 3.0.10.in-addr.arpa.] 192.0.2.9",
	} {
		if is := fmt.Sprint(of.Stanzas[i].Names, of.Stanzas[i].Zones, of.Stanzas[i].Backends[0].Address); strings.ReplaceAll(is, "]192", "] 192") != want {
			t.Errorf("stanza %d: %s, want %s", i, is, want)
		}
	}
}

func TestTryOfStdin(t *testing.T) {
	r := newRunner(nil)
	r.In = strings.NewReader("example.org {\nrrhealth {\nbackend 192.0.2.1 weight 0\n}\n}\n")
	if got := r.run(t.Context(), "try", "-"); got.code != ExitFailed || !strings.Contains(got.err, "stdin:3 - Error during parsing: backend: weight 0") {
		t.Errorf("%+v", got)
	}
}

func TestTryPrintsWarnings(t *testing.T) {
	got := tryFile(t, nil, "example.org {\nrrhealth {\nbackend 192.0.2.1\ncheck https://:443/ {\ninsecure\n}\n}\n}\n", "--no-probe")
	if got.code != ExitDone || !strings.HasPrefix(got.err, "warning: check https://:443/ of example.org. does not verify the certificate: insecure\n") {
		t.Errorf("%+v", got)
	}
}

// With a server, what would change for each name is shown.
func TestTryComparesWithTheServer(t *testing.T) {
	f := site().start(t)
	r, got := triedJSON(t, f, "example.org {\nrrhealth www.example.org new.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.9\n}\n"+
		"rrhealth api.example.org {\nbackend 198.51.100.1 192.0.2.1\n}\nrrhealth {\nwatch any\n}\n}\n", "--no-probe")
	want := []difference{
		{Name: "new.example.org.", Change: "gained", Added: []string{"192.0.2.1", "192.0.2.2", "192.0.2.9"}, Removed: []string{}},
		{Name: "shop.example.org.", Change: "lost", Added: []string{}, Removed: []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}},
		{Name: "www.example.org.", Change: "changed", Added: []string{"192.0.2.9"}, Removed: []string{"2001:db8::1"}},
	}
	if asJSON(t, r.Differences) != asJSON(t, want) || r.Server != DefaultControl || got.code != ExitDone {
		t.Errorf("%d: got\n%s\nwant\n%s", got.code, asJSON(t, r.Differences), asJSON(t, want))
	}
}

// A stanza may have more names than the server lists: they are asked for.
func TestTryComparesNamesThatAreNotListed(t *testing.T) {
	f := site()
	f.pools[0].More, f.hidden = 2, []string{"a.example.org.", "b.example.org."}
	f.start(t)
	r, got := triedJSON(t, f, "example.org {\nrrhealth www.example.org shop.example.org a.example.org c.example.org {\nbackend 192.0.2.1 192.0.2.2 2001:db8::1\n}\n"+
		"rrhealth api.example.org {\nbackend 198.51.100.1 192.0.2.1\n}\nrrhealth {\nwatch any\n}\n}\n", "--no-probe")
	if len(r.Differences) != 1 || r.Differences[0].Name != "c.example.org." || !strings.Contains(got.err, "2 names more than it lists") {
		t.Errorf("%s %s", asJSON(t, r.Differences), got.err)
	}
}

// The socket of the Corefile is the server's, unless --control is given, and one
// that is given must be there.
func TestTryFindsTheServer(t *testing.T) {
	dir := t.TempDir()
	site().listen(t, filepath.Join(dir, "s"))
	corefile := filepath.Join(dir, "Corefile")
	if err := os.WriteFile(corefile, []byte(". {\nrrhealth {\ncontrol "+filepath.Join(dir, "s")+"\n}\nrrhealth a.test {\nbackend 192.0.2.1\n}\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRunner(nil)
	if got := r.run(t.Context(), "try", "--no-probe", corefile); got.code != ExitDone || !strings.Contains(got.out, "compared with the server at "+dir+"/s:\ngained  a.test. ") {
		t.Errorf("%+v", got)
	}
	if got := r.run(t.Context(), "try", "--no-probe", corefile, "--control", dir+"/none"); got.code != ExitFailed || !strings.Contains(got.err, "no such socket") || !strings.Contains(got.out, "pool a.test.") {
		t.Errorf("--control: %+v", got)
	}
	if got := tryFile(t, nil, "example.org {\nrrhealth {\nbackend 192.0.2.1\n}\n}\n", "--no-probe"); got.code != ExitDone || got.err != "" || strings.Contains(got.out, "server") {
		t.Errorf("without a server: %+v", got)
	}
}

func TestTryFindsNoDifference(t *testing.T) {
	f := site()
	f.pools, f.backends = f.pools[1:2], f.backends[3:]
	got := tryFile(t, f.start(t), "example.org {\nrrhealth api.example.org {\nbackend 198.51.100.1 192.0.2.1\n}\n}\n", "--no-probe")
	if got.code != ExitDone || !strings.HasSuffix(got.out, "\nthe server at "+DefaultControl+" has the same names and backends\n") {
		t.Errorf("%+v", got)
	}
}

// Another program at the socket is reported, below what try has found out itself.
func TestTryBesideAForeignServer(t *testing.T) {
	f := site()
	f.header = "v9"
	got := tryFile(t, f.start(t), "example.org {\nrrhealth {\nbackend 192.0.2.1\n}\n}\n", "--no-probe")
	if got.code != ExitFailed || !strings.HasPrefix(got.out, "pool example.org.: 1 backend\n") || !strings.Contains(got.err, "the server has the API v9") {
		t.Errorf("%+v", got)
	}
}

// Filters, dry_run, many names and backends without a check are shown as what
// they are.
func TestTryDrawsAllKindsOfStanzas(t *testing.T) {
	names := make([]string, 12)
	for i := range names {
		names[i] = fmt.Sprintf("n%d.example.org", i)
	}
	got := tryFile(t, nil, "example.org {\nrrhealth "+strings.Join(names, " ")+" {\nbackend 192.0.2.1\ndry_run\n}\nrrhealth example.org {\nwatch any\n}\n}\n")
	for _, want := range []string{
		"pool, dry_run, n0.example.org. n1.example.org.", "n9.example.org. and 2 more: 1 backend\n",
		"192.0.2.1  up     -      -     no check: always up\n", "\nfilter example.org.: its addresses come from other plugins\n",
	} {
		if got.code != ExitDone || !strings.Contains(got.out, want) {
			t.Errorf("code %d, no %q in\n%s%s", got.code, want, got.out, got.err)
		}
	}
}
