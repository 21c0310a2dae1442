package config

import (
	"fmt"
	"strings"
	"testing"
)

// One error is all that there is about options in the wrong stanza: those that
// would follow from it are left out.
func TestMixedStanzas(t *testing.T) {
	const move = "; put status, control, state into a stanza of their own, without NAME"
	for block, want := range map[string]string{
		"rrhealth www.example.org {\nstate /x\n}":                                `1 - rrhealth: a NAME although state at Corefile:2 makes this the process stanza, which is about no name (got "www.example.org"); remove it`,
		"rrhealth a b {\nfoo\nstate /x\n}":                                       `1 - rrhealth: a NAME although state at Corefile:3 makes this the process stanza, which is about no name (got "a b"); remove it` + "\n" + `2 - unknown option "foo"; use one of status, control, state`,
		"rrhealth {\nttl 5s\nstate /x\n}":                                        "3 - state: is for the process, and ttl at Corefile:2 for a pool or a filter" + move,
		"rrhealth {\nstate /x\nbackend 192.0.2.1\ncontrol /y\ncheck tcp://:1\n}": "2 - state: is for the process, and backend at Corefile:3 for a pool or a filter" + move,
		"rrhealth www.example.org {\nstate /x\ncheck http://:1/\nwatch any\n}":   "2 - state: is for the process, and check at Corefile:3 for a pool or a filter" + move,
		"rrhealth www.example.org {\nbackend 192.0.2.1\nstatus 200\n}":           "3 - status: is for the process, and backend at Corefile:2 for a pool or a filter" + "; put the codes that a check expects into the block of the check",
		"rrhealth {\nstatus 200 204\nstatus x:1\ncheck tcp://:1\n}":              "2 - status: is for the process, and check at Corefile:4 for a pool or a filter; put the codes that a check expects into the block of the check\n3 - status: is for the process, and check at Corefile:4 for a pool or a filter" + move + "\n" + `3 - status: not an IP address (got "x")`,
		"rrhealth {\nfoo\n}":           `2 - unknown option "foo"; use one of backend, watch, check, interval, timeout, rise, fall, fall_hard, policy, max_answers, ttl, all_down, min_up, slow_start, hold_down, failback, dry_run, or in the process stanza status, control, state`,
		"rrhealth {\nstate /x\nfoo\n}": `3 - unknown option "foo"; use one of status, control, state`,
		"rrhealth {\nstate /x\nbackend 192.0.2.1\nfoo\n}\nrrhealth {\nstatus x\n}":  "2 - state: is for the process, and backend at Corefile:3 for a pool or a filter" + move + "\n" + `4 - unknown option "foo"; use one of backend` + "\n" + "7 - status: not an address",
		"rrhealth {\nstate /x\n}\nrrhealth {\nstate /x\n}\nrrhealth {\nstate /x\n}": "4 - rrhealth: a second process stanza, the first is at Corefile:1; put the options of both into one\n7 - rrhealth: a second process stanza, the first is at Corefile:1; put the options of both into one",
	} {
		_, _, err := Parse(text(block), Block{Zones: []string{"."}})
		found, _ := err.(problems)
		wants := strings.Split(want, "\n")
		if len(found) != len(wants) {
			t.Errorf("%q: %v, want %d errors", block, err, len(wants))
			continue
		}
		for i, p := range found {
			if got := fmt.Sprintf("%d - %s", p.no, p.text); !strings.HasPrefix(got, wants[i]) {
				t.Errorf("%q:\ngot  %s\nwant %s", block, got, wants[i])
			}
		}
	}
}

// Beside pools and filters, in any order, and over server blocks.
func TestThereIsOneProcessStanza(t *testing.T) {
	stanzas, first, err := Parse(text("rrhealth {\nbackend 192.0.2.1\n}\nrrhealth {\nstate /x\n}\nrrhealth {\nwatch any\n}"), exampleOrg)
	if err != nil || len(stanzas) != 2 || first == nil || first.State != "/x" {
		t.Fatalf("%d stanzas, process stanza %v, error %v, want two stanzas beside it", len(stanzas), first, err)
	}
	in := exampleOrg
	in.Process = first
	if stanzas, again, err := Parse(text("rrhealth {\nbackend 192.0.2.1\n}"), in); err != nil || len(stanzas) != 1 || again != nil {
		t.Errorf("a server block without one: %d stanzas, process stanza %v, error %v, want one stanza", len(stanzas), again, err)
	}
	for block, want := range map[string]string{
		"\n\nrrhealth {\nstate /y\n}":   "Corefile:3 - Error during parsing: rrhealth: a second process stanza, the first is at Corefile:4; put the options of both into one",
		"\n\n\nrrhealth {\nstate /x\n}": "Corefile:4 - Error during parsing: rrhealth: two server blocks import this process stanza; import it in one of them",
	} {
		if _, _, err := Parse(text(block), in); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", block, err, want)
		}
	}
}

func TestOptionsOfTheProcessAreThoseOfTheParser(t *testing.T) {
	tables := map[string][]processOption{"status": statusOptions, "control": controlOptions, "state": nil}
	for i, o := range ProcessOptions() {
		if o != processOptions[i].Option || processOptions[i].read == nil || processOptions[i].block != (len(tables[o.Name]) > 0) {
			t.Errorf("option %+v, want %+v, with a reader", o, processOptions[i].Option)
		}
		for j, inner := range BlockOptions(o.Name) {
			if table := tables[o.Name]; inner != table[j].Option || table[j].read == nil {
				t.Errorf("option %+v of %s, want %+v, with a reader", inner, o.Name, table[j].Option)
			}
		}
	}
}
