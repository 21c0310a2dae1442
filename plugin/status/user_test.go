package status

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// asUser is set in a process that only connects to a socket.
const asUser = "RRHEALTH_TEST_CONNECT"

func TestMain(m *testing.M) {
	if path := os.Getenv(asUser); path != "" {
		conn, err := net.Dial("unix", path)
		if err == nil {
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: rrhealth\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"set\":\"drain\"}", api.PathOverrides)
			answer := make([]byte, 1<<10)
			n, _ := conn.Read(answer)
			fmt.Printf("%s\n", answer[:n])
		} else {
			fmt.Println(err)
		}
		return
	}
	os.Exit(m.Run())
}

// connectAs connects to the socket at path as another user, and returns what a
// Change gets.
func connectAs(t *testing.T, path string, uid, gid uint32) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = []string{asUser + "=" + path}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// openFolder returns a folder that every user may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil { // it is ours alone
		t.Fatal(err)
	}
	return folder
}
