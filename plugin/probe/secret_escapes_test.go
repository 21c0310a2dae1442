package probe

import (
	"fmt"
	"strings"
	"testing"
)

// Servers and programs differ in which characters they escape: it may be any.
func TestASecretIsFoundIfEveryCharacterIsEscaped(t *testing.T) {
	for _, secret := range []string{"hunter2!", "Tr0ub4dor&3xyz", "0123456789abcdef"} {
		s := &secrets{values: []string{secret}}
		for _, form := range []string{"%%%02x", "%%%02X", `\x%02x`, `\u%04x`, `\U%08x`, "&#%d;", "&#x%x;", "&#x%04X;", "0x%02x, ", `\%03o`, "%02x:", "%02x", "%02X "} {
			var text strings.Builder
			for i := range len(secret) {
				if form == "&#%d;" && i == 2 { // not all of them, either
					text.WriteByte(secret[i])
					continue
				}
				fmt.Fprintf(&text, form, secret[i])
			}
			got := s.show(repeated("wrong token "+text.String()+" given", 900))
			if left := strings.TrimSuffix(strings.TrimPrefix(got, `"wrong token `), ` given"`); !strings.Contains(left, redacted) || len(left) > len(redacted)+len(", 0x21, ") {
				t.Errorf("%s, each character as %q: shown as %s", secret, form, got)
			}
		}
	}
}

func TestTextWithoutASecretKeepsItsEscapes(t *testing.T) {
	s := &secrets{values: []string{"hunter2!"}}
	const text = `%41%42\x43 &#68; \105 100% 0x1f é %zz`
	if got := s.show(repeated(text, 900)); got != `"%41%42\\x43 &#68; \\105 100% 0x1f é %zz"` {
		t.Errorf("shown as %s", got)
	}
}
