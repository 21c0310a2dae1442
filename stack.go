package rrhealth

import (
	"reflect"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/miekg/dns"
)

// The server starts a goroutine for each packet. Its stack is of 2 KiB at
// first, and most queries need more than 4: the runtime makes it larger twice,
// and the second time copies a dozen frames, each of which it has to look up.
// Where prometheus, errors or cache stand in the chain, that is a tenth to a
// fifth of what a query costs the whole server. Asked for in the goroutine's
// first frames, all the room that is needed comes at once, for next to nothing.

// reserveStack has the goroutines of a server block's UDP listener start with
// room enough. The place for that is where a plugin may decorate the writer,
// which is called once for each packet, before anything else. We decorate
// nothing. CoreDNS has that place since 1.14; with an older one nothing is
// reserved.
//
// A listener has one decorator: that of the last of its server blocks which has
// any. So where another plugin decorates (shed does), in this block or in one
// before it, we leave it alone; who comes behind us has its way anyhow.
func reserveStack(c *caddy.Controller) {
	for block := *c; block.ServerBlockIndex >= 0; block.ServerBlockIndex-- {
		at := decoratorOf(dnsserver.GetConfig(&block))
		if at == nil || *at != nil && !isReserving(*at) {
			return
		}
	}
	*decoratorOf(dnsserver.GetConfig(c)) = reserving
}

// decorator is what a server calls for the decorator of its packets' writers.
type decorator = func(*dnsserver.Server) dns.DecorateWriter

// decoratorOf returns where a server block keeps its decorator, its field
// UDPDecorateWriterFunc, or nil: it is not there in CoreDNS before 1.14.
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

// stackRoom is how much reserve reserves, with what there must be beside it: the
// runtime doubles, so that stacks become 8 KiB.
const stackRoom = 4 << 10

// reserve makes the goroutine's stack large enough for stackRoom bytes. To be
// called is enough: the runtime looks at the size of the frame, whatever of it
// is used. With 0 nothing is.
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
