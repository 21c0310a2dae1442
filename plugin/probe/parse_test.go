package probe

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// refused are checks, the line and then its options, that are no good. Why
// stands in testdata/refused.txt.
var refused = [][]string{
	{""},
	{"htpp://:80"},
	{"HTTP://:80"},
	{"://x"},
	{"http"},
	{"http:"},
	{"http:80"},
	{"http://:80 more"},
	{"http://:80 http://user:hunter2@:81/"},
	{"http://:0"},
	{"http://:65536"},
	{"http://:eighty"},
	{"http://user:hunter2@www.example.org/"},
	{"htpp://user:hunter2@www.example.org/"},
	{"http://user:hun?ter2@www.example.org/"},
	{"http://user:hun/ter2@www.example.org/"},
	{"http://user:hun#ter2@www.example.org/"},
	{"user:hunter2@www.example.org"},
	{"htpp://www.example.org/?token=hunter2"},
	{"http://www.example.org/#hunter2"},
	{"http://www.example.org/\x00"},
	{"http://www.example.org/\xff"},
	{"http://bad host/"},
	{"http://bad..host/"},
	{"http://%0d%0ahost/"},
	{"http://[fe80::1%25eth0]/"},
	{"http://" + strings.Repeat("a", 64) + "/"},
	{"http://:80", "method"},
	{"http://:80", "method get"},
	{"http://:80", "method CONNECT"},
	{"http://:80", "method G\r\nT"},
	{"http://:80", "method HEAD", "body x"},
	{"http://:80", "method GET", "method GET"},
	{"http://:80", "header X-Token"},
	{"http://:80", "header X:Token hunter2"},
	{"http://:80", "header X-Token hunter2\r\nX: y"},
	{"http://:80", "header host hunter2"},
	{"http://:80", "header Connection hunter2"},
	{"http://:80", "status"},
	{"http://:80", "status 2xx"},
	{"http://:80", "status 99"},
	{"http://:80", "status 300-200"},
	{"http://:80", "status 600"},
	{"http://:80", "status 200 200"},
	{"http://:80", "status 200-299 404,204"},
	{"http://:80", "header X-A hunter2", "header X-B hunter2", "header x-a hunter2"},
	{"http://:80", "header User-Agent hunter2", "header User-Agent hunter2"},
	{"http://:80", "body "},
	{"http://:80", "body ("},
	{"http://:80", "body a b"},
	{"http://:80", "insecure"},
	{"https://:443"},
	{"https://www.example.org", "alpn"},
	{"https://www.example.org", "alpn h3"},
	{"https://www.example.org", "alpn h2 http/1.1 h2"},
	{"https://www.example.org", "min_days 0"},
	{"https://www.example.org", "min_days many"},
	{"https://www.example.org", "insecure yes"},
	{"https://www.example.org", "ca"},
	{"https://www.example.org", "send x"},
	{"tls://www.example.org/x"},
	{"tls://www.example.org", "status 200"},
	{"tcp://"},
	{"tcp://:80/x"},
	{"tcp://:80?x"},
	{"tcp://:6379", "send"},
	{"tcp://:6379", `send \q`},
	{"tcp://:6379", `send \x4`},
	{"tcp://:6379", `send \xzz`},
	{"tcp://:6379", `send \x+1`},
	{"tcp://:6379", `send \`},
	{"tcp://:6379", "send "},
	{"tcp://:6379", "expect "},
	{"tcp://:6379", "expect ["},
	{"tcp://:6379", "method GET"},
	{"udp://:53"},
	{"udp://:53", "send x"},
	{"udp://:53", "expect x"},
	{"udp://", "send x", "expect x"},
	{"udp://:53", "body x"},
	{"dns://:53"},
	{"dns://:53/"},
	{"dns://:53/a..b"},
	{"dns://:53/x?y"},
	{"dns://:53/%ff"},
	{"dns://:53/x", "type"},
	{"dns://:53/x", "type NONSENSE"},
	{"dns://:53/x", "type AXFR"},
	{"dns://:53/x", "rcode"},
	{"dns://:53/x", "rcode FINE"},
	{"dns://:53/x", "rcode BADVERS"},
	{"dns://:53/x", "rcode NXDOMAIN noerror NOERROR"},
	{"dns://:53/x", "answer "},
	{"dns://:53/x", "rcode NXDOMAIN", "answer x"},
	{"dns://:53/x", "answer ("},
	{"dns://:53/x", "body x"},
	{"grpc://"},
	{"grpc://:50051?x"},
	{"grpc://:50051/%ff"},
	{"grpc://:50051", "insecure"},
	{"grpcs://:50051"},
	{"grpcs://www.example.org:50051", "alpn http/1.1"},
	{"grpcs://www.example.org:50051", "body x"},
	{"icmp://"},
	{"icmp now"},
	{"icmp", "send x"},
	{"exec"},
	{"exec://x"},
	{"exec no\x1bsuch"},
	{"exec true \x00"},
	{"exec true", "timeout_kill x"},
	{"exec true", "env"},
	{"exec true", "env TOKEN"},
	{"exec true", "env A=B hunter2"},
	{"exec true", "env RRHEALTH_ADDRESS hunter2"},
	{"exec true", "env A hunter2\x00"},
	{"exec true", "env A hunter2", "env A hunter2"},
}

func TestWhatCannotBeMeantIsRefusedAndSaysWhatIsAccepted(t *testing.T) {
	var got strings.Builder
	for _, lines := range refused {
		s := spec("", lines[0], lines[1:]...)
		if lines[0] == "" {
			s.Args = nil
		}
		_, err := Parse(s)
		if err == nil {
			t.Errorf("%q: accepted", lines)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: the error gives the secret away: %v", lines, err)
		}
		fmt.Fprintf(&got, "%-50s %s\n", fmt.Sprintf("%.60q", strings.Join(lines, " | ")), err)
	}
	golden(t, "refused.txt", got.String())
}

func TestTheLabelIsTheCheckWithoutItsSecrets(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"http://:80/healthz?token=hunter2", "http://:80/healthz"},
		{"http://www.example.org/users/@me?token=a@b", "http://www.example.org/users/@me"},
		{"tcp://:6379", "tcp://:6379"},
		{"dns://:53/example.org", "dns://:53/example.org"},
		{"grpc://:50051/shop.v1.Cart", "grpc://:50051/shop.v1.Cart"},
		{"exec true --password=hunter2", "exec true"},
	} {
		if got := check(t, "", tc.line).Label; got != tc.want {
			t.Errorf("%s: label %q, want %q", tc.line, got, tc.want)
		}
	}
}

func TestChecksAreTheSameWhenTheyAskTheSame(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b []string
		same bool
	}{
		{"equal", []string{"http://:80/x"}, []string{"http://:80/x"}, true},
		{"the usual port", []string{"http:///x"}, []string{"http://:80/x"}, true},
		{"options in another order", []string{"http://:80", "method GET", "status 200"}, []string{"http://:80", "status 200", "method GET"}, true},
		{"another query", []string{"http://:80/?a"}, []string{"http://:80/?b"}, false},
		{"another host", []string{"http://a:80/"}, []string{"http://b:80/"}, false},
		{"another header", []string{"http://:80", "header A b"}, []string{"http://:80", "header A c"}, false},
		{"words divided otherwise", []string{"http://:80", "header A b c"}, []string{"http://:80", "header A b", "header c"}, false},
		{"another service", []string{"grpc://:80/a"}, []string{"grpc://:80/b"}, false},
		{"another name", []string{"dns://:53/a"}, []string{"dns://:53/b"}, false},
		{"another argument", []string{"exec true a"}, []string{"exec true b"}, false},
		{"another environment", []string{"exec true", "env A b"}, []string{"exec true", "env A c"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var ids [2]string
			for i, lines := range [][]string{tc.a, tc.b} {
				c, err := Parse(spec("", lines[0], lines[1:]...))
				if err != nil {
					t.Skip(err)
				}
				ids[i] = c.ID
			}
			if (ids[0] == ids[1]) != tc.same {
				t.Errorf("%q and %q: the same: %v, want %v", ids[0], ids[1], !tc.same, tc.same)
			}
		})
	}
}

func TestAnErrorInAnOptionSaysWhichOne(t *testing.T) {
	s := spec("", "http://:80", "method GET", "status 2xx")
	s.Options[1].Pos = "Corefile:7"
	_, err := Parse(s)
	var option *OptionError
	if !errors.As(err, &option) || option.Option.Pos != "Corefile:7" {
		t.Errorf("%v, want an OptionError at Corefile:7", err)
	}
}

// FuzzParse looks for panics, for labels that would be one in the metrics, and
// for secrets that come out where the log would show them.
func FuzzParse(f *testing.F) {
	for _, lines := range refused {
		f.Add(lines[0], strings.Join(lines[1:], "\n"))
	}
	f.Add("http://:80/healthz?token=x", "header Authorization Bearer x\nstatus 200,204 301-308\nbody ^ok\nmethod POST")
	f.Add("https://www.example.org", "alpn h2\nmin_days 14\ninsecure")
	f.Add("udp://:1194", "send \\x38\\x01\nexpect ^\\x40")
	f.Add("dns://:53/example.org", "type SOA\nrcode NOERROR NXDOMAIN\nanswer ns1")
	f.Add("grpcs://a:1/b.C", "insecure")
	f.Add("exec true a b", "env K V\nenv L W")
	f.Add("icmp", "")
	f.Fuzz(func(t *testing.T, line, block string) {
		const secret = "hunter2hunter2"
		var options []string
		if block != "" {
			options = strings.Split(block, "\n")
		}
		s := spec("", line, options...)
		for i, o := range s.Options {
			if (o.Name == "header" || o.Name == "env") && len(o.Args) > 1 {
				s.Options[i].Args = append(o.Args[:1:1], secret)
			}
		}
		if strings.Contains(s.Args[0], "://") {
			s.Args[0] += "?token=" + secret
		}
		c, err := Parse(s)
		switch {
		case err != nil && (strings.Contains(err.Error(), secret) || err.Error() == ""):
			t.Errorf("%q, %q: the error is %q", line, block, err)
		case err == nil && (c.Probe == nil || c.ID == "" || !printable(c.Label) || strings.Contains(c.Label, secret)):
			t.Errorf("%q, %q: the check is %+v", line, block, c)
		}
	})
}
