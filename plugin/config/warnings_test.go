package config

import (
	"slices"
	"strings"
	"testing"
)

func TestStanzasThatCannotWorkAreWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		name, block string
		want        []string
	}{
		{"weights that the policy does not use", "rrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy rotate\n}", []string{
			"the weights of www.example.org. have no effect under policy rotate",
		}},
		{"networks that overlap", "rrhealth {\nwatch 10.0.0.0/8 192.0.2.0/24 10.1.0.0/16 10.0.0.1\ncheck tcp://:1\n}", []string{
			"watch of example.org.: 10.1.0.0/16 and 10.0.0.0/8 and 1 more overlap: the smaller network has no effect",
		}},
		{"a filter that takes nothing out", "rrhealth {\nwatch 192.0.2.0/24\nmin_up 100%\n}", []string{"min_up of example.org. is the whole set: as soon as one address is down, all are answered"}},
		{"a pool that takes nothing out", "rrhealth {\nbackend 192.0.2.1 192.0.2.2 2001:db8::1\nmin_up 2\n}", []string{"min_up of example.org. is the whole set"}},
		{"min_up with another tier", "rrhealth {\nbackend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 tier 2\nmin_up 100%\n}", nil},
		{"min_up that leaves room", "rrhealth {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\nmin_up 2\n}", nil},
		{"variables that are not set", "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck http://:1/?secret {\nheader Authorization \"Bearer \"\nheader X-Set x\n}\n" +
			"check exec true {\nenv A \"\"\nenv B set\n}\n}", []string{
			"check http://:1/ of www.example.org.: the value of header Authorization is empty or ends in a space",
			"check exec true of www.example.org.: the value of env A is empty or ends in a space",
		}},
		{"a ttl for which a failed backend is answered long after it is down", "rrhealth www.example.org api.example.org {\nbackend 192.0.2.1\ncheck tcp://:1\nttl 300s\n}", []string{
			"ttl 300s of www.example.org. and 1 more is longer than twice the detection time 7s: clients may be sent to a failed backend for 300s; use ttl 14s or less, or leave ttl out",
		}},
		{"the same in a filter", "rrhealth {\nwatch 192.0.2.0/24\ncheck tcp://:1\ninterval 2s fast 500ms\nttl 60s\n}", []string{
			"ttl 60s of example.org. is longer than twice the detection time 3s",
		}},
		{"twice the detection time", "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck tcp://:1\nttl 14s\n}", nil},
		{"a long ttl that nothing can change", "rrhealth www.example.org {\nbackend 192.0.2.1\nttl 1h\n}", nil},
		{"the ttl that would be taken anyway", "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck tcp://:1\ninterval 1s fast 100ms\nttl 4s\n}", nil},
		{"weights that the policy uses", "rrhealth {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy sticky\n}", nil},
		{"checks that do not verify the certificate", "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck https://:1 {\ninsecure\n}\ncheck https://:2 {\ninsecure\n}\n}", []string{
			"check https://:1 and 1 more of www.example.org. does not verify the certificate: insecure",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := stanza(t, tc.block)
			got := s.Warnings()
			if len(got) != len(tc.want) {
				t.Errorf("warnings %q, want %d", got, len(tc.want))
			}
			for _, want := range tc.want {
				if !slices.ContainsFunc(got, func(w string) bool { return strings.HasPrefix(w, want) }) {
					t.Errorf("warnings %q, want one that begins with %q", got, want)
				}
			}
		})
	}
}
