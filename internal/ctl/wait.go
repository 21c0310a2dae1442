package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

const (
	// lookEvery is how often a wait looks whether the drain is still there.
	lookEvery = 5 * time.Second
	// lookFor is how long a wait goes on to ask a server that does not answer,
	// once the caches are quiet: it may be restarting.
	lookFor = 30 * time.Second
)

// errTimeout is the cause of the end of a wait by --timeout.
var errTimeout = errors.New("timeout")

// wait waits until the last cache has forgotten what done has drained, and checks
// that it is still drained then. A timeout of 0 is none.
func (a *app) wait(ctx context.Context, c *client, done *api.Changed, timeout time.Duration) error {
	if done.QuietAt.IsZero() || len(done.Overrides) == 0 {
		a.note("no address has left the answers: nothing to wait for")
		return nil
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	if !a.ErrTerminal {
		a.note("waiting until %s (%s) for the last cache that obeys TTLs", a.when(done.QuietAt), span(roundUp(time.Until(done.QuietAt.Time))))
	}
	err := a.untilQuiet(ctx, c, done)
	switch {
	case err == nil:
		a.note("no cache that obeys TTLs has them now")
		return nil
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTimeout):
		return exitError{ExitTimeout, fmt.Errorf("--timeout: caches may have the addresses until %s (waited %v); the drain stays", a.when(done.QuietAt), timeout)}
	}
	return fmt.Errorf("interrupted: caches may have the addresses until %s; the drain stays, and rrhealthctl auto %s removes it",
		a.when(done.QuietAt), strings.Join(addressesOf(done.Overrides), " "))
}

// untilQuiet returns when the caches are quiet and the drain is still set, or with
// an error.
func (a *app) untilQuiet(ctx context.Context, c *client, done *api.Changed) error {
	p := a.progress("").now()
	defer p.end()
	looked := time.Now() // the answer to the change is as good as a look
	for {
		left := time.Until(done.QuietAt.Time)
		if left > 0 {
			p.at("%s until the last cache that obeys TTLs has forgotten them", span(roundUp(left)))
		} else {
			p.at("waiting for the server")
		}
		if left <= 0 || time.Since(looked) >= lookEvery {
			looked = time.Now()
			err := stillSet(ctx, c, done.Overrides)
			_, silent := errors.AsType[unreachableError](err)
			restarting := silent && left > -lookFor
			if !restarting && (err != nil || left <= 0) {
				return err
			}
		}
		pause := time.Second
		if left > 0 {
			pause = min(pause, left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// stillSet returns an error if one of the overrides is not set any more.
// An operator may have replaced it by one with another end: that counts as set.
func stillSet(ctx context.Context, c *client, all []api.Override) error {
	now, err := c.Overrides(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if !slices.ContainsFunc(now.Overrides, func(is api.Override) bool {
			return is.Pool == o.Pool && is.Address == o.Address && is.Set == o.Set
		}) {
			return fmt.Errorf("%s is not drained any more: its override has ended or was removed while rrhealthctl waited", o.Address)
		}
	}
	return nil
}

// addressesOf returns the addresses of overrides, each once.
func addressesOf(all []api.Override) []string {
	var once []string
	for _, o := range all {
		if !slices.Contains(once, o.Address) {
			once = append(once, o.Address)
		}
	}
	return once
}

// roundUp returns d in whole seconds, so that the last one is 1 and not 0.
func roundUp(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }
