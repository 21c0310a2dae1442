package probe

import (
	"context"
	"errors"
	"net/netip"
)

// parseTCP reads tcp://[HOST]:PORT with the options send and expect. HOST is
// accepted as for other kinds, and not used.
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

// probe passes if the connection is accepted and, with expect, the reply matches.
// Without expect it proves only that the other side's kernel accepts
// connections: the program may hang.
func (t tcp) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, t.port)
	conn, done, err := dial(ctx, "tcp", target)
	if err != nil {
		return err
	}
	defer done()
	// Close with a reset if nothing was sent: a thousand probes a second would
	// otherwise fill the table of TIME_WAIT sockets.
	if len(t.dialogue.send) == 0 && t.dialogue.expect == nil {
		_ = conn.SetLinger(0)
		return nil
	}
	return t.dialogue.exchange("tcp", target, conn)
}
