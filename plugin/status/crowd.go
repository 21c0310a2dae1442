package status

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// slowAfter is how long a request may take before its connection counts as one
// that may make way: a client that does not read what it asked for.
const slowAfter = 2 * time.Second

// A crowd is a listener with a bound of connections. A newcomer to a full crowd
// takes the place of another: of the client network with the most connections,
// the one that has waited longest without a request, or whose request has taken
// longer than slowAfter. So clients that hold connections open without sending
// or reading crowd out one another, and not those that ask and go. Waiting for a
// place instead, or a deadline alone, would let 256 slow clients keep out all
// others for as long as they come back.
type crowd struct {
	net.Listener
	most int

	mu      sync.Mutex
	members map[*member]struct{}
}

// A member is a connection. The crowd's lock guards busy and since.
type member struct {
	net.Conn
	crowd *crowd
	from  netip.Prefix
	busy  bool      // a request is being answered
	since time.Time // busy or waiting for a request
}

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, most: most, members: make(map[*member]struct{})}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		m := &member{Conn: conn, crowd: c, from: network(conn.RemoteAddr()), since: time.Now()}
		victim, ok := c.admit(m)
		if victim != nil {
			_ = victim.Conn.Close()
		}
		if ok {
			return m, nil
		}
		_ = conn.Close()
	}
}

// admit adds m, in the place of victim if the crowd is full. It returns false if
// all members are busy and quick.
func (c *crowd) admit(m *member) (victim *member, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.members) >= c.most {
		if victim = c.slowest(m.since); victim == nil {
			return nil, false
		}
		delete(c.members, victim)
	}
	c.members[m] = struct{}{}
	return victim, true
}

// slowest returns the member that makes way, nil for none.
func (c *crowd) slowest(now time.Time) (worst *member) {
	count := make(map[netip.Prefix]int)
	for m := range c.members {
		count[m.from]++
	}
	for m := range c.members {
		switch {
		case m.busy && now.Sub(m.since) < slowAfter:
		case worst == nil, worse(m, worst, count[m.from]-count[worst.from]):
			worst = m
		}
	}
	return worst
}

// worse reports whether m makes way before other, if its network has more
// connections than the other's by the given number.
func worse(m, other *member, more int) bool {
	switch {
	case more != 0:
		return more > 0
	case m.busy != other.busy:
		return !m.busy
	}
	return m.since.Before(other.since)
}

// Close implements net.Conn.
func (m *member) Close() error {
	m.crowd.mu.Lock()
	delete(m.crowd.members, m)
	m.crowd.mu.Unlock()
	return m.Conn.Close()
}

// CloseWrite ends what is sent. net/http does so before it closes a connection
// with a request that it has not read to the end: the reset that follows would
// overtake the answer.
func (m *member) CloseWrite() error {
	if half, ok := m.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// mark records that a request begins or ends.
func (m *member) mark(busy bool) {
	m.crowd.mu.Lock()
	m.busy, m.since = busy, time.Now()
	m.crowd.mu.Unlock()
}

// network returns the network that a client can be assumed to have for itself: an
// IPv4 address or 64 bits of IPv6. It is invalid for a Unix socket.
func network(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.Is4() {
		return netip.PrefixFrom(ip, 32)
	}
	p, _ := ip.WithZone("").Prefix(64)
	return p
}

type memberKey struct{}

// withMember puts the connection into the context of its requests.
func withMember(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, memberKey{}, conn)
}

// memberOf returns the connection of a request, nil in tests without one.
func memberOf(ctx context.Context) *member {
	m, _ := ctx.Value(memberKey{}).(*member)
	return m
}
