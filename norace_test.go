//go:build !race

package rrhealth

const raceEnabled = false
