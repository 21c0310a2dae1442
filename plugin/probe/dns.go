package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// parseDNS reads dns://[HOST][:PORT]/NAME with the options type, rcode and
// answer. HOST is accepted as for other kinds, and not used.
func parseDNS(s Spec) (Check, error) {
	l, err := parseURL(s, 53, true)
	l.host = ""
	d := &dnsCheck{port: l.port, qtype: dns.TypeA, rcodes: []int{dns.RcodeSuccess}}
	if err == nil {
		d.name, err = questionOf(l)
	}
	if err = errors.Join(err, s.each(d.option)); err != nil {
		return Check{}, err
	}
	if d.answer != nil && !slices.Contains(d.rcodes, dns.RcodeSuccess) {
		return Check{}, fmt.Errorf("check %q: answer without rcode NOERROR, but no other reply has answers; add NOERROR to rcode, or remove answer", l.text)
	}
	return Check{
		Label: l.text,
		ID:    id(l.kind, l.authority(), d.name, optionsID(s.Options)),
		Probe: d.probe,
	}, nil
}

// questionOf returns the name in the path of l.
func questionOf(l checkURL) (string, error) {
	name := dns.Fqdn(strings.TrimPrefix(l.url.Path, "/"))
	if _, ok := dns.IsDomainName(name); !ok || len(l.url.Path) < 2 || l.url.RawQuery != "" || !printable(name) {
		return "", fmt.Errorf("check %q: no name to ask for; write dns://[:PORT]/NAME", l.text)
	}
	return name, nil
}

// A dnsCheck is a question and the conditions on its reply.
type dnsCheck struct {
	port   uint16
	name   string
	qtype  uint16
	rcodes []int
	answer *regexp.Regexp
}

// option reads the options type, rcode and answer. It reports whether o is one.
func (d *dnsCheck) option(o Option) (bool, error) {
	switch o.Name {
	case "type":
		return true, d.setType(o)
	case "rcode":
		return true, d.setRcodes(o)
	case "answer":
		var err error
		d.answer, err = o.regexp()
		return true, err
	}
	return false, nil
}

func (d *dnsCheck) setType(o Option) error {
	text, err := o.one("a record type such as A or SOA")
	if err != nil {
		return err
	}
	var ok bool
	d.qtype, ok = dns.StringToType[strings.ToUpper(text)]
	switch {
	case !ok:
		return o.errorf("unknown record type (got %q); write one such as A or SOA", text)
	case slices.Contains(notAsked, d.qtype):
		return o.errorf("no query can ask for this type (got %q); write one such as A or SOA", text)
	}
	return nil
}

func (d *dnsCheck) setRcodes(o Option) error {
	if len(o.Args) == 0 {
		return o.errorf("no code given; write codes such as NOERROR or NXDOMAIN")
	}
	d.rcodes = nil
	for _, text := range o.Args {
		code, ok := dns.StringToRcode[strings.ToUpper(text)]
		if !ok || code > 15 {
			return o.errorf("unknown code (got %q); write codes such as NOERROR or NXDOMAIN", text)
		}
		if slices.Contains(d.rcodes, code) {
			return o.errorf("given twice (got %q); write each code once", text)
		}
		d.rcodes = append(d.rcodes, code)
	}
	return nil
}

// notAsked are the types that a query cannot ask for, or whose answer is more
// than one message.
var notAsked = []uint16{dns.TypeNone, dns.TypeReserved, dns.TypeAXFR, dns.TypeIXFR, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY}

// probe asks over UDP, and again over TCP if the reply is truncated. It passes if
// the rcode is one of d.rcodes and, with answer, the data of a record of the
// answer matches.
func (d *dnsCheck) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, d.port)
	r, err := d.askUDP(ctx, target)
	if err == nil && r.Truncated {
		if r, err = d.askTCP(ctx, target); err != nil {
			return truncated(err)
		}
	}
	switch {
	case err != nil:
		return err
	case !slices.Contains(d.rcodes, r.Rcode):
		return failed("dns", target, "%s for %s %s, want %s", rcodeName(r.Rcode), d.name, dns.TypeToString[d.qtype], d.wanted())
	case d.answer != nil && !slices.ContainsFunc(r.Answer, d.matches):
		return failed("dns", target, "%d records for %s %s, but none matches %q", len(r.Answer), d.name, dns.TypeToString[d.qtype], d.answer)
	}
	return nil
}

// truncated adds to the reason that the failure was over TCP.
func truncated(err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		f.reason.format = "truncated over UDP, and over TCP: " + f.reason.format
	}
	return err
}

// matches reports whether the data of rr, as in a zone file, match.
func (d *dnsCheck) matches(rr dns.RR) bool {
	return d.answer.MatchString(strings.TrimPrefix(rr.String(), rr.Header().String()))
}

// askUDP asks over a connected socket. It ignores datagrams with another ID, such
// as a late reply to a process that had the port before, and waits for the reply.
func (d *dnsCheck) askUDP(ctx context.Context, target netip.AddrPort) (*dns.Msg, error) {
	conn, done, err := dialUDP(ctx, "dns", target)
	if err != nil {
		return nil, err
	}
	defer done()
	c, q := d.query(conn)
	if err := c.WriteMsg(q); err != nil {
		return nil, broken("dns", target, "sending the query", err)
	}
	for strays := 0; ; strays++ {
		buf, err := c.ReadMsgHeader(nil)
		switch {
		case err != nil && !errors.Is(err, dns.ErrShortRead) && strays > 0 && isTimeout(err):
			return nil, &failure{kind: "dns", target: target, cause: err,
				reason: reasonf("timed out while waiting for the reply; datagrams with another ID: %d", strays)}
		case err != nil && !errors.Is(err, dns.ErrShortRead):
			return nil, broken("dns", target, "waiting for the reply", err)
		case err == nil && binary.BigEndian.Uint16(buf) == q.Id:
			return d.read(target, buf)
		}
	}
}

func (d *dnsCheck) askTCP(ctx context.Context, target netip.AddrPort) (*dns.Msg, error) {
	conn, done, err := dial(ctx, "dns", target)
	if err != nil {
		return nil, err
	}
	defer done()
	c, q := d.query(conn)
	if err := c.WriteMsg(q); err != nil {
		return nil, broken("dns", target, "sending the query", err)
	}
	buf, err := c.ReadMsgHeader(nil)
	switch {
	case err != nil && !errors.Is(err, dns.ErrShortRead):
		return nil, broken("dns", target, "waiting for the reply", err)
	case err != nil || binary.BigEndian.Uint16(buf) != q.Id:
		return nil, notReply(target)
	}
	return d.read(target, buf)
}

// query returns the question. It asks for recursion, so that resolvers can be
// checked; other servers ignore the flag. It has no EDNS: a server that fails on
// EDNS may still serve its clients.
func (d *dnsCheck) query(conn net.Conn) (dns.Conn, *dns.Msg) {
	return dns.Conn{Conn: conn, UDPSize: maxDatagram}, new(dns.Msg).SetQuestion(d.name, d.qtype)
}

// read unpacks the reply and verifies that it is for the question.
func (d *dnsCheck) read(target netip.AddrPort, buf []byte) (*dns.Msg, error) {
	r := new(dns.Msg)
	if r.Unpack(buf) != nil || !r.Response || r.Opcode != dns.OpcodeQuery {
		return nil, notReply(target)
	}
	if len(r.Question) > 0 && (!strings.EqualFold(r.Question[0].Name, d.name) || r.Question[0].Qtype != d.qtype) {
		return nil, failed("dns", target, "the reply is for another question: %s", repeated(r.Question[0].Name, 255))
	}
	return r, nil
}

func notReply(target netip.AddrPort) error {
	return failed("dns", target, "the reply is not a DNS reply to the query")
}

// wanted returns the rcodes that pass, for failures.
func (d *dnsCheck) wanted() string {
	names := make([]string, 0, len(d.rcodes))
	for _, code := range d.rcodes {
		names = append(names, rcodeName(code))
	}
	return strings.Join(names, " or ")
}

func rcodeName(code int) string {
	if name, ok := dns.RcodeToString[code]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", code)
}
