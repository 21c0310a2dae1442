//go:build race

package rrhealth

// raceEnabled reports that the race detector makes all of this ten times as slow
// and large: tests of size take fewer of everything.
const raceEnabled = true
