// Command rrhealthctl shows and overrides the health of backends in a CoreDNS with
// rrhealth. Package ctl has the commands; `rrhealthctl --help` lists them.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/rrhealth/rrhealth/internal/ctl"
)

// version is set by deploy/image/build.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := ctl.Run(ctx, ctl.IO{
		Out: os.Stdout, Err: os.Stderr, In: os.Stdin,
		OutTerminal: isTerminal(os.Stdout), ErrTerminal: isTerminal(os.Stderr),
		Getenv: os.Getenv, Zone: time.Local, Version: ownVersion(),
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// ownVersion returns the version of a release, or the revision of other builds.
func ownVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// isTerminal reports whether f is a terminal: a character device other than the
// null device.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
