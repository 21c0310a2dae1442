package probe

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/internal/lease"
)

// A peer is a real server that people run, of Debian's packages (see
// scripts/peers), with the checks that docs/checks.md has for it.
type peer struct {
	name    string
	program string
	// start prepares dir, which is the server's own, and returns its command
	// line and the checks. The first of them passes when the server is up, and
	// is asked again when it is stopped, and after it was killed.
	start func(t *testing.T, dir string) (command []string, asked []asked)
}

// asked is a check of a peer.
type asked struct {
	name, line string
	options    []string
}

var peers = []peer{
	{"nginx", "nginx", startNginx},
	{"redis", "redis-server", startRedis},
	{"unbound", "unbound", startUnbound},
	{"SMTP", "msmtpd", startSMTP},
	{"MariaDB", "mariadbd", startMariaDB},
	{"PostgreSQL", "postgres", startPostgreSQL},
}

// TestRealServers asks servers that we have not written ourselves: up, wrong,
// stopped (the kernel still accepts, no program answers) and killed.
func TestRealServers(t *testing.T) {
	reasons := make([]string, len(peers))
	t.Run("all", func(t *testing.T) {
		for i, p := range peers {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				reasons[i] = p.reasons(t)
			})
		}
	})
	for _, r := range reasons {
		if r == "" {
			t.Skip("not all servers are here: the golden file is left alone")
		}
	}
	golden(t, "peers.txt", strings.Join(reasons, ""))
}

func (p peer) reasons(t *testing.T) string {
	t.Helper()
	program := find(t, p.program)
	dir := t.TempDir()
	mayEnter(t, dir)
	command, checks := p.start(t, dir)
	cmd := launch(t, dir, append([]string{program}, command...)...)

	up := check(t, "", checks[0].line, checks[0].options...)
	for deadline := time.Now().Add(time.Minute); ; {
		err := ask(t, up, enough)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not up: %v", err)
		}
	}
	var got strings.Builder
	report := func(what string, a asked, within time.Duration) {
		err := ask(t, check(t, "", a.line, a.options...), within)
		text := "passes"
		if err != nil {
			text = greeting.ReplaceAllString(ports.ReplaceAllString(normal(err.Error(), ""), ":PORT"), `"...MariaDB..."`)
		}
		fmt.Fprintf(&got, "%-60s %s\n", p.name+": "+what, text)
	}
	for _, a := range checks {
		// A probe waits after a reply that does not match: servers may send more.
		report(a.name, a, 3*time.Second)
	}
	signal(t, cmd, syscall.SIGSTOP)
	report("stopped", checks[0], briefs)
	signal(t, cmd, syscall.SIGKILL)
	_ = cmd.Wait()
	// Children of the server may hold its socket for a moment, and what is
	// connected to it then is reset.
	for deadline := time.Now().Add(time.Minute); !errors.Is(ask(t, up, enough), syscall.ECONNREFUSED) && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	report("killed", checks[0], enough)
	return got.String()
}

var (
	ports    = regexp.MustCompile(`:\d+\b`)
	greeting = regexp.MustCompile(`"[^"]*MariaDB[^"]*"`) // has a version in it
)

// find returns where the program is. Debian keeps servers out of the PATH.
func find(t *testing.T, program string) string {
	t.Helper()
	places := []string{"/usr/sbin", "/usr/bin"}
	postgres, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range append(places, postgres...) {
		if file, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return file
		}
	}
	missing(t, "%s, see scripts/peers", program)
	return ""
}

// unprivilegedID is the user that runs the servers when the tests run as root.
const unprivilegedID = 65534

// mayEnter gives dir to the user that runs the servers.
func mayEnter(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // #nosec G302 -- a directory of the test's
		t.Fatal(err)
	}
	own(t, dir)
}

// own gives dir, and all that is in it, to the user that runs the servers.
func own(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(dir, func(file string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(file, unprivilegedID, unprivilegedID)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// launch starts a server without privileges and in a group of its own, which is
// killed and waited for when the test ends.
func launch(t *testing.T, dir string, command ...string) *exec.Cmd {
	t.Helper()
	cmd := prepare(dir, command...)
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = said.Close()
		if text, _ := os.ReadFile(said.Name()); t.Failed() {
			t.Logf("%s said:\n%s", command[0], text)
		}
	})
	return cmd
}

// prepare makes the command. It inherits nothing: a server's own settings in
// the environment are not for this one.
func prepare(dir string, command ...string) *exec.Cmd {
	cmd := exec.Command(command[0], command[1:]...) // #nosec G204 -- ours
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivilegedID, Gid: unprivilegedID}
	}
	return cmd
}

func signal(t *testing.T, cmd *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-cmd.Process.Pid, s); err != nil {
		t.Fatal(err)
	}
}

// prepared runs what a server needs before it starts.
func prepared(t *testing.T, dir string, command ...string) {
	t.Helper()
	if out, err := prepare(dir, command...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command[0], err, out)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	own(t, dir)
}

// quiet returns a port for a server. No other process gets it before the server
// listens, nor after it was killed.
func quiet(t *testing.T) string {
	t.Helper()
	return lease.Port(t, "127.0.0.1")
}

func startNginx(t *testing.T, dir string) ([]string, []asked) {
	t.Helper()
	a := newAuthority(t)
	cert, key := a.files(a.issue(leaf{}))
	for from, to := range map[string]string{cert: "cert.pem", key: "key.pem"} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, to, string(content))
	}
	plain, secure := quiet(t), quiet(t)
	write(t, dir, "nginx.conf", `daemon off; master_process off; pid pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
	server {
		listen 127.0.0.1:`+plain+`;
		location /healthz { return 200 "all well\n"; }
		location /sick { return 503; }
		location / { return 301 https://elsewhere.example.org/; }
	}
	server {
		listen 127.0.0.1:`+secure+` ssl http2;
		ssl_certificate cert.pem; ssl_certificate_key key.pem;
		location / { return 200 "$server_protocol\n"; }
	}
}
`)
	http, https, ca := "http://:"+plain, "https://www.example.org:"+secure, "ca "+a.file
	return []string{"-p", dir, "-c", "nginx.conf"}, []asked{
		{"a healthy page", http + "/healthz", []string{"body well"}},
		{"a sick page", http + "/sick", nil},
		{"a page without the word", http + "/healthz", []string{"body ^sick"}},
		{"a redirect", http, nil},
		{"a redirect where a page is wanted", http, []string{"status 200"}},
		{"HTTP/2", https, []string{ca, "body ^HTTP/2.0"}},
		{"HTTP/1.1 over TLS", https, []string{ca, "body ^HTTP/1.1", "alpn http/1.1"}},
		{"a certificate that lasts", "tls://www.example.org:" + secure, []string{ca, "min_days 30"}},
		{"a certificate that does not last long enough", "tls://www.example.org:" + secure, []string{ca, "min_days 3650"}},
		{"a certificate for another name", "https://shop.example.org:" + secure, []string{ca}},
		{"a certificate of an unknown authority", https, nil},
		{"https where http is spoken", "https://www.example.org:" + plain, nil},
		{"http where https is spoken", "http://:" + secure, nil},
		{"grpc where http is spoken", "grpc://:" + plain, nil},
	}
}

func startRedis(t *testing.T, dir string) ([]string, []asked) {
	t.Helper()
	port := quiet(t)
	url := "tcp://:" + port
	return []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir, "--requirepass", "hunter2hunter2"}, []asked{
		{"PING", url, []string{`send AUTH\x20hunter2hunter2\r\nPING\r\n`, `expect \+PONG`}},
		{"PING without the password", url, []string{`send PING\r\n`, `expect ^\+PONG`}},
		{"a wrong password", url, []string{`send AUTH\x20hunter3hunter3\r\nPING\r\nQUIT\r\n`, `expect \+PONG`}},
		{"no more than a handshake", url, nil},
	}
}

func startUnbound(t *testing.T, dir string) ([]string, []asked) {
	t.Helper()
	port := quiet(t)
	var big strings.Builder
	for i := range 60 {
		fmt.Fprintf(&big, "\tlocal-data: \"big.example.org. A 192.0.2.%d\"\n", i+1)
	}
	write(t, dir, "unbound.conf", `server:
	interface: 127.0.0.1
	port: `+port+`
	username: ""
	chroot: ""
	pidfile: ""
	directory: "`+dir+`"
	use-syslog: no
	do-daemonize: no
	local-zone: "example.org." static
	local-data: "www.example.org. A 192.0.2.7"
`+big.String()+"\tlocal-zone: \"forbidden.example.\" refuse\nremote-control:\n\tcontrol-enable: no\n")
	url := "dns://:" + port
	return []string{"-d", "-c", "unbound.conf"}, []asked{
		{"an address", url + "/www.example.org", []string{`answer ^192\.0\.2\.7$`}},
		{"another address", url + "/www.example.org", []string{`answer ^192\.0\.2\.8$`}},
		{"an answer for which UDP is too small", url + "/big.example.org", []string{`answer ^192\.0\.2\.60$`}},
		{"a name that is not there", url + "/missing.example.org", nil},
		{"a name that is not there, as it should be", url + "/missing.example.org", []string{"rcode NXDOMAIN"}},
		{"a name that is forbidden", url + "/forbidden.example", nil},
		{"DNS by hand", "udp://:" + port, []string{`send \x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01`, `expect (?s)^\x124.*\x07$`}},
	}
}

func startSMTP(t *testing.T, _ string) ([]string, []asked) {
	t.Helper()
	port := quiet(t)
	url := "tcp://:" + port
	return []string{"--interface", "127.0.0.1", "--port", port, "--command", "cat >/dev/null"}, []asked{
		{"the banner", url, []string{`expect ^220`}},
		{"another banner", url, []string{`expect ^SSH-2`}},
		{"https", "https://www.example.org:" + port, nil},
		{"http", "http://:" + port, nil},
	}
}

func startMariaDB(t *testing.T, dir string) ([]string, []asked) {
	t.Helper()
	port := quiet(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	own(t, dir)
	url := "tcp://:" + port
	return []string{"--no-defaults", "--datadir=" + data, "--socket=" + filepath.Join(dir, "s"), "--bind-address=127.0.0.1", "--port=" + port, "--skip-log-bin", "--skip-grant-tables"}, []asked{
		{"the greeting", url, []string{`expect (?s)^.{4}\n[!-~]*MariaDB`}},
		{"another greeting", url, []string{`expect ^220`}},
	}
}

func startPostgreSQL(t *testing.T, dir string) ([]string, []asked) {
	t.Helper()
	port := quiet(t)
	data := filepath.Join(dir, "data")
	prepared(t, dir, find(t, "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
	url := "tcp://:" + port
	return []string{"-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"}, []asked{
		{"whether it supports TLS", url, []string{`send \0\0\0\x08\x04\xd2\x16\x2f`, `expect ^[SN]$`}},
		{"rubbish", url, []string{`send rubbish\r\n`, `expect ^[SN]$`}},
	}
}
