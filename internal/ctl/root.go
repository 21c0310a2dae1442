package ctl

import (
	"cmp"

	"github.com/spf13/cobra"
)

// The groups of commands in help and in the man page.
const (
	groupLook   = "look"
	groupChange = "change"
	groupPlan   = "plan"
)

const rootHelp = `rrhealthctl shows what rrhealth, the plugin of CoreDNS, has found out about
backends, and sets what it cannot find out: a backend that is to be drained, or
that is down although its checks pass.

It connects to the Unix socket that the Corefile names:

    rrhealth {
        control /run/coredns/rrhealth.sock
    }

Data goes to stdout, all else to stderr. The exit code is 0 if the command did
what it was asked for, 1 if it was refused or failed, 2 if it was not understood.`

// Commands are listed in the order of root, the usual first.
func init() { cobra.EnableCommandSorting = false }

// New returns the command line, for its documentation.
func New(s IO) *cobra.Command { return (&app{IO: s}).root() }

// root returns the command line.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "rrhealthctl",
		Short:         "Show and override the health of backends in CoreDNS",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		// An unknown command comes here only if it could be run: cobra prints the
		// help and returns no error for one that cannot.
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(a.Err)
			_ = cmd.Help()
			return exitError{code: ExitUsage}
		},
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetIn(a.In)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: groupLook, Title: "See what is so:"},
		&cobra.Group{ID: groupChange, Title: "Override it:"},
		&cobra.Group{ID: groupPlan, Title: "See what would be so:"},
	)
	flags := root.PersistentFlags()
	flags.StringVar(&a.control, "control", cmp.Or(a.Getenv(ControlVariable), DefaultControl), "the server's `SOCKET`; also "+ControlVariable)
	flags.StringVarP(&a.format, "output", "o", formatTable, "print a table or JSON: `FORMAT` is table or json")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print keys only (names, addresses), and nothing on stderr but errors")
	a.fixed(root, "output", formatTable, formatJSON)
	root.AddCommand(
		a.statusCommand(), a.poolsCommand(), a.showCommand(), a.historyCommand(), a.explainCommand(), a.watchCommand(),
		a.drainCommand(), a.downCommand(), a.upCommand(), a.weightCommand(), a.autoCommand(),
		a.whatifCommand(), a.tryCommand(),
		a.completionCommand(), a.versionCommand(),
	)
	flags.SortFlags = false
	for _, cmd := range root.Commands() {
		cmd.Flags().SortFlags = false
	}
	return root
}

// fixed makes the shell complete the values of a flag.
func (a *app) fixed(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
