package probe

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// parseTLS reads tls://[NAME][:PORT] with the TLS options and send and expect.
func parseTLS(s Spec) (Check, error) {
	l, err := parseURL(s, 443, false)
	if err == nil {
		err = l.requireHost()
	}
	t := &tlsCheck{port: l.port, tls: newTLSOptions(l)}
	err = errors.Join(err, s.each(func(o Option) (bool, error) {
		if known, err := t.tls.option(o, s.Root); known {
			return true, err
		}
		return t.dialogue.option(o)
	}))
	if err != nil {
		return Check{}, err
	}
	return Check{
		Label:    l.text,
		ID:       id(l.kind, l.authority(), t.tls.id(), optionsID(s.Options)),
		TLS:      true,
		Insecure: t.tls.config.InsecureSkipVerify,
		Probe:    t.probe,
	}, nil
}

type tlsCheck struct {
	port     uint16
	tls      tlsOptions
	dialogue dialogue
}

// probe passes if the certificate verifies for the host and is valid for
// min_days, with alpn one of its protocols is chosen, and with expect the reply
// matches.
func (t *tlsCheck) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, t.port)
	conn, done, err := dial(ctx, "tls", target)
	if err != nil {
		return err
	}
	defer done()
	config, asked := t.tls.config, &certificateRequest{conn: conn, began: time.Now()}
	if t.dialogue.expect == nil {
		config = asked.watch(config)
	}
	secure, err := handshake(ctx, "tls", target, conn, config)
	if err != nil {
		return err
	}
	if err := asked.answer(secure); err != nil {
		return broken("tls", target, "waiting for the verdict on the client certificate", err)
	}
	state := secure.ConnectionState()
	if err := t.tls.checkALPN("tls", target, state); err != nil {
		return err
	}
	if err := t.tls.checkExpiry("tls", target, state); err != nil {
		return err
	}
	return t.dialogue.exchange("tls", target, secure)
}
