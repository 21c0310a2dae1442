package probe

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestWhatServersRepeatOfASecretIsNotShown has each option hold a secret, and a
// server or a program repeat it.
func TestWhatServersRepeatOfASecretIsNotShown(t *testing.T) {
	repeat := func(text string) func(*testing.T) string {
		return handled(func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); fmt.Fprint(c, text) })
	}
	http := func(head string) func(*testing.T) string { return replies("HTTP/1.1 200 OK\r\n" + head + "\r\n\r\n") }
	a := newAuthority(t)
	token := []string{"header Authorization Bearer s3cr3tvalue"}
	for _, tc := range []struct {
		name    string
		check   string
		options []string
		serve   func(*testing.T) string
	}{
		{"a word", "tcp://:PORT", []string{`send AUTH\x20s3cr3tvalue\r\n`, "expect ^OK"}, repeat("no s3cr3tvalue here")},
		{"behind a colon", "tcp://:PORT", []string{`send LOGIN\x20bob:s3cr3tvalue`, "expect ^OK"}, repeat("no s3cr3tvalue here")},
		{"behind an equals sign", "tcp://:PORT", []string{`send AUTH\x20pass=s3cr3tvalue`, "expect ^OK"}, repeat("no s3cr3tvalue here")},
		{"in JSON", "tcp://:PORT", []string{`send {"token":"s3cr3tvalue"}`, "expect ^OK"}, repeat(`ERR password s3cr3tvalue is wrong`)},
		{"SASL PLAIN", "tcp://:PORT", []string{`send \0bob\0s3cr3tvalue`, "expect ^OK"}, repeat("no s3cr3tvalue here")},
		{"SASL PLAIN in base64", "tcp://:PORT", []string{"send AUTH\u00a0PLAIN\u00a0" + base64.StdEncoding.EncodeToString([]byte("\x00bob\x00s3cr3tvalue")), "expect ^OK"}, repeat("no s3cr3tvalue here")},
		{"in capitals", "tcp://:PORT", []string{`send AUTH\x20s3cr3tvalue`, "expect ^OK"}, repeat("NO S3CR3TVALUE HERE")},
		{"with a hyphen amid it", "tcp://:PORT", []string{`send AUTH\x20s3cr3tvalue`, "expect ^OK"}, repeat("no s3c-r3t-val-ue")},
		{"escaped", "tcp://:PORT", []string{`send AUTH\x20s3c"r3t"val"ue`, "expect ^OK"}, repeat(`no s3c\"r3t\"val\"ue`)},
		{"its end alone", "tcp://:PORT", []string{`send AUTH\x20s3cr3tvalue`, "expect ^OK"}, repeat("no ...value")},
		{"of three letters", "tcp://:PORT", []string{`send abc`, "expect ^OK"}, repeat("no <ABC>")},
		{"over UDP", "udp://:PORT", []string{`send login=s3cr3tvalue`, "expect ^OK"}, answersUDP(always("s3cr3tvalue?"))},
		{"header in a length", "http://:PORT", token, http("Content-Length: s3cr3tvalue")},
		{"header in two lengths", "http://:PORT", token, http("Content-Length: 1\r\nContent-Length: s3cr3tvalue")},
		{"header in an encoding", "http://:PORT", token, http("Transfer-Encoding: s3cr3tvalue")},
		{"header in a header that is none", "http://:PORT", token, http("s3cr3tvalue")},
		{"header in a status", "http://:PORT", token, replies("HTTP/1.1 s3cr3tvalue\r\n\r\n")},
		{"header in a chunk", "http://:PORT", append(token, "body x"), http("Transfer-Encoding: chunked\r\n\r\ns3cr3tvalue")},
		{"header in a trailer", "http://:PORT", append(token, "body x"), http("Transfer-Encoding: chunked\r\n\r\n0\r\ns3cr3tvalue\r\n")},
		{"header in the names of a certificate", "https://www.example.org:PORT", append(token, "ca "+a.file), shakes(a.issue(leaf{names: []string{"s3cr3tvalue.example.org"}}))},
		{"header in the name of an authority", "https://www.example.org:PORT", append(token, "ca "+a.file), shakes(a.authorize("s3cr3tvalue").issue(leaf{}))},
		{"basic authorization, decoded", "http://:PORT", []string{"header Authorization Basic Ym9iOnMzY3IzdHZhbHVl"}, http("Content-Length: s3cr3tvalue")},
		{"query", "http://:PORT/?token=s3cr3tvalue", nil, http("Content-Length: s3cr3tvalue")},
		{"query, decoded", "http://:PORT/?token=%733cr3tvalue", nil, http("Content-Length: s3cr3tvalue")},
		{"env", "exec sh " + script(t, "echo wrong: $P; exit 1"), []string{"env P s3cr3tvalue"}, nil},
		{"env with spaces around it", "exec sh " + script(t, `echo wrong: "$P"; exit 1`), []string{"env P  s3cr3tvalue "}, nil},
		{"env on stdout, in capitals", "exec sh " + script(t, `echo wrong: "$P" | tr a-z A-Z; exit 1`), []string{"env P s3cr3tvalue"}, nil},
		{"env of several lines", "exec sh " + script(t, `echo "$P" >&2; exit 1`), []string{"env P s3cr3t\nvalue"}, nil},
		{"env in a URL", "exec sh " + script(t, `echo wrong: s3cr3tvalue >&2; exit 1`), []string{"env P https://u:s3cr3tvalue@h/"}, nil},
		{"argument", "exec sh " + script(t, `echo unknown: $1; exit 1`) + " --token=s3cr3tvalue", nil, nil},
		{"argument of a program that is killed", "exec sh " + script(t, `echo unknown: $1; kill -9 $$`) + " --token=s3cr3tvalue", nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			port := ""
			if tc.serve != nil {
				port = tc.serve(t)
			}
			err := ask(t, check(t, port, tc.check, tc.options...), enough)
			if err == nil {
				t.Fatal("passes, want a failure")
			}
			if gram := shared(err.Error(), "s3cr3tvalue"); gram != "" {
				t.Errorf("%v\nshows %q", err, gram)
			}
			if tc.name == "of three letters" && strings.Contains(strings.ToLower(err.Error()), "abc") {
				t.Errorf("%v\nshows the secret", err)
			}
		})
	}
}

// shared returns a fragment of secret that text has in it, in any case, or "".
func shared(text, secret string) string {
	text = string(folded(text))
	all := folded(secret)
	for i := 0; i+fragment <= len(all); i++ {
		if strings.Contains(text, string(all[i:i+fragment])) {
			return string(all[i : i+fragment])
		}
	}
	return ""
}

func folded(text string) []rune {
	runes := []rune(text)
	for i, r := range runes {
		runes[i] = fold(r)
	}
	return runes
}

func TestWhatIsNoSecretIsShown(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []string
		text   string
		want   string
	}{
		{"nothing in common", []string{"PING\r\n"}, "-NOAUTH Authentication required.\r\n", `"-NOAUTH Authentication required.\r\n"`},
		{"a language", []string{"C", "s3cr3tvalue"}, "CRITICAL - cannot connect", `"CRITICAL - cannot connect"`},
		{"a number of one digit", []string{"5"}, "load 5.55", `"load 5.55"`},
		{"a line end", []string{"\r\n"}, "500 what?\r\n", `"500 what?\r\n"`},
		{"three characters within a word", []string{"abc"}, "abcess abc", `"abcess ***"`},
		{"three characters of more", []string{"secret"}, "sec ret", `"***"`}, // with any characters between
		{"the beginning alone", []string{"secret"}, "sec", `"sec"`},
		{"again and again", []string{"secret"}, "secret, SECRET; secretsecret", `"***, ***; ***"`},
	} {
		if got := (&secrets{values: tc.values}).show(repeated(tc.text, 40)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestNothingOfALibrarysErrorIsShownWhereThereIsASecret(t *testing.T) {
	for _, tc := range []struct {
		secrets *secrets
		want    string
	}{
		{nil, `tcp 127.0.0.1: asking: "proxy \"x\" said y"`},
		{&secrets{values: []string{"other"}}, "tcp 127.0.0.1: asking: failed (details omitted: they may contain a secret of the check)"},
	} {
		c := Check{Label: "x", Probe: func(context.Context, netip.Addr) error {
			return broken("tcp", loopback, "asking", fmt.Errorf("proxy %q said y", "x"))
		}}
		if err := tc.secrets.guard(c)(t.Context(), loopback); err.Error() != tc.want {
			t.Errorf("%v, want %s", err, tc.want)
		}
	}
}

func TestSecretsTooLongToSearchForHideAllText(t *testing.T) {
	s := &secrets{values: []string{strings.Repeat("x", 10<<10), strings.Repeat("y", 10<<10)}}
	c := Check{Label: "x", Probe: func(context.Context, netip.Addr) error {
		return failed("tcp", loopback, "reply %s", repeated("anything", 40))
	}}
	want := "tcp 127.0.0.1: reply (omitted: the secrets of the check are too long to search for)"
	if err := s.guard(c)(t.Context(), loopback); err.Error() != want || s.runs != nil {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestAPanicGivesNoSecretAway(t *testing.T) {
	c := Check{Label: "http://:80", Probe: func(context.Context, netip.Addr) error { panic("bad token s3cr3tvalue") }}
	err := (&secrets{values: []string{"s3cr3tvalue"}}).guard(c)(t.Context(), loopback)
	if want := `http://:80 127.0.0.1: the probe panicked: "bad token ***"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestWhatDoesNotPassThroughAFailureIsGuardedAsWell(t *testing.T) {
	c := Check{Label: "tcp://:80", Probe: func(context.Context, netip.Addr) error { return fmt.Errorf("s3cr3tvalue: %w", io.EOF) }}
	err := (&secrets{values: []string{"s3cr3tvalue"}}).guard(c)(t.Context(), loopback)
	if err == nil || shared(err.Error(), "s3cr3tvalue") != "" {
		t.Errorf("%v shows the secret", err)
	}
}

// disguises are what a server may make of a text.
var disguises = []func(string) string{
	func(s string) string { return s },
	strings.ToUpper,
	strings.ToLower,
	strconv.Quote,
	url.QueryEscape,
	func(s string) string { return strings.Join(strings.Fields(s), "\n") },
	func(s string) string { return `{"error": ` + strconv.Quote(s) + `}` },
	func(s string) string { return s[len(s)/2:] + " " + s[:len(s)/2] },
	func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s)) },
	func(s string) string { return hex.EncodeToString([]byte(s)) },
	func(s string) string { return strings.Repeat(s, 3) },
	func(s string) string { return "\x00" + s + "\xff\r\n" },
	func(s string) string { return strings.ReplaceAll(s, "*", "") + "***" },
}

// FuzzSecrets looks for fragments of secrets in what is shown of texts that
// repeat them, and for more text around them.
func FuzzSecrets(f *testing.F) {
	for i := range disguises {
		f.Add("s3cr3tvalue", "no such password: ", uint8(i))
	}
	f.Add(`\x00\x00`, "\x00\x00", uint8(0))
	f.Add("a***b***c", "a", uint8(12))
	f.Add("???? ", "\xff\xff\xff\xff", uint8(0))
	f.Add("-----BEGIN KEY-----\nMIIB\tq83v\n", "", uint8(1))
	f.Add("İKſß", "", uint8(2))
	f.Add("password=%70%61ss&x=a+b", "", uint8(4))
	f.Add("Basic Ym9iOnMzY3IzdHZhbHVl", "bob:s3cr3tvalue", uint8(0))
	f.Add("....", "", uint8(0))
	f.Fuzz(func(t *testing.T, secret, text string, disguise uint8) {
		s := &secrets{values: []string{secret}}
		said := text + disguises[int(disguise)%len(disguises)](secret) + text
		for _, shown := range []string{
			strings.Trim(s.show(repeated(said, 200)), `"`), strings.Trim(s.show(repeated(said, 40)), `"`),
			s.show(value(said)), strings.Trim(s.show(foreign{text: said, most: 10}), `"`),
		} {
			if !utf8.ValidString(shown) {
				t.Errorf("%q is shown, want UTF-8", shown)
			}
			if gram := shared(shown, secret); gram != "" {
				t.Errorf("of %q %q is shown, which has %q of the secret %q", said, shown, gram, secret)
			}
		}
	})
}

// FuzzRepeatedSecrets does the same with whole checks. Secrets have none of the
// characters that our own words have beside foreign text, so that what is found
// is foreign.
func FuzzRepeatedSecrets(f *testing.F) {
	for i := range 7 * len(disguises) {
		f.Add([]byte("s3cr3tvalue"), uint8(i), uint8(i/7))
	}
	f.Fuzz(func(t *testing.T, bytes []byte, way, disguise uint8) {
		const letters = "0123456789xyzXYZ|~^_+@=$" // no word of ours is made of these
		secret := make([]byte, 0, len(bytes))
		for _, b := range bytes[:min(len(bytes), 100)] {
			secret = append(secret, letters[int(b)%len(letters)])
		}
		if len(secret) < fragment {
			t.Skip()
		}
		said := disguises[int(disguise)%len(disguises)](string(secret))
		sent := inJSON(secret)
		c, port := repeats(t, int(way), string(secret), sent, said)
		err := ask(t, c, enough)
		if err == nil {
			t.Skip()
		}
		reason := strings.ReplaceAll(err.Error(), ":"+port+":", "")
		if gram := shared(strings.ReplaceAll(reason, "127.0.0.1", ""), string(secret)); gram != "" {
			t.Errorf("%v\nshows %q of %q", err, gram, secret)
		}
	})
}

// inJSON is secret within JSON, in the escapes of send.
func inJSON(secret []byte) string {
	var b strings.Builder
	b.WriteString(`{"token":"`)
	for _, c := range secret {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	b.WriteString(`"}`)
	return b.String()
}

// repeats returns a check that holds secret, and starts what repeats it.
func repeats(t *testing.T, way int, secret, sent, said string) (Check, string) {
	t.Helper()
	dumb := func(format string) string {
		return serve(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				fmt.Fprintf(c, format, said)
			}
		})
	}
	header := Option{Name: "header", Args: []string{"X-Token", secret}}
	port, s := "", Spec{}
	switch way % 7 {
	case 0:
		port = serve(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); fmt.Fprint(c, said) })
		s = Spec{Args: []string{"tcp://:" + port}, Options: []Option{{Name: "send", Args: []string{sent}}, {Name: "expect", Args: []string{"^never$"}}}}
	case 1:
		port = dumb("HTTP/1.1 %s\r\n\r\n")
		s = Spec{Args: []string{"http://:" + port}, Options: []Option{header}}
	case 2:
		port = dumb("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n")
		s = Spec{Args: []string{"http://:" + port}, Options: []Option{header}}
	case 3:
		port = dumb("HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n")
		s = Spec{Args: []string{"http://:" + port}, Options: []Option{header}}
	case 4:
		port = dumb("HTTP/1.1 200 OK\r\n%s\r\n\r\n")
		s = Spec{Args: []string{"http://:" + port + "/?q=" + url.QueryEscape(secret)}}
	case 5:
		port = dumb("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n\r\n")
		s = Spec{Args: []string{"http://:" + port}, Options: []Option{header, {Name: "body", Args: []string{"^never$"}}}}
	case 6:
		said = strings.ReplaceAll(said, "\x00", "")
		s = Spec{Args: []string{"exec", "sh", "-c", `printf "%s" "$TEXT" >&2; exit 1`},
			Options: []Option{{Name: "env", Args: []string{"TEXT", said}}, {Name: "env", Args: []string{"SECRET", secret}}}}
	}
	c, err := Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s.Args, err)
	}
	return c, port
}
