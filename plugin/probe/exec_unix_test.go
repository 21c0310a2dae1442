//go:build unix

package probe

import (
	"bufio"
	"strings"
	"testing"
)

func TestAVariableIsFoundInAnEnvironmentOfAnySize(t *testing.T) {
	const mark = "RRHEALTH_RUN=0123456789abcdef"
	long := "LONG=" + strings.Repeat("x", 1<<20)
	for environment, want := range map[string]bool{
		"":                                    false,
		mark:                                  true,
		mark + "\x00":                         true,
		"A=b\x00" + mark + "\x00C=d\x00":      true,
		long + "\x00" + mark + "\x00":         true,
		mark + "\x00" + long:                  true,
		long + mark + "\x00":                  false, // the end of another
		"LONG=" + long[5:4096] + mark:         false,
		"A=" + mark + "\x00":                  false,
		mark + "0\x00":                        false,
		mark[:len(mark)-1] + "\x00" + "f\x00": false,
	} {
		if got := has(bufio.NewReader(strings.NewReader(environment)), mark); got != want {
			t.Errorf("%.50q (%d bytes): %t, want %t", environment, len(environment), got, want)
		}
	}
}
