package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
)

// The part of CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/) that a list
// of Go modules needs.
type (
	bom struct {
		Format     string      `json:"bomFormat"`
		Spec       string      `json:"specVersion"`
		Version    int         `json:"version"`
		Metadata   metadata    `json:"metadata"`
		Components []component `json:"components"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// sbom returns the list of modules that the linker put into the Go program at
// path. It reads the program, not go.mod, so that the list has exactly the
// modules of the program. It has no time and no serial number, so that equal
// programs have equal lists.
func sbom(path string) ([]byte, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(describe(info), "", "  ")
}

func describe(info *debug.BuildInfo) bom {
	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1}
	b.Metadata.Component = module("application", &info.Main)
	for _, s := range info.Settings {
		b.Metadata.Component.Properties = append(b.Metadata.Component.Properties, property{"go:build:" + s.Key, s.Value})
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	b.Components = []component{module("library", &debug.Module{Path: "std", Version: goVersion})}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, module("library", m))
	}
	return b
}

// module returns m with its package URL, by which scanners find known
// vulnerabilities (https://github.com/package-url/purl-spec, type golang).
func module(kind string, m *debug.Module) component {
	purl := fmt.Sprintf("pkg:golang/%s@%s", strings.ToLower(m.Path), url.QueryEscape(m.Version))
	c := component{Type: kind, Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
	if m.Sum != "" {
		// The hash of the module's tree, as in go.sum, is not a hash of a file:
		// so it is a property and not one of CycloneDX's hashes.
		c.Properties = []property{{"go:sum", m.Sum}}
	}
	return c
}
