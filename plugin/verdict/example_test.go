package verdict_test

import (
	"fmt"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// With rise 2 and fall 3, a failure between passes changes nothing, three
// failures in a row take a target down, and two passes bring it up again.
func ExampleAfter() {
	rule := verdict.Rule{Rise: 2, Fall: 3}
	const pass, fail = verdict.Pass, verdict.Fail
	var v verdict.Verdict
	for _, result := range []verdict.Result{pass, fail, pass, fail, fail, fail, pass, pass} {
		v = verdict.After(v, result, rule)
		fmt.Println(v.State, v.Streak)
	}
	// Output:
	// up 0
	// up 1
	// up 0
	// up 1
	// up 2
	// down 0
	// down 1
	// up 0
}

// With FallHard, hard failures (refused, reset, a wrong answer) take a target
// down sooner than timeouts.
func ExampleAfter_hard() {
	rule := verdict.Rule{Rise: 2, Fall: 5, FallHard: 2}
	v := verdict.Verdict{State: verdict.Up}
	for _, result := range []verdict.Result{verdict.Hard, verdict.Fail, verdict.Hard} {
		v = verdict.After(v, result, rule)
		fmt.Println(v.State, v.Streak)
	}
	// Output:
	// up 1
	// up 2
	// down 0
}

// A stale verdict is unknown, and keeps what it was: one failure is enough for
// a target that was down before.
func ExampleVerdict_Stale() {
	v := verdict.Verdict{State: verdict.Down}.Stale()
	fmt.Println(v.State, v.Past)
	v = verdict.After(v, verdict.Fail, verdict.Rule{Rise: 2, Fall: 3})
	fmt.Println(v.State)
	// Output:
	// unknown down
	// down
}

// A backend with several checks is up if all of its targets are.
func ExampleAll() {
	fmt.Println(verdict.All(verdict.Up, verdict.Unknown))
	fmt.Println(verdict.All(verdict.Up, verdict.Unknown, verdict.Down))
	fmt.Println(verdict.All())
	// Output:
	// unknown
	// down
	// up
}
