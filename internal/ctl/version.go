package ctl

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// A version is what version prints as JSON.
type version struct {
	Version string `json:"version"` // of rrhealthctl
	API     string `json:"api"`
	Go      string `json:"go"`
	Server  string `json:"server"`  // the version of its rrhealth; the empty string without a server
	CoreDNS string `json:"coredns"` // the server's
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of rrhealthctl and of the server",
		Long: `version prints the version of rrhealthctl, and those of rrhealth and CoreDNS if the
server answers. Without a server it prints its own, and the exit code is 0.`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			v := version{Version: a.Version, API: api.Version, Go: runtime.Version()}
			s, err := a.client().Status(ctx)
			if _, silent := errors.AsType[unreachableError](err); err != nil && !silent {
				a.note("%v", err)
			}
			if err == nil {
				v.Server, v.CoreDNS = s.Version, s.CoreDNS
			}
			return a.emit(v, func() []string { return []string{v.Version} }, func(t *table) {
				t.row("rrhealthctl", fmt.Sprintf("%s, API %s", v.Version, v.API))
				if err == nil {
					t.row("server", fmt.Sprintf("rrhealth %s, CoreDNS %s", dash(v.Server), dash(v.CoreDNS)))
				}
			})
		}),
	}
}
