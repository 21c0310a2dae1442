package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

func TestLogAndViewSeeTheMetadata(t *testing.T) {
	out := harness.CaptureLog(t)
	closed := lease.Closed(t)
	s := harness.Start(t, fmt.Sprintf(`example.org:0 {
		bind 127.0.0.1
		view healthy {
			expr metadata('rrhealth/outcome') != 'all_down'
		}
		metadata
		log . "labels {/rrhealth/pool} {/rrhealth/policy} {/rrhealth/outcome} {/rrhealth/first}"
		rrhealth www.example.org {
			backend 127.0.63.1 127.0.63.2
			policy sequential
		}
		rrhealth down.example.org {
			backend 127.0.63.1
			check tcp://:%s
			%s
		}
	}
	example.org:0 {
		bind 127.0.0.1
		rrhealth down.example.org {
			backend 198.51.100.99
		}
	}`, closed, harness.Quick))
	s.Ask("www.example.org.", dns.TypeA)
	harness.Eventually(t, "the log has what was answered", func() bool {
		return strings.Contains(out(), "labels www.example.org. sequential served 127.0.63.1")
	})
	// When all of the first view's pool is down, the view after it answers.
	s.Settled("down.example.org.", dns.TypeA, "198.51.100.99")
}
