package monitor

import (
	"errors"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// classify returns what a probe that ended in err says of its target. Errors that
// know better than others whose failure they are tell so by a method Hard,
// as network errors tell by Timeout what they are.
func classify(err error) verdict.Result {
	if err == nil {
		return verdict.Pass
	}
	var known interface{ Hard() bool }
	if errors.As(err, &known) && known.Hard() {
		return verdict.Hard
	}
	return verdict.Fail
}

// timedOut reports whether err is a timeout.
func timedOut(err error) bool {
	var known interface{ Timeout() bool }
	return errors.As(err, &known) && known.Timeout()
}
