package status

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of the HTTP servers. A request is one line and a few headers, an answer
// a few hundred kilobytes.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 8 << 10
	stopWithin    = time.Second
	mostConns     = 256
)

// A listener is the status port or the control socket. It belongs to the
// Registry, whose lock guards users.
type listener struct {
	key     key
	address string // as the system reports it
	socket  *socket
	crowd   *crowd
	http    *http.Server
	done    chan struct{} // closed when http has returned; nil before it serves
	users   []*Server     // the last one is shown

	shown atomic.Pointer[Server]
}

// listen opens the listener of k for s. It does not accept connections yet.
func listen(k key, s *Server) (*listener, error) {
	l := &listener{key: k}
	accept, err := l.open(s)
	if err != nil {
		return nil, err
	}
	l.address = accept.Addr().String()
	l.crowd = newCrowd(accept, mostConns)
	l.http = &http.Server{
		Handler:                      http.HandlerFunc(l.serve),
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		ConnContext:                  withMember,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(warner{l}, "", 0),
	}
	return l, nil
}

func (l *listener) open(s *Server) (net.Listener, error) {
	if l.key.network == "tcp" {
		accept, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", l.key.address)
		if err != nil {
			return nil, fmt.Errorf("status %s: %w", l.key.address, err)
		}
		return accept, nil
	}
	socket, accept, err := openSocket(l.key.address, s.config.Mode, s.gid)
	if err != nil {
		return nil, fmt.Errorf("control %s: %w", l.key.address, err)
	}
	l.socket = socket
	return accept, nil
}

// permit sets the permissions of the socket file to those of s.
func (l *listener) permit(s *Server) error {
	if l.socket == nil {
		return nil
	}
	if err := l.socket.permit(s.config.Mode, s.gid); err != nil {
		return fmt.Errorf("control %s: %w", l.key.address, err)
	}
	return nil
}

// show shows s from the next request on, and serves if l does not yet.
func (l *listener) show(s *Server) {
	l.users = append(l.users, s)
	l.shown.Store(s)
	if l.done != nil {
		return
	}
	if s.registry.listeners == nil {
		s.registry.listeners = make(map[key]*listener)
	}
	s.registry.listeners[l.key] = l
	l.done = make(chan struct{})
	go func() {
		defer close(l.done)
		_ = l.http.Serve(l.crowd) // returns when it is closed
	}()
}

// abandon undoes use for a Server that does not start.
func (l *listener) abandon() {
	if l.done == nil {
		l.close()
	}
}

// lost reports whether the socket file is no longer there: a program that cleans
// up has removed it. The next reload makes a new one.
func (l *listener) lost() bool { return l.socket != nil && !l.socket.ours() }

// restore sets the permissions of the Server that is shown.
func (l *listener) restore() {
	s := l.shown.Load()
	if err := l.permit(s); err != nil {
		s.warn("%v", err)
	}
}

// hide removes s. Without another Server the listener is closed.
func (l *listener) hide(s *Server) {
	l.users = slices.DeleteFunc(l.users, func(other *Server) bool { return other == s })
	if n := len(l.users); n > 0 {
		if latest := l.users[n-1]; l.shown.Swap(latest) != latest {
			l.restore()
		}
		return
	}
	if s.registry.listeners[l.key] == l {
		delete(s.registry.listeners, l.key)
	}
	l.close()
}

// close closes the listener and its connections, and waits for them.
func (l *listener) close() {
	if l.socket != nil {
		l.socket.remove()
	}
	if l.done == nil {
		_ = l.crowd.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if l.http.Shutdown(ctx) != nil {
		_ = l.http.Close()
	}
	<-l.done
}

// A warner logs what net/http has to report, such as a panic.
type warner struct{ l *listener }

func (w warner) Write(text []byte) (int, error) {
	if s := w.l.shown.Load(); s != nil {
		first, _, _ := strings.Cut(string(text), "\n")
		s.warn("%s: %s", w.l.key.network, first)
	}
	return len(text), nil
}

// A limiter allows one event a second.
type limiter struct{ last atomic.Int64 }

func (l *limiter) allow() bool {
	now, last := time.Now().UnixNano(), l.last.Load()
	return (last == 0 || now-last >= int64(time.Second)) && l.last.CompareAndSwap(last, now)
}
