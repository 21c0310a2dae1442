//go:build !linux

package main

import "errors"

// allowBind needs Linux: elsewhere files have no capabilities.
func allowBind(string) error { return errors.New("the image is assembled on Linux only") }
