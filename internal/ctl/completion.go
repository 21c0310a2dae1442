package ctl

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// completionTimeout is how long the shell waits for names from the server: longer
// would be felt at the keyboard.
const completionTimeout = 300 * time.Millisecond

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion for a shell",
		Long: `completion prints the completion for a shell. It completes commands, options, and
names of pools and addresses, which it asks the server for.

  bash  source <(rrhealthctl completion bash), or its output in
        /usr/share/bash-completion/completions/rrhealthctl
  zsh   its output in _rrhealthctl, in a folder of $fpath
  fish  its output in ~/.config/fish/completions/rrhealthctl.fish`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.started = true
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.Out, true)
			case "zsh":
				return root.GenZshCompletion(a.Out)
			default:
				return root.GenFishCompletion(a.Out, true)
			}
		},
	}
}

// many is more arguments than a command line has.
const many = 1 << 20

// A source returns words that begin with a prefix, without an error: there may be
// no server, and a shell has no room for a message.
type source func(ctx context.Context, c *client, prefix string) []string

// complete returns the completion of at most n arguments from sources.
func (a *app) complete(n int, sources ...source) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		var words []string
		if len(args) < n {
			ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
			defer cancel()
			for _, from := range sources {
				words = append(words, from(ctx, a.client(), prefix)...)
			}
		}
		words = slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, prefix) || slices.Contains(args, w) })
		slices.Sort(words)
		return slices.Compact(words), cobra.ShellCompDirectiveNoFileComp
	}
}

// poolNames returns names of pools and filters.
func (a *app) poolNames(ctx context.Context, c *client, prefix string) []string {
	var page api.Pools
	if c.get(ctx, api.PathPools, searchFor(prefix), &page) != nil {
		return nil
	}
	var names []string
	for _, p := range page.Pools {
		names = append(names, p.Names...)
	}
	return names
}

// addresses returns addresses of backends.
func (a *app) addresses(ctx context.Context, c *client, prefix string) []string {
	var page api.Backends
	if c.get(ctx, api.PathBackends, searchFor(prefix), &page) != nil {
		return nil
	}
	var all []string
	for _, b := range page.Backends {
		all = append(all, b.Address)
	}
	return all
}

// searchFor returns the query for what has prefix in it.
func searchFor(prefix string) url.Values {
	if prefix == "" {
		return nil
	}
	return url.Values{api.ParamSearch: {prefix}}
}
