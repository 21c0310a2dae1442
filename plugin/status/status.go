// Package status has the HTTP servers for operators: the status port, which is
// TCP and read-only, and the control socket, a Unix socket that accepts changes.
//
// A Registry has the listeners of the process. Each Server uses one or two of
// them. In a reload the new Server starts before the old one is closed. If both
// have the same address or path they share the listener, which shows the Server
// that has started last. If that one is closed first, because the reload has
// failed, the listener shows the old one again.
//
// A Server builds a Model at most once a second, and renders each URL at most once
// for each Model (generation). All else is copying bytes, which a flood of
// requests cannot make expensive. A crowd bounds the connections: a client that
// does not finish its request makes way for the next one.
//
// Everything that is shown comes from a Service. The package imports only the
// wire types and knows no pool and no monitor.
package status

import (
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// A Model is what is shown: a copy of the process's state, which no goroutine
// changes. The slices are sorted, the worst first.
type Model struct {
	Status    api.Status
	Pools     []api.Pool
	Backends  []api.Backend // of all pools and filters
	Overrides []api.Override
}

// A Service is what the servers show and do. Many goroutines may call its
// functions at the same time. An error that is an *api.Error is the client's,
// with its Code as the status; any other is logged and not shown.
type Service struct {
	// Model returns the state of now. It is called at most once a second, and once
	// after each Change.
	Model func() *Model
	// History returns the events of the backends of a pool, or of those with an
	// address, or of one. One of pool and address may be empty.
	History func(pool, address string) []api.History
	// Explain returns why a query gets its answer. The zero time is now.
	Explain func(name, qtype, client string, at time.Time) (api.Explanation, error)
	// WhatIf returns what a change would do.
	WhatIf func(api.Change) (api.Effects, error)
	// Change makes a change. by is the name of the user at the control socket.
	Change func(c api.Change, by string) (api.Changed, error)
}

// Config is where a Server listens, and for whom.
type Config struct {
	Address string      // HOST:PORT of the status port; the empty string for none
	Hosts   []string    // names in URLs of the status port, beside addresses and localhost; * for any
	Control string      // the path of the control socket; the empty string for none
	Mode    fs.FileMode // of the control socket; 0 is 0660
	Group   string      // of the control socket, as a name or a number; the empty string leaves it
	// Warn logs a warning, such as an error inside the Service. It may be nil.
	Warn func(format string, args ...any)
}

// A Registry has the listeners of the process. The zero value has none.
type Registry struct {
	mu        sync.Mutex
	listeners map[key]*listener
}

// A Server shows one Service, from Start to Close.
type Server struct {
	config   Config
	service  Service
	gid      int // of the control socket; -1 leaves it
	hosts    hosts
	cache    cache
	budget   time.Duration // see usualBudget
	registry *Registry
	uses     []*listener
	warned   limiter
}

// Start listens as c requires and shows s. On an error nothing has changed: a
// Server that was shown before still is.
func (r *Registry) Start(c Config, s Service) (*Server, error) {
	if c.Mode == 0 {
		c.Mode = 0o660
	}
	gid, err := groupID(c.Group)
	if err != nil {
		return nil, err
	}
	server := &Server{config: c, service: s, gid: gid, hosts: newHosts(c.Hosts), budget: usualBudget, registry: r}
	server.cache.build = s.Model
	r.mu.Lock()
	defer r.mu.Unlock()
	var uses []*listener
	for _, key := range server.keys() {
		l, err := r.use(key, server)
		if err != nil {
			for _, l := range uses {
				l.abandon()
			}
			return nil, err // the control socket is last, so no permission has changed
		}
		uses = append(uses, l)
	}
	server.uses = uses
	for _, l := range uses {
		l.show(server)
	}
	return server, nil
}

// A key is a network, tcp or unix, and an address.
type key struct{ network, address string }

// keys returns the listeners that s needs.
func (s *Server) keys() (all []key) {
	if s.config.Address != "" {
		all = append(all, key{"tcp", s.config.Address})
	}
	if s.config.Control != "" {
		all = append(all, key{"unix", s.config.Control})
	}
	return all
}

// use returns the listener of k, which listens but does not show s yet.
func (r *Registry) use(k key, s *Server) (*listener, error) {
	l := r.listeners[k]
	if l == nil || l.lost() {
		return listen(k, s)
	}
	if err := l.permit(s); err != nil {
		l.restore() // one of mode and group may be set
		return nil, err
	}
	return l, nil
}

// Close ends the Server. The listeners that another Server uses too show that
// one; the others are closed, and requests have a second to end. It may be called
// twice.
func (s *Server) Close() {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for _, l := range s.uses {
		l.hide(s)
	}
	s.uses = nil
	s.cache.drop(nil)
}

// Addr returns the address of the status port, with the port that the system has
// chosen for port 0; the empty string if there is none.
func (s *Server) Addr() string {
	for _, l := range s.uses {
		if l.key.network == "tcp" {
			return l.address
		}
	}
	return ""
}

// warn logs a warning, at most one a second: requests must not fill the log.
func (s *Server) warn(format string, args ...any) {
	if s.config.Warn != nil && s.warned.allow() {
		s.config.Warn(format, args...)
	}
}

// refusal is an *api.Error that this package returns.
func refusal(code int, problem string) *api.Error {
	return &api.Error{Code: code, Problem: problem, Effects: []api.Effect{}}
}

// asRefusal returns the *api.Error in err, if there is one.
func asRefusal(err error) (*api.Error, bool) { return errors.AsType[*api.Error](err) }
