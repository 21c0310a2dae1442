package harness

import (
	"strings"
	"testing"
)

func TestOnlyServerBlocksGetAPortOfTheirOwn(t *testing.T) {
	s := &Server{t: t, ports: make(map[string]string)}
	got := s.withPorts("example.org:0 tls://example.org:0 {\n\tprometheus 127.0.0.1:0\n\tcheck tcp://:0 {\n}\n}\n.:0 {\n}\nexample.net:53 {\n}\n")
	want := strings.NewReplacer("DNS", s.Port("dns"), "TLS", s.Port("tls")).Replace(
		"example.org:DNS tls://example.org:TLS {\n\tprometheus 127.0.0.1:0\n\tcheck tcp://:0 {\n}\n}\n.:DNS {\n}\nexample.net:53 {\n}\n")
	if got != want || len(s.ports) != 2 || s.Port("dns") == s.Port("tls") {
		t.Errorf("ports %v in\n%s\nwant\n%s", s.ports, got, want)
	}
}
