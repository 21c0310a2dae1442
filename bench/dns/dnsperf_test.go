package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const perfOutput = `DNS Performance Testing Tool
Version 2.10.0

[Status] Command line: dnsperf -s 127.0.0.1 -p 5399
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         27902
  Queries completed:    27900 (99.99%)
  Queries lost:         2 (0.01%)

  Response codes:       NOERROR 27800 (99.64%), SERVFAIL 60 (0.22%), NXDOMAIN 40 (0.14%)
  Average packet size:  request 44, response 114
  Run time (s):         0.400900
  Queries per second:   69598.403592

  Average Latency (s):  0.001151 (min 0.000019, max 0.012121)
  Latency StdDev (s):   0.000930
`

func TestTheOutputOfDnsperfIsRead(t *testing.T) {
	got, err := parsePerf(strings.NewReader(perfOutput))
	if err != nil {
		t.Fatal(err)
	}
	if got.sent != 27902 || got.completed != 27900 || got.lost != 2 || got.failed != 100 || got.rate != 69598.403592 {
		t.Errorf("got %+v", got)
	}
}

func TestLatenciesAreRead(t *testing.T) {
	got, err := parsePerf(strings.NewReader("> NOERROR www.example.org A 0.000123\n> T www.example.org A\n> NOERROR www.example.org A 1.5\n" + perfOutput))
	if err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{123 * time.Microsecond, 1500 * time.Millisecond}; !slices.Equal(got.latencies, want) {
		t.Errorf("got %v, want %v", got.latencies, want)
	}
}

// A server that answers nothing has an outcome; truncated output is an error.
func TestAnOutputWithoutAnswersIsReadAndAPartialOneRefused(t *testing.T) {
	silent := "Queries sent: 8\nQueries completed: 0 (0.00%)\nQueries lost: 8 (100.00%)\nQueries per second: 0.000000\n"
	if got, err := parsePerf(strings.NewReader(silent)); err != nil || got.lost != 8 {
		t.Errorf("got %+v, %v, want 8 lost", got, err)
	}
	for _, text := range []string{
		"",
		perfOutput[:strings.Index(perfOutput, "Queries per second")],
		strings.Replace(perfOutput, "27902", "many", 1),
	} {
		if got, err := parsePerf(strings.NewReader(text)); err == nil {
			t.Errorf("got %+v from %q, want an error", got, text)
		}
	}
}

func TestALoadAsArgumentsOfDnsperf(t *testing.T) {
	got := strings.Join(load{port: 53, queries: "q", length: 400 * time.Millisecond}.args(), " ")
	if want := "-s 127.0.0.1 -p 53 -d q -e -c 8 -T 1 -t 1 -l 0.4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = strings.Join(load{port: 53, queries: "q", length: time.Second, rate: 1000, verbose: true}.args(), " ")
	if want := "-l 1 -Q 1000 -q 250 -v"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end in %q", got, want)
	}
}
