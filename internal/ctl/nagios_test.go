package ctl

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// nagiosLine is the form of a monitoring plugin's output.
var nagiosLine = regexp.MustCompile(`^RRHEALTH (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]*( \|( [a-z_]+=\d+(;;\d+)?)+)?\n$`)

func TestNagios(t *testing.T) {
	filter := func(state string) api.Pool { return api.Pool{Name: "example.org.", Filter: true, State: state} }
	pool := func(state string) api.Pool {
		return api.Pool{Name: "a|b.example.org.", State: state, Counts: api.Counts{All: 3, Up: 1}}
	}
	for _, tc := range []struct {
		pools []api.Pool // the worst first
		code  int
		want  string
	}{
		{nil, 0, "RRHEALTH OK - 0 pools"},
		{[]api.Pool{pool("ok")}, 0, "RRHEALTH OK - 1 pool, 4 backends up |"},
		{[]api.Pool{pool("degraded"), pool("ok")}, 1, "RRHEALTH WARNING - a/b.example.org. is degraded, 1 of 3 backends up"},
		{[]api.Pool{pool("short"), pool("degraded")}, 2, "RRHEALTH CRITICAL - a/b.example.org. is short"},
		{[]api.Pool{pool("all_down"), pool("ok")}, 2, "RRHEALTH CRITICAL - a/b.example.org. is all_down"},
		{[]api.Pool{filter("all_down"), pool("ok")}, 0, "RRHEALTH OK"},
		{[]api.Pool{filter("all_down"), filter("degraded"), pool("degraded")}, 1, "RRHEALTH WARNING"},
		{[]api.Pool{pool("new")}, 3, "RRHEALTH UNKNOWN - a/b.example.org.: a state that this rrhealthctl does not know: new"},
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site()
			f.pools, f.status.Pools = tc.pools, 0
			for _, p := range tc.pools {
				if !p.Filter {
					f.status.Pools++
				}
			}
			for i := range f.pools {
				f.pools[i].Names = []string{f.pools[i].Name}
			}
			r := against(t, f.start(t), "status", "--nagios")
			if r.code != tc.code || !strings.HasPrefix(r.out, tc.want) || !nagiosLine.MatchString(r.out) || r.err != "" {
				t.Errorf("code %d, %q, stderr %q, want %d, %q", r.code, r.out, r.err, tc.code, tc.want)
			}
		})
	}
}

func TestNagiosWithoutAServer(t *testing.T) {
	r := newRunner(nil)
	r.Dial = func(context.Context, string) (net.Conn, error) { return nil, errors.New("a | b") }
	got := r.run(t.Context(), "status", "--nagios")
	if got.code != 3 || !strings.HasPrefix(got.out, "RRHEALTH UNKNOWN - ") || !nagiosLine.MatchString(got.out) || got.err != "" {
		t.Errorf("%+v", got)
	}
}

// An answer comes before the monitoring system ends the plugin.
func TestNagiosOfAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site()
		f.slow = time.Minute
		r := against(t, f.start(t), "status", "--nagios")
		if want := "RRHEALTH UNKNOWN - " + DefaultControl + ": no answer within 8s\n"; r.code != 3 || r.out != want || time.Since(noon) != nagiosTimeout {
			t.Errorf("%+v after %v, want %s", r, time.Since(noon), want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}
