package discover

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// A below answers the questions of an Inspection.
type below struct {
	recorder
	answer  func(name string) (m *dns.Msg, ok bool)
	asked   []string
	foreign []string
}

func (b *below) ask(_ context.Context, r *dns.Msg) (*dns.Msg, bool) {
	if r.Question[0].Qtype != dns.TypeSOA || !r.IsEdns0().Do() || !OwnQuestion(r) {
		panic("want a marked question for an SOA with signatures")
	}
	b.mu.Lock()
	b.asked = append(b.asked, r.Question[0].Name)
	b.mu.Unlock()
	return b.answer(r.Question[0].Name)
}

// inspect starts an Inspection of stanzas: their names, separated by spaces. Keys
// with the tag 1 are ours.
func (b *below) inspect(stanzas ...string) *Inspection {
	pools := make([]iter.Seq[string], len(stanzas))
	for i, names := range stanzas {
		pools[i] = slices.Values(strings.Fields(names))
	}
	return Inspect(InspectConfig{
		Pools: pools, Below: b.ask, Warn: b.warn,
		Ours: func(_ string, sig *dns.RRSIG) bool { return sig.KeyTag == 1 },
		Foreign: func(zone string, names []string) {
			b.foreign = append(b.foreign, fmt.Sprint(zone, names))
		},
	})
}

// message returns an answer with these records; those after "" are its authority
// section.
func message(lines ...string) *dns.Msg {
	m := new(dns.Msg)
	section := &m.Answer
	for _, line := range lines {
		if line == "" {
			section = &m.Ns
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		*section = append(*section, rr)
	}
	return m
}

const (
	soa       = "Example.org. 60 IN SOA ns.example.org. host.example.org. 1 2 3 4 5"
	signature = "%s 60 IN RRSIG %s 13 2 60 20300101000000 20250101000000 %d %s c2lnbmF0dXJl"
)

func signed(owner, covered string, tag int, signer string) string {
	return fmt.Sprintf(signature, owner, covered, tag, signer)
}

func TestInspections(t *testing.T) {
	for _, tc := range []struct {
		name  string
		m     *dns.Msg
		ok    bool
		want  []string // foreign zones with their names
		asked int
	}{
		{"signed by another", message("", soa, signed("example.org.", "SOA", 2, "Example.ORG.")), true, []string{"example.org.[www.example.org. *.w.example.org.]"}, 1},
		{"signed by us", message("", soa, signed("example.org.", "SOA", 1, "example.org.")), true, nil, 1},
		{"not signed", message("", soa), true, nil, 1},
		{"at an apex", message(soa, signed("example.org.", "SOA", 2, "example.org.")), true, []string{"example.org.[www.example.org. *.w.example.org.]"}, 1},
		{"an alias", message("www.example.org. 60 IN CNAME a.example.net.", signed("www.example.org.", "CNAME", 2, "example.org.")), true, []string{"example.org.[www.example.org. *.w.example.org.]"}, 1},
		{"a denial of a type", message("", soa, signed("www.example.org.", "NSEC", 2, "example.org.")), true, nil, 1},
		{"a zone above", message("", "org. 60 IN SOA ns.org. host.org. 1 2 3 4 5", signed("org.", "SOA", 2, "org.")), true, []string{"org.[www.example.org. *.w.example.org.]"}, 1},
		{"a zone that does not have the name", message("", "example.net. 60 IN SOA ns.example.net. host.example.net. 1 2 3 4 5", signed("example.net.", "SOA", 2, "example.net.")), true, nil, 2},
		{"a referral", message("", "www.example.org. 60 IN NS ns.example.net.", signed("www.example.org.", "DS", 2, "example.org.")), true, nil, 2},
		{"no plugin below", nil, true, nil, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &below{answer: func(string) (*dns.Msg, bool) { return tc.m, tc.ok }}
				i := b.inspect("www.example.org. *.w.example.org.")
				synctest.Wait()
				select {
				case <-i.Done():
				default:
					t.Error("the inspection is not over, want one look")
				}
				if !slices.Equal(b.foreign, tc.want) {
					t.Errorf("foreign zones %q, want %q", b.foreign, tc.want)
				}
				if len(b.asked) != tc.asked {
					t.Errorf("asked %q, want %d questions", b.asked, tc.asked)
				}
				i.Stop()
			})
		})
	}
}

// Each stanza is reported for itself, and each zone once, however often it is
// looked at.
func TestForeignZonesAreReportedOnceForEachStanza(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &below{answer: func(name string) (*dns.Msg, bool) {
			if strings.HasSuffix(name, "example.net.") {
				return nil, false // so that all is asked again
			}
			return message("", soa, signed("example.org.", "SOA", 2, "example.org.")), true
		}}
		i := b.inspect("a.example.org. b.example.org. c.example.net.", "d.example.org.")
		time.Sleep(time.Hour)
		<-i.Done()
		if want := []string{"example.org.[a.example.org. b.example.org.]", "example.org.[d.example.org.]"}; !slices.Equal(b.foreign, want) {
			t.Errorf("foreign zones %q, want %q", b.foreign, want)
		}
		if want := 2 * mostLooks; len(b.asked) != want {
			t.Errorf("asked %d questions, want %d: two zones in each look", len(b.asked), want)
		}
	})
}

func TestMissingAnswersAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		b := &below{answer: func(string) (*dns.Msg, bool) {
			at = append(at, time.Since(begun)/time.Second)
			return nil, false
		}}
		i := b.inspect("www.example.org.")
		<-i.Done()
		time.Sleep(time.Hour)
		if want := []time.Duration{0, 1, 3, 7, 15, 31}; !slices.Equal(at, want) {
			t.Errorf("asked after %d seconds, want %d", at, want)
		}
	})
}

// The plugins below may forward: a hundred questions must be enough.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &below{answer: func(string) (*dns.Msg, bool) { return nil, true }}
		var names strings.Builder
		for n := range 3 * mostQuestions {
			fmt.Fprintf(&names, " www.z%d.example.org.", n)
		}
		i := b.inspect(names.String(), "www.other.example.org.")
		synctest.Wait()
		<-i.Done()
		if len(b.asked) != mostQuestions {
			t.Errorf("asked %d questions, want %d", len(b.asked), mostQuestions)
		}
	})
}

// Many names of one zone cost one question.
func TestOneQuestionForManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &below{answer: func(string) (*dns.Msg, bool) { return message("", soa), true }}
		var names strings.Builder
		for n := range 5000 {
			fmt.Fprintf(&names, " n%d.example.org.", n)
		}
		<-b.inspect(names.String()).Done()
		if len(b.asked) != 1 {
			t.Errorf("asked %d questions, want 1", len(b.asked))
		}
	})
}

func TestAPanicInAnAnswerIsNotTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &below{answer: func(string) (*dns.Msg, bool) { panic("an error of the plugin's\n") }}
		i := b.inspect("www.example.org.")
		synctest.Wait()
		if got, want := b.log(), `asking for the zone of www.example.org.: the plugin below panicked: "an error of the plugin's\n"`; got != want {
			t.Errorf("logged %q, want %q", got, want)
		}
		i.Stop()
	})
}

// A silent upstream keeps Stop for a second, and several together no longer.
func TestStopDoesNotWaitForASilentUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &below{answer: func(string) (*dns.Msg, bool) {
			time.Sleep(answerWithin) // it does not look at the context
			return message("", soa, signed("example.org.", "SOA", 2, "example.org.")), true
		}}
		i := b.inspect("www.example.org. www.example.net.")
		synctest.Wait()
		begun := time.Now()
		i.Cancel()
		i.Stop()
		if took := time.Since(begun); took != cancelWithin {
			t.Errorf("stopped after %v, want %v", took, cancelWithin)
		}
		<-i.Done()
		if len(b.asked) != 1 || len(b.foreign) > 0 {
			t.Errorf("asked %q and reported %q after the stop, want nothing more", b.asked, b.foreign)
		}
	})
}

func TestOwnQuestions(t *testing.T) {
	ours := question("www.example.org.")
	packed, err := ours.Pack()
	if err != nil {
		t.Fatal(err)
	}
	back, others, plain := new(dns.Msg), question("www.example.org."), new(dns.Msg)
	if err := back.Unpack(packed); err != nil {
		t.Fatal(err)
	}
	others.IsEdns0().Option = []dns.EDNS0{
		&dns.EDNS0_LOCAL{Code: markCode, Data: []byte("otherone")}, &dns.EDNS0_LOCAL{Code: markCode + 1, Data: mark[:]}, &dns.EDNS0_COOKIE{},
	}
	plain.SetQuestion("www.example.org.", dns.TypeSOA)
	for _, tc := range []struct {
		name string
		r    *dns.Msg
		want bool
	}{{"ours", ours, true}, {"ours, over the network", back, true}, {"another process's", others, false}, {"a client's", plain, false}} {
		if got := OwnQuestion(tc.r); got != tc.want {
			t.Errorf("%s: %t, want %t", tc.name, got, tc.want)
		}
	}
}

func TestParentOf(t *testing.T) {
	for name, want := range map[string]string{"www.example.org.": "example.org.", "org.": ".", ".": "."} {
		if got := parentOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
