package test

import (
	"slices"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
)

func TestSnippetsAndTheEnvironmentWork(t *testing.T) {
	t.Setenv("RRHEALTH_TEST_BACKENDS", "192.0.2.1")
	s := harness.Start(t, `(web) {
    check tcp://:1 {
        interval 1h
    }
    ttl 7s
}
example.org:0 {
    bind 127.0.0.1
    rrhealth www.example.org {
        backend {$RRHEALTH_TEST_BACKENDS}
        import web
    }
}
`)
	m := s.Ask("www.example.org.", 1)
	if got := harness.Addrs(m); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Fatalf("answer %v, want the address from the environment", m)
	}
	if ttl := m.Answer[0].Header().Ttl; ttl > 7 {
		t.Errorf("TTL %d, want at most the snippet's 7", ttl)
	}
}
