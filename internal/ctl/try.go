package ctl

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func (a *app) tryCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:     "try COREFILE",
		GroupID: groupPlan,
		Short:   "Check a Corefile, and probe its backends once",
		Long: `try checks the rrhealth stanzas of a Corefile, probes each backend once, and shows
what would be answered. It needs no server and no root, and changes nothing. The
COREFILE - is stdin. Imports, snippets and variables are replaced as CoreDNS does;
other plugins are not checked.

One probe decides here, where the server repeats a first timeout. Commands of exec
checks are run, as this user. Checks by icmp may need rights that CoreDNS has and
you do not: the backend is unknown then.

If a server is running, try also shows which names it would gain, lose, or answer
other backends for. Its socket is that of the Corefile, unless --control is given.

The exit code is 1 if the Corefile is wrong, or all backends of a pool are down.`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // files
		},
	}
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		return a.try(ctx, args[0], check, cmd.Flags().Changed("control"))
	})
	cmd.Flags().BoolVar(&check, "no-probe", false, "only check the Corefile, and compare it with the server")
	return cmd
}

// try checks the Corefile at path. If elsewhere, --control names the socket of the
// server, and not the Corefile.
func (a *app) try(ctx context.Context, path string, checkOnly, elsewhere bool) error {
	c, err := a.openCorefile(path)
	if err != nil {
		return err
	}
	for _, warning := range c.warnings() {
		a.note("warning: %s", clean(warning))
	}
	r := newReport(path, c)
	if !checkOnly {
		p := a.progress("probing")
		results := probeAll(ctx, c, func(done, total int) { p.at("probing: %d of %d", done, total) })
		p.end()
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		r.answer(c, results)
	}
	if c.process != nil && c.process.Control != "" && !elsewhere && a.Getenv(ControlVariable) == "" {
		a.control = c.process.Control
	}
	unlike := a.compare(ctx, c, r, elsewhere)
	err = a.emit(r, r.keys, func(t *table) { r.draw(t, checkOnly) })
	if err := cmp.Or(err, unlike); err != nil {
		return err
	}
	if len(r.keys()) > 0 {
		return exitError{code: ExitFailed}
	}
	return nil
}

// openCorefile reads the Corefile at path.
func (a *app) openCorefile(path string) (*corefile, error) {
	if path == "-" {
		return readCorefile("stdin", a.In)
	}
	f, err := os.Open(path) // #nosec G304 -- the operator's own choice
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readCorefile(path, io.Reader(f))
}

// compare compares c with the running server, if there is one. Without one there
// is nothing to compare with, unless must.
func (a *app) compare(ctx context.Context, c *corefile, r *report, must bool) error {
	wanted := c.entries()
	before, err := a.client().running(ctx, wanted)
	if _, silent := errors.AsType[unreachableError](err); silent && !must {
		return nil
	}
	if err != nil {
		return err
	}
	r.Server = a.control
	r.Differences = differences(before.entries, wanted)
	if before.more > 0 {
		a.note("the server has %d names more than it lists: those that would be lost are not known", before.more)
	}
	return nil
}
