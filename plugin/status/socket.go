package status

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// longestPath is what fits into the address of a socket on all systems (104
// bytes on BSD), with its zero byte.
const longestPath = 103

// A socket is the file of the control socket.
type socket struct {
	path string
	file fs.FileInfo // which file is ours; another process may have put another there
}

// openSocket listens at path. The socket is bound in a folder that only this
// process may enter, gets its permissions there, and is then linked to path: at no
// moment can a user connect who may not. A socket file on which no process
// listens is replaced.
func openSocket(path string, mode fs.FileMode, gid int) (*socket, net.Listener, error) {
	if len(path) > longestPath {
		return nil, nil, fmt.Errorf("path is too long for a socket (got %d bytes); at most %d", len(path), longestPath)
	}
	stale, err := occupant(path)
	if err != nil {
		return nil, nil, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".rr-")
	if err != nil {
		return nil, nil, fmt.Errorf("folder of the socket: %w; create it, and let this process write to it", errors.Unwrap(err))
	}
	defer func() { _ = os.RemoveAll(folder) }()
	listener, err := bind(folder)
	if err != nil {
		return nil, nil, err
	}
	s, err := place(filepath.Join(folder, "s"), path, stale, mode, gid)
	if err != nil {
		_ = listener.Close()
		return nil, nil, err
	}
	return s, listener, nil
}

// bind listens at the name s in a folder. If the path of that is too long, though
// that of the socket is not, it names the folder by a descriptor, as Linux can.
func bind(folder string) (*net.UnixListener, error) {
	name := filepath.Join(folder, "s")
	if len(name) > longestPath {
		f, err := os.Open(folder) // #nosec G304 -- just made
		if err != nil {
			return nil, err
		}
		defer f.Close()
		name = fmt.Sprintf("/proc/self/fd/%d/s", f.Fd())
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // it will have another name
	return listener, nil
}

// place gives the socket at private its permissions and links it to path, where
// stale may be, nil for none.
func place(private, path string, stale fs.FileInfo, mode fs.FileMode, gid int) (*socket, error) {
	if err := setPermissions(private, mode, gid); err != nil {
		return nil, err
	}
	file, err := os.Lstat(private)
	if err != nil {
		return nil, err
	}
	if stale != nil {
		if err := moveAway(path, filepath.Join(filepath.Dir(private), "stale"), stale); err != nil {
			return nil, err
		}
	}
	// A link fails if another process has come first. A rename would replace its socket.
	if err := os.Link(private, path); err != nil {
		return nil, fmt.Errorf("socket: %w; another process may have come first", errors.Unwrap(err))
	}
	return &socket{path, file}, nil
}

// occupant returns the stale socket at path, nil if there is no file. It is an
// error if a process listens on it, or if it is not a socket.
func occupant(path string) (fs.FileInfo, error) {
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // no file is no error
	case err != nil:
		return nil, err
	case file.Mode().Type() != fs.ModeSocket:
		return nil, errors.New("there is a file that is not a socket; choose another path, or remove it")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	if !refused(err) {
		return nil, errors.New("another process listens there; stop it, or choose another path")
	}
	return file, nil
}

// moveAway moves the file at path to another name, if it is stale. Otherwise
// another process has replaced it since, and gets it back.
func moveAway(path, to string, stale fs.FileInfo) error {
	if err := os.Rename(path, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stale socket: %w", err)
	}
	if moved, err := os.Lstat(to); err == nil && !os.SameFile(moved, stale) {
		_ = os.Link(to, path)
		return errors.New("another process has begun to listen there; stop it, or choose another path")
	}
	return nil
}

// permit sets mode and group of the socket file, if it is still ours.
func (s *socket) permit(mode fs.FileMode, gid int) error {
	if !s.ours() {
		return errors.New("the socket file has been removed or replaced; reload again")
	}
	return setPermissions(s.path, mode, gid)
}

// remove removes the socket file, if it is still ours.
func (s *socket) remove() {
	if s.ours() {
		_ = os.Remove(s.path)
	}
}

func (s *socket) ours() bool {
	file, err := os.Lstat(s.path)
	return err == nil && os.SameFile(file, s.file)
}

// setPermissions sets the group first: with the mode first, the group of the
// process could connect for a moment.
func setPermissions(path string, mode fs.FileMode, gid int) error {
	if gid >= 0 {
		if err := os.Chown(path, -1, gid); err != nil {
			return fmt.Errorf("group %d: %w; let the user of this process be a member of the group", gid, errors.Unwrap(err))
		}
	}
	if err := os.Chmod(path, mode.Perm()); err != nil {
		return fmt.Errorf("mode %#o: %w", mode, errors.Unwrap(err))
	}
	return nil
}

// groupID returns the number of a group, -1 for the empty string.
func groupID(group string) (int, error) {
	if group == "" {
		return -1, nil
	}
	if gid, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(gid), nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("control: no such group (got %s); create it, or give another", group)
	}
	return strconv.Atoi(g.Gid)
}
