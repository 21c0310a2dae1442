package ctl

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// A fake is a server of the control socket: it serves what its fields have, in
// the way that package api describes.
type fake struct {
	t         *testing.T
	header    string // of every answer
	status    api.Status
	pools     []api.Pool
	backends  []api.Backend
	histories []api.History
	explain   api.Explanation
	hidden    []string      // names of the first pool that are not listed
	quiet     time.Duration // from a change until the caches are quiet
	slow      time.Duration // before each answer

	mu        sync.Mutex
	overrides []api.Override
	changes   []api.Change
	queries   []url.Values // of GET
	conns     pipes
	server    *http.Server
}

// start makes f serve connections of dial until the test ends.
func (f *fake) start(t *testing.T) *fake {
	t.Helper()
	f.t, f.header = t, cmp.Or(f.header, api.Version)
	f.conns = pipes{make(chan net.Conn), make(chan struct{})}
	f.serve(f.conns)
	return f
}

// listen makes f serve a real socket at path.
func (f *fake) listen(t *testing.T, path string) *fake {
	t.Helper()
	f.t, f.header = t, cmp.Or(f.header, api.Version)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(l)
	return f
}

func (f *fake) serve(l net.Listener) {
	f.server = &http.Server{Handler: f}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			f.t.Error(err)
		}
	}()
	f.t.Cleanup(func() {
		f.server.Close()
		<-ended
	})
}

// dial connects to f without a socket.
func (f *fake) dial(ctx context.Context, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case f.conns.conns <- there:
		return here, nil
	case <-f.conns.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipes is a listener for connections that are handed to it.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slow > 0 {
		time.Sleep(f.slow)
	}
	w.Header().Set(api.Header, f.header)
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		f.answerChange(w, r)
		return
	}
	f.queries = append(f.queries, q)
	answer, problem := f.get(r.URL.Path, q)
	if problem != "" {
		f.fail(w, http.StatusBadRequest, &api.Error{Problem: problem, Effects: []api.Effect{}})
		return
	}
	f.send(w, answer)
}

// get returns the answer to GET.
func (f *fake) get(path string, q url.Values) (answer any, problem string) {
	switch path {
	case api.PathStatus:
		s := f.status
		s.Now = api.Time{Time: time.Now()}
		return s, ""
	case api.PathPools:
		return f.getPools(q), ""
	case api.PathBackends:
		return f.getBackends(q), ""
	case api.PathOverrides:
		return api.Overrides{Overrides: slices.Clone(f.overrides)}, ""
	case api.PathHistory:
		return f.getHistory(q)
	case api.PathExplain:
		e := f.explain
		e.Type = cmp.Or(q.Get(api.ParamType), "A")
		e.Client = q.Get(api.ParamClient)
		return e, ""
	case api.PathWhatIf:
		matched, effects := f.effects(&api.Change{Set: "down", Selectors: q[api.ParamSelector], Pool: q.Get(api.ParamPool)})
		return api.Effects{Matched: matched, Effects: effects}, ""
	}
	return nil, "no such path: " + path
}

// named reports whether the query asks for a stanza of that name, or for all.
func (f *fake) named(q url.Values, name string) bool {
	want := q.Get(api.ParamPool)
	if want == "" {
		return true
	}
	i := slices.IndexFunc(f.pools, func(p api.Pool) bool { return p.Name == name })
	want = strings.ToLower(strings.TrimSuffix(want, ".") + ".")
	return i >= 0 && slices.Contains(f.pools[i].Names, want) || i == 0 && slices.Contains(f.hidden, want)
}

func (f *fake) getPools(q url.Values) api.Pools {
	var all []api.Pool
	for _, p := range f.pools {
		search := q.Get(api.ParamSearch)
		found := slices.ContainsFunc(slices.Concat(p.Names, p.Backends), func(text string) bool { return strings.Contains(text, search) })
		if found && f.named(q, p.Name) && (q.Get(api.ParamState) == "" || q.Get(api.ParamState) == p.State) {
			all = append(all, p)
		}
	}
	from, to := pageOf(q, len(all))
	return api.Pools{Total: len(all), Offset: from, Pools: slices.Concat([]api.Pool{}, all[from:to])}
}

func (f *fake) getBackends(q url.Values) api.Backends {
	var all []api.Backend
	for _, b := range f.backends {
		addr := q.Get(api.ParamAddress)
		if f.named(q, b.Pool) && (addr == "" || addr == b.Address) && strings.Contains(b.Pool+" "+b.Address, q.Get(api.ParamSearch)) {
			for _, o := range f.overrides {
				if o.Address == b.Address && (o.Pool == "" || o.Pool == b.Pool) {
					b.Overrides = append(b.Overrides, o)
				}
			}
			all = append(all, b)
		}
	}
	from, to := pageOf(q, len(all))
	return api.Backends{Total: len(all), Offset: from, Backends: slices.Concat([]api.Backend{}, all[from:to])}
}

// pageOf returns the bounds of what is asked for.
func pageOf(q url.Values, n int) (from, to int) {
	from, _ = strconv.Atoi(q.Get(api.ParamOffset))
	limit, err := strconv.Atoi(q.Get(api.ParamLimit))
	if err != nil {
		limit = api.DefaultLimit
	}
	from = min(from, n)
	return from, min(from+limit, n)
}

func (f *fake) getHistory(q url.Values) (any, string) {
	all := api.Histories{Histories: []api.History{}}
	var since time.Time
	if text := q.Get(api.ParamSince); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, err.Error()
		}
	}
	for _, h := range f.histories {
		if addr := q.Get(api.ParamAddress); !f.named(q, h.Pool) || addr != "" && addr != h.Address {
			continue
		}
		h.Events = slices.DeleteFunc(slices.Clone(h.Events), func(e api.Event) bool { return !e.At.After(since) })
		if len(h.Events) > 0 || since.IsZero() {
			all.Histories = append(all.Histories, h)
		}
	}
	return all, ""
}

// answerChange answers POST.
func (f *fake) answerChange(w http.ResponseWriter, r *http.Request) {
	var c api.Change
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		f.fail(w, http.StatusBadRequest, &api.Error{Problem: err.Error()})
		return
	}
	f.changes = append(f.changes, c)
	_, effects := f.effects(&c)
	if unsafe := slices.ContainsFunc(effects, func(e api.Effect) bool { return e.Unsafe }); unsafe && !c.Force {
		f.fail(w, http.StatusConflict, &api.Error{Problem: c.Set + ": refused, www.example.org. would have 0 up for A and needs 1 (min_up); use force to do it anyway", Effects: effects})
		return
	}
	f.send(w, f.changed(&c, effects))
}

// changed makes a change, and returns what has changed.
func (f *fake) changed(c *api.Change, effects []api.Effect) api.Changed {
	done := api.Changed{Overrides: []api.Override{}, Effects: effects}
	if c.Set == "auto" {
		done.Overrides, f.overrides = f.overrides, []api.Override{}
		return done
	}
	for i := range f.backends {
		if b := &f.backends[i]; f.selected(c, b) {
			done.Overrides = append(done.Overrides, f.override(c, b.Address, i+1))
		}
	}
	slices.SortFunc(done.Overrides, func(x, y api.Override) int { return cmp.Compare(x.Address, y.Address) })
	done.Overrides = slices.CompactFunc(done.Overrides, func(x, y api.Override) bool { return x.Address == y.Address })
	if c.DryRun {
		return done
	}
	f.overrides = slices.Clone(done.Overrides)
	if c.Set == "drain" && len(done.Overrides) > 0 {
		done.QuietAt = api.Time{Time: time.Now().Add(f.quiet)}
	}
	return done
}

func (f *fake) override(c *api.Change, addr string, id int) api.Override {
	until := c.Until
	if c.For > 0 {
		until = api.Time{Time: time.Now().Add(seconds(c.For))}
	}
	return api.Override{
		ID: uint64(id), Pool: c.Pool, Address: addr, Set: c.Set, Weight: c.Weight,
		Author: cmp.Or(c.Author, "alice"), Reason: c.Reason, Since: api.Time{Time: time.Now()}, Until: until,
	}
}

func (f *fake) send(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil && f.slow == 0 {
		f.t.Error(err)
	}
}

func (f *fake) fail(w http.ResponseWriter, code int, e *api.Error) {
	w.WriteHeader(code)
	f.send(w, e)
}

// with calls change with f locked.
func (f *fake) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// happens adds an event of now.
func (f *fake) happens(pool, addr string, e api.Event) {
	e.At = api.Time{Time: time.Now()}
	f.with(func() {
		for i := range f.histories {
			if h := &f.histories[i]; h.Pool == pool && h.Address == addr {
				h.Events = slices.Insert(slices.Clone(h.Events), 0, e)
				return
			}
		}
		f.t.Errorf("no history of %s %s", pool, addr)
	})
}

// A result is what a command has printed, and its exit code.
type result struct {
	code     int
	out, err string
}

// A runner runs commands against a server.
type runner struct {
	IO
	out, err safeBuffer
}

// safeBuffer is a buffer that may be read while a command writes.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newRunner returns a runner against f, with an empty environment.
func newRunner(f *fake) *runner {
	r := &runner{IO: IO{In: strings.NewReader(""), Getenv: func(string) string { return "" }, Zone: time.UTC, Version: "0.1.0"}}
	r.Out, r.Err = &r.out, &r.err
	if f != nil {
		r.Dial = f.dial
	}
	return r
}

// run runs one command line.
func (r *runner) run(ctx context.Context, args ...string) result {
	r.out, r.err = safeBuffer{}, safeBuffer{}
	code := Run(ctx, r.IO, args)
	return result{code, r.out.String(), r.err.String()}
}

// against runs one command line against f.
func against(t *testing.T, f *fake, args ...string) result {
	t.Helper()
	return newRunner(f).run(t.Context(), args...)
}
