package ctl

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// onSocket runs a command line with the real socket at path.
func onSocket(t *testing.T, path string, args ...string) result {
	t.Helper()
	r := newRunner(nil)
	r.Getenv = func(key string) string { return map[string]string{ControlVariable: path}[key] }
	return r.run(t.Context(), args...)
}

func TestARealSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	f := site().listen(t, path)
	for _, line := range append(looks, "status --nagios") {
		if r := onSocket(t, path, words(line)...); r.code > ExitFailed || r.out == "" && !strings.HasPrefix(line, "auto") {
			t.Errorf("%s: %+v", line, r)
		}
	}
	if r := newRunner(nil).run(t.Context(), "drain", "198.51.100.1", "--for", "1h", "--control", path); r.code != ExitDone || len(f.changes) != 3 {
		t.Errorf("--control: %+v", r)
	}
}

// fails checks that status fails, with want on stderr, and prints nothing.
func fails(t *testing.T, path, want string) {
	t.Helper()
	r := onSocket(t, path, "status")
	if r.code != ExitFailed || r.out != "" || !strings.HasPrefix(r.err, "rrhealthctl status: "+path+": ") || !strings.Contains(r.err, want) {
		t.Errorf("code %d, stdout %q, stderr\n%s\nwant %s", r.code, r.out, r.err, want)
	}
}

func TestNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fails(t, path, "no such socket; start CoreDNS with rrhealth { control "+path+" } in its Corefile, or name another with --control or RRHEALTH_CONTROL")
}

func TestASocketThatAProcessHasLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	fails(t, path, "no process listens on the socket")
}

func TestAFileThatIsNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, path, "not a socket")
}

// foreign listens at path and answers each connection with text.
func foreign(t *testing.T, path, text string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			_, _ = c.Read(buf)
			_, _ = io.WriteString(c, text)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
}

func TestAServerThatIsNotOurs(t *testing.T) {
	for name, tc := range map[string]struct{ answer, want string }{
		"another protocol": {"220 ESMTP\r\n", "no answer: "},
		"nothing":          {"", "no answer: "},
		"a page":           {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "not the control socket of rrhealth (invalid character '<'"},
		"no such page":     {"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n", "not the control socket of rrhealth (code 404)"},
		"another API":      {"HTTP/1.1 404 Not Found\r\nContent-Length: 21\r\n\r\n" + `{"message":"no page"}`, "(code 404)"},
		"our error":        {"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 26\r\n\r\n" + `{"error":"x","effects":[]}`, ""},
		"a newer API": {"HTTP/1.1 404 Not Found\r\nRrhealth-Api: v2, v3\r\nContent-Length: 2\r\n\r\n{}",
			"the server has the API v2, v3, and this rrhealthctl knows v1; use the rrhealthctl of the server's version"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			foreign(t, path, tc.answer)
			if name == "our error" {
				if r := onSocket(t, path, "status"); r.code != ExitFailed || r.err != "rrhealthctl status: x\n" {
					t.Errorf("%+v", r)
				}
				return
			}
			fails(t, path, tc.want)
		})
	}
}

// A server that has our version among others is ours.
func TestAServerWithANewerAPIBesideOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site()
		f.header = "v1, v2"
		if r := against(t, f.start(t), "status"); r.code != ExitDone {
			t.Errorf("%+v", r)
		}
	})
}
