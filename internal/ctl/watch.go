package ctl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// pollEvery is how often watch asks for new events.
const pollEvery = time.Second

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "watch [NAME] [ADDRESS]",
		GroupID: groupLook,
		Short:   "Print changes of backends as they happen",
		Long: `watch prints the changes of backends as they happen, one a line, until it is
interrupted: of all backends, of those of the pool or filter NAME, of ADDRESS, or
of both. With -o json each line is an object. If the server does not answer, watch
waits for it, and prints what the server has kept meanwhile.`,
		Args: cobra.MaximumNArgs(2),
		RunE: a.run(func(ctx context.Context, args []string) error {
			query, err := nameAndAddress(args)
			if err != nil {
				return err
			}
			return a.watch(ctx, query)
		}),
		ValidArgsFunction: a.complete(2, a.poolNames, a.addresses),
	}
}

// A watcher prints each event once.
type watcher struct {
	a     *app
	c     *client
	query url.Values
	since time.Time       // of the latest event that was printed
	seen  map[string]bool // events at that time
	lost  bool            // the server does not answer
}

func (a *app) watch(ctx context.Context, query url.Values) error {
	w := &watcher{a: a, c: a.client(), query: query, seen: make(map[string]bool)}
	if err := w.begin(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil // the way to end it
		case <-time.After(pollEvery):
		}
		if err := w.poll(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// begin finds out where the server's clock is: events from now on are new.
func (w *watcher) begin(ctx context.Context) error {
	s, err := w.c.Status(ctx)
	if err != nil {
		return err
	}
	w.since = s.Now.Time
	w.a.note("watching %s from %s on", s.Host, w.a.when(s.Now))
	return nil
}

// poll prints the events since the last poll.
func (w *watcher) poll(ctx context.Context) error {
	// A millisecond earlier: another event may have the same time as the last.
	w.query.Set(api.ParamSince, w.since.Add(-time.Millisecond).UTC().Format(time.RFC3339Nano))
	h, err := w.c.History(ctx, w.query)
	if _, silent := errors.AsType[unreachableError](err); silent {
		if !w.lost {
			w.a.note("%v; waiting for it", err)
		}
		w.lost = true
		return nil
	}
	if err != nil {
		return err
	}
	if w.lost {
		w.lost = false
		w.a.note("the server answers again")
	}
	for _, c := range changes(h.Histories) {
		if err := w.event(&c); err != nil {
			return err
		}
	}
	return nil
}

// event prints c, unless it has been printed.
func (w *watcher) event(c *change) error {
	key := strings.Join([]string{c.Pool, c.Server, c.View, c.Address, c.Kind, c.State, c.What, c.By}, "\x00")
	if c.At.Before(w.since) || c.At.Equal(w.since) && w.seen[key] {
		return nil
	}
	if c.At.After(w.since) {
		w.since = c.At.Time
		clear(w.seen)
	}
	w.seen[key] = true
	if w.a.format == formatJSON {
		return w.a.json(c, "")
	}
	if w.a.quiet {
		_, err := fmt.Fprintln(w.a.Out, clean(c.Address))
		return err
	}
	t := newTable(w.a.colored())
	t.row(w.a.when(c.At), c.Pool, c.Address, happened(&c.Event), why(&c.Event))
	_, err := w.a.Out.Write(t.bytes())
	return err
}
