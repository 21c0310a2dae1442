package probe

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// A checkURL is the URL of a check, parsed and valid.
type checkURL struct {
	kind string
	host string // without brackets; "" if there is none
	port uint16
	url  *url.URL
	text string // as in the Corefile, without the query
}

// parseURL reads the one URL of a check line. A defaultPort of 0 means
// that the port must be given. paths is true if the kind uses a path.
func parseURL(s Spec, defaultPort uint16, paths bool) (checkURL, error) {
	text := s.Args[0]
	if len(s.Args) > 1 {
		return checkURL{}, fmt.Errorf("check %q: unexpected word behind the URL (got %q); write options in a block { ... }", shown(text), shown(s.Args[1]))
	}
	u, err := url.Parse(text)
	if err != nil || !printable(text) || u.Opaque != "" || !strings.Contains(text, "://") {
		return checkURL{}, fmt.Errorf("check %q: not a URL; write KIND://[HOST][:PORT]%s", shown(text), pathHint(paths))
	}
	l := checkURL{kind: u.Scheme, host: u.Hostname(), port: defaultPort, url: u, text: shown(text)}
	if u.User == nil && u.Fragment == "" {
		l.text, _, _ = strings.Cut(text, "?")
	}
	switch {
	case u.User != nil:
		return l, fmt.Errorf("check %q: user in the URL; use header Authorization instead", l.text)
	case u.Fragment != "":
		return l, fmt.Errorf("check %q: #fragment in the URL, which is never sent; remove it", l.text)
	case !paths && (u.Path != "" || u.RawQuery != ""):
		return l, fmt.Errorf("check %q: path in the URL; write %s://[HOST]:PORT", l.text, l.kind)
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return l, fmt.Errorf("check %q: invalid port (got %q); write 1 to 65535", l.text, p)
		}
		l.port = uint16(n)
	}
	if l.port == 0 {
		return l, fmt.Errorf("check %q: no port; write %s://[HOST]:PORT", l.text, l.kind)
	}
	if l.host == "" {
		l.host = strings.TrimSuffix(s.Name, ".")
	}
	if l.host != "" && !validHost(l.host) {
		return l, fmt.Errorf("check %q: invalid host (got %q); write a host name or an IP address", l.text, l.host)
	}
	return l, nil
}

func pathHint(paths bool) string {
	if paths {
		return "[/PATH]"
	}
	return ""
}

// shown returns a check for errors, before it is parsed: without user, password,
// query and fragment, which may contain secrets. If a password contains ?, # or
// /, the parts are ambiguous, and shown omits more.
func shown(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if ok {
		scheme += "://"
	} else {
		scheme, rest = "", firstWords(text, 1) // "exec COMMAND ARG...", quoted as one
	}
	kept := rest
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		kept = rest[:end]
	}
	if at := strings.LastIndexByte(kept, '@'); at >= 0 {
		return scheme + "...@" + kept[at+1:]
	}
	if !strings.Contains(kept, "/") && strings.Contains(rest, "@") {
		return scheme + "..."
	}
	return scheme + kept
}

// firstWords returns the first n words of text, with "..." for the rest: a command
// and its arguments, quoted as one word, may end in a secret.
func firstWords(text string, n int) string {
	words := strings.Fields(text)
	if len(words) <= n {
		return text
	}
	return strings.Join(words[:n], " ") + " ..."
}

// authority returns HOST:PORT, or :PORT without a host.
func (l checkURL) authority() string {
	return net.JoinHostPort(l.host, strconv.Itoa(int(l.port)))
}

// validHost reports whether host may be sent to a server: an IP address, or
// letters, digits, hyphens, underscores and dots. In particular it rejects CRLF,
// which net/http turns into an empty Host.
func validHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == "" // a zone has no meaning on another machine
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return true
}
