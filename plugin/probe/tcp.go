package probe

import (
	"context"
	"errors"
	"net/netip"
)

// parseTCP reads tcp://[HOST]:PORT with the options send and expect. HOST
// means nothing to TCP and is accepted for uniformity.
func parseTCP(s Spec) (Check, error) {
	l, err := parseURL(s, 0, false)
	l.host = ""
	var d dialogue
	if err = errors.Join(err, s.each(d.option)); err != nil {
		return Check{}, err
	}
	return Check{
		Label: l.text,
		ID:    id(l.kind, l.authority(), optionsID(s.Options)),
		Probe: tcp{port: l.port, dialogue: d}.probe,
	}, nil
}

type tcp struct {
	port     uint16
	dialogue dialogue
}

// probe passes when the handshake completes and, where a reply is expected,
// when it matches. Without an expected reply this proves that the kernel of
// the other side listens, not that the program behind it is alive.
func (t tcp) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, t.port)
	conn, done, err := dial(ctx, "tcp", target)
	if err != nil {
		return err
	}
	defer done()
	// Close with a reset where nothing was said: a fleet probed a thousand
	// times a second would otherwise fill the table of TIME_WAIT sockets.
	if len(t.dialogue.send) == 0 && t.dialogue.expect == nil {
		_ = conn.SetLinger(0)
		return nil
	}
	return t.dialogue.exchange("tcp", target, conn)
}
