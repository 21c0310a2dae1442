//go:build !unix

package ctl

import "io/fs"

// owners returns nothing: the file has no group here.
func owners(fs.FileInfo) (owner, group string) { return "", "" }
