package status

import (
	"bytes"
	"compress/gzip"
	"sync"
	"time"
)

const (
	// modelFor is how long a Model is shown.
	modelFor = time.Second
	// idleFor is how long a Model is kept that no request asks for: that of 100,000
	// backends has a hundred megabytes.
	idleFor = 5 * time.Second
	// mostBodies and mostBytes bound what is kept beside a Model.
	mostBodies = 256
	mostBytes  = 16 << 20
	// usualBudget is how long the status port may render within modelFor. Requests
	// that are all different would otherwise cost a whole core, which queries need.
	usualBudget = 250 * time.Millisecond
)

// A cache has the latest generation.
type cache struct {
	build func() *Model

	mu      sync.Mutex // held while a Model is built, so that requests wait for one
	version uint64     // Changes so far
	current *generation
}

// A generation is a Model and what has been rendered from it.
type generation struct {
	model   *Model
	built   time.Time
	version uint64

	mu     sync.Mutex
	bodies map[string]*body
	size   int
	spent  time.Duration
}

// A body is an answer. zipped is nil if it is not worth it.
type body struct {
	code        int
	contentType string
	plain       []byte
	zipped      []byte
}

// get returns a generation that is at most modelFor old, and younger than the last
// Change. However many goroutines ask, one builds it.
func (c *cache) get() *generation {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.current
	if g != nil && g.version == c.version && time.Since(g.built) < modelFor {
		return g
	}
	g = &generation{version: c.version, built: time.Now(), bodies: make(map[string]*body)}
	g.model = c.build()
	c.current = g
	time.AfterFunc(idleFor, func() { c.drop(g) })
	return g
}

// renew has the next get build a Model.
func (c *cache) renew() {
	c.mu.Lock()
	c.version++
	c.mu.Unlock()
}

// drop forgets g if it is the latest; nil is any.
func (c *cache) drop(g *generation) {
	c.mu.Lock()
	if g == nil || c.current == g {
		c.current = nil
	}
	c.mu.Unlock()
}

// find returns the body that was rendered for key, nil if none was.
func (g *generation) find(key string) *body {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bodies[key]
}

// keep keeps b, which took so long to render, if there is room, or always.
func (g *generation) keep(key string, b *body, took time.Duration, always bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spent += took
	size := len(key) + len(b.plain) + len(b.zipped)
	if always || len(g.bodies) < mostBodies && g.size+size <= mostBytes {
		g.bodies[key] = b
		g.size += size
	}
}

// exhausted reports whether budget has been spent on rendering.
func (g *generation) exhausted(budget time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.spent >= budget
}

// zip compresses the body, if that makes it smaller.
func (b *body) zip() {
	if len(b.plain) < 1024 {
		return
	}
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // fails for unknown levels only
	if _, err := w.Write(b.plain); err != nil || w.Close() != nil || out.Len() >= len(b.plain) {
		return
	}
	b.zipped = out.Bytes()
}
