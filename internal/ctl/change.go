package ctl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

const selectorHelp = `A SELECTOR is an ADDRESS, a pattern such as '192.0.2.*', a network such as
192.0.2.0/24, tier=N, or location=PLACE (location=EU also selects EU/DE). Several
addresses, patterns and networks mean any of them, and so do several tiers and
several locations. A backend must meet one of each kind that is given:

  drain 192.0.2.1 192.0.2.2      both addresses
  drain 192.0.2.0/24 tier=2      those of tier 2 in the network
  drain location=EU --pool NAME  those in Europe, in the pool NAME alone

Without --pool they are selected in every pool and filter.`

const safetyHelp = `The server refuses an override that leaves a pool with fewer backends up than
min_up asks for, or with none, and shows what would follow. --force overrides
that. --dry-run changes nothing: it shows what would follow, or that the change
would be refused.`

const timeHelp = `For how long must be given: --for, --until or --forever. An override that is
forgotten is a backend that is missing, so there is no default.`

// A changer is one command that changes overrides: its flags, and what they make
// of a Change.
type changer struct {
	a       *app
	change  api.Change
	span    spanValue
	until   string
	wait    bool
	timeout spanValue
}

func (a *app) drainCommand() *cobra.Command {
	c := &changer{a: a}
	cmd := c.command("drain", "Answer a backend no longer, and go on probing it", `drain leaves backends out of the answers. They are probed as before, so that their
state is known when the drain ends.

With --wait, drain returns when the last cache that obeys TTLs has forgotten the
addresses, and the drain is still set: the moment from which no client is sent to
them. Interrupting the wait leaves the drain. If --timeout runs out, the drain
stays, too, and the exit code is 3.`)
	cmd.Flags().BoolVar(&c.wait, "wait", false, "return when the last cache has forgotten the addresses")
	cmd.Flags().Var(&c.timeout, "timeout", "with --wait: wait for `DURATION` at most; the drain stays")
	return cmd
}

func (a *app) downCommand() *cobra.Command {
	return (&changer{a: a}).command("down", "Treat a backend as down", `down treats backends as down, independent of their checks: they are left out while
others are up, count for min_up and for all_down, and are answered again if
all_down or min_up needs all of them.`)
}

func (a *app) upCommand() *cobra.Command {
	return (&changer{a: a}).command("up", "Treat a backend as up", `up treats backends as up, independent of their checks. It does not override a drain
of the Corefile. To leave a backend to its checks again, use auto.`)
}

func (a *app) weightCommand() *cobra.Command {
	cmd := (&changer{a: a}).command("weight", "Change the weight of a backend", `weight sets the weight N of backends instead of the Corefile's, under the policies
weighted and sticky.`)
	cmd.Use = "weight N SELECTOR..."
	return cmd
}

func (a *app) autoCommand() *cobra.Command {
	return (&changer{a: a}).command("auto", "Remove overrides", `auto removes the overrides of backends: their checks and the Corefile decide again.
Without --pool it removes those of single pools, too. An ADDRESS also selects an
orphaned override, whose backend has left the Corefile.`)
}

// command returns the command for what is set, with the flags of all of them.
func (c *changer) command(name, short, long string) *cobra.Command {
	c.change.Set = name
	timed := name != "auto"
	long += "\n\n" + selectorHelp
	if timed {
		long += "\n\n" + safetyHelp + "\n\n" + timeHelp
	}
	cmd := &cobra.Command{
		Use:               name + " SELECTOR...",
		GroupID:           groupChange,
		Short:             short,
		Long:              long,
		RunE:              c.a.run(c.run),
		ValidArgsFunction: c.a.complete(many, c.a.addresses),
	}
	flags := cmd.Flags()
	flags.StringVar(&c.change.Pool, "pool", "", "in the pool or filter `NAME` alone")
	if timed {
		flags.Var(&c.span, "for", "for `DURATION`: 30m, 2h, 3d")
		flags.StringVar(&c.until, "until", "", "until `TIME`: "+timeForms)
		flags.BoolVar(&c.change.Forever, "forever", false, "until auto removes it")
	}
	flags.StringVar(&c.change.Reason, "reason", "", "why, for those who find it: `TEXT`")
	flags.StringVar(&c.change.Author, "author", "", "who, instead of the user who runs rrhealthctl: `NAME`")
	flags.BoolVar(&c.change.Force, "force", false, "also if a pool keeps fewer backends than min_up asks for")
	flags.BoolVar(&c.change.DryRun, "dry-run", false, "show what would follow, and change nothing")
	_ = cmd.RegisterFlagCompletionFunc("pool", c.a.complete(many, c.a.poolNames))
	return cmd
}

// run asks the server for the change, and prints what it has done.
func (c *changer) run(ctx context.Context, args []string) error {
	if err := c.read(args); err != nil {
		return err
	}
	cl := c.a.client()
	done, err := cl.Change(ctx, c.change)
	if refused, ok := errors.AsType[*api.Error](err); ok {
		return c.refused(refused)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: the server may have done it, and rrhealthctl show NAME has the overrides")
	}
	if err != nil {
		return err
	}
	if err := c.print(&done); err != nil {
		return err
	}
	if c.wait && !c.change.DryRun {
		return c.a.wait(ctx, cl, &done, time.Duration(c.timeout))
	}
	return nil
}

// read completes the Change from what was typed.
func (c *changer) read(args []string) error {
	if c.change.Set == "weight" {
		if len(args) == 0 {
			return usagef("no weight given; write weight N SELECTOR...")
		}
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return usagef("not a weight (got %q); write weight N SELECTOR... with N from 1; drain answers a backend no longer", args[0])
		}
		c.change.Weight, args = n, args[1:]
	}
	if _, err := api.ParseSelectors(args); err != nil {
		return usagef("%v", err)
	}
	c.change.Selectors = args
	if c.timeout != 0 && !c.wait {
		return usagef("--timeout: without --wait; write --wait --timeout %v, or --for DURATION for how long the drain stays", time.Duration(c.timeout))
	}
	return c.readTime()
}

// readTime reads for how long the override is.
func (c *changer) readTime() error {
	c.change.For = time.Duration(c.span).Seconds()
	given := 0
	for _, is := range []bool{c.span != 0, c.until != "", c.change.Forever} {
		if is {
			given++
		}
	}
	switch {
	case c.change.Set == "auto":
		return nil
	case given == 0:
		return usagef("for how long? Add one of\n  --for DURATION   such as --for 2h\n  --until TIME     such as --until 18:00\n  --forever        until auto removes it")
	case given > 1:
		return usagef("several times given; write one of --for DURATION, --until TIME, --forever")
	case c.until == "":
		return nil
	}
	until, err := c.a.parseTime(c.until, true)
	if err != nil {
		return fmt.Errorf("--until: %w", err)
	}
	if !until.After(time.Now()) {
		return usagef("--until: %s has passed; write a time to come", until.Format(time.RFC3339))
	}
	c.change.Until = api.Time{Time: until}
	return nil
}

// refused prints what the server refused the change for, and returns the error.
func (c *changer) refused(err *api.Error) error {
	// The command is printed before the error already.
	err.Problem = strings.TrimPrefix(err.Problem, c.change.Set+": ")
	if len(err.Effects) == 0 {
		return errors.New(clean(err.Problem))
	}
	t := newTable(c.a.ErrTerminal && c.a.Getenv("NO_COLOR") == "")
	drawEffects(t, err.Effects)
	fmt.Fprintf(c.a.Err, "%s\n", t.bytes())
	problem, _, _ := strings.Cut(err.Problem, "; use force") // the word of the API
	return fmt.Errorf("%s; --force overrides it", clean(problem))
}

// print prints what was done.
func (c *changer) print(done *api.Changed) error {
	keys := func() []string { return addressesOf(done.Overrides) }
	return c.a.emit(done, keys, func(t *table) {
		switch {
		case len(done.Overrides) == 0 && c.change.Set == "auto":
			c.a.note("no override of %s to remove", strings.Join(c.change.Selectors, " "))
		case c.change.DryRun:
			c.a.note("nothing has changed: --dry-run")
		case c.change.Set == "auto":
			c.a.note("removed:")
		}
		c.a.drawSet(t, done.Overrides)
		if len(done.Effects) > 0 {
			t.line("")
			drawEffects(t, done.Effects)
		}
	})
}

// drawSet draws overrides.
func (a *app) drawSet(t *table, all []api.Override) {
	if len(all) == 0 {
		return
	}
	t.row("SET", "ADDRESS", "POOL", "UNTIL", "BY", "REASON")
	for _, o := range all {
		pool, until := o.Pool, a.when(o.Until)
		if pool == "" {
			pool = "all"
		}
		if o.Until.IsZero() {
			until = "forever"
		}
		if o.Orphaned {
			pool += " (orphaned)"
		}
		t.row(set(&o), o.Address, pool, until, dash(o.Author), dash(o.Reason))
	}
}
