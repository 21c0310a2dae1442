package rrhealth

import (
	"reflect"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/miekg/dns"
)

// The server starts a goroutine for each packet. Its stack has 2 KiB at first, and
// most queries need more than 4: the runtime makes it larger twice, and the second
// time copies a dozen frames, each of which it has to look up. With prometheus,
// errors or cache in the chain, that is a tenth to a fifth of what a query costs
// the whole server. A large frame at the start of the goroutine makes the runtime
// reserve all the room at once, while there is almost nothing to copy.

// reserveStack reserves the stacks of the goroutines of a server block's UDP
// listener. It does so in a decorator of the writer, which the server calls for
// each packet before anything else, and which decorates nothing. CoreDNS has
// decorators since 1.14; with an older one nothing is reserved.
//
// A listener has one decorator: that of the last of its server blocks which has
// one. If another plugin decorates (shed does), in this block or in one before it,
// reserveStack leaves its decorator. A plugin that comes later replaces ours.
func reserveStack(c *caddy.Controller) {
	for block := *c; block.ServerBlockIndex >= 0; block.ServerBlockIndex-- {
		at := decoratorOf(dnsserver.GetConfig(&block))
		if at == nil || *at != nil && !isReserving(*at) {
			return
		}
	}
	*decoratorOf(dnsserver.GetConfig(c)) = reserving
}

// decorator returns what decorates the writer of each packet of a server.
type decorator = func(*dnsserver.Server) dns.DecorateWriter

// decoratorOf returns a pointer to the field UDPDecorateWriterFunc of a server
// block, or nil: CoreDNS before 1.14 does not have it.
func decoratorOf(config *dnsserver.Config) *decorator {
	field := reflect.ValueOf(config).Elem().FieldByName("UDPDecorateWriterFunc")
	if !field.IsValid() {
		return nil
	}
	at, _ := reflect.TypeAssert[*decorator](field.Addr())
	return at
}

// reserving is a decorator.
func reserving(*dnsserver.Server) dns.DecorateWriter {
	return func(w dns.Writer) dns.Writer {
		reserve(0)
		return w
	}
}

// isReserving reports whether decorate is reserving, of another of our blocks.
func isReserving(decorate decorator) bool {
	return reflect.ValueOf(decorate).Pointer() == reflect.ValueOf(reserving).Pointer()
}

// stackRoom is the size of reserve's frame, in bytes. The runtime doubles stacks
// until it fits, so they become 8 KiB.
const stackRoom = 4 << 10

// reserve makes the goroutine's stack large enough for stackRoom bytes. The call
// is enough, with any n: the runtime goes by the size of the frame, not by how
// much of it is used.
//
//go:noinline
func reserve(n int) (last byte) {
	if n == 0 {
		return 0
	}
	var room [stackRoom]byte
	for i := range room[:n] {
		room[i] = byte(i) // #nosec G115 -- any will do
	}
	return room[n-1]
}
