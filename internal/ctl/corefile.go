package ctl

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/coredns/caddy/caddyfile"

	"github.com/rrhealth/rrhealth/plugin/config"
)

// directive is the word that a stanza begins with.
const directive = "rrhealth"

// A corefile is what a Corefile has of rrhealth.
type corefile struct {
	stanzas []tried
	process *config.Process // or nil
}

// A tried is a stanza with the zones of its server block.
type tried struct {
	config.Stanza
	zones []string
}

// readCorefile reads the rrhealth stanzas of a Corefile as CoreDNS does, without
// its other plugins. The error joins all that are found.
func readCorefile(name string, text io.Reader) (*corefile, error) {
	blocks, err := caddyfile.Parse(name, text, nil)
	if err != nil {
		return nil, err
	}
	c := new(corefile)
	var errs []error
	for _, block := range blocks {
		errs = append(errs, c.add(name, &block))
	}
	if err := config.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// add adds the stanzas of one server block.
func (c *corefile) add(name string, block *caddyfile.ServerBlock) error {
	zones, err := zonesOf(block.Keys)
	if err != nil {
		return config.Line{File: name, No: 1}.Errorf("%v", err)
	}
	tokens := caddyfile.NewDispenserTokens(name, block.Tokens[directive])
	lines, unreadable := config.ReadLines(&tokens, directive)
	stanzas, process, err := config.Parse(lines, config.Block{Zones: zones, Root: rootOf(name, block), Process: c.process})
	c.process = cmp.Or(c.process, process)
	for _, s := range stanzas {
		c.stanzas = append(c.stanzas, tried{s, zones})
	}
	return config.Join(err, unreadable)
}

// rootOf returns what the plugin root sets in a server block.
func rootOf(name string, block *caddyfile.ServerBlock) (root string) {
	for tokens := caddyfile.NewDispenserTokens(name, block.Tokens["root"]); tokens.Next(); {
		if tokens.NextArg() {
			root = tokens.Val()
		}
	}
	return root
}

// warnings returns what is odd about the stanzas, though not wrong.
func (c *corefile) warnings() (all []string) {
	for i := range c.stanzas {
		all = append(all, c.stanzas[i].Warnings()...)
	}
	return all
}

// heading returns the names of a stanza.
func (t *tried) heading() string {
	const most = 10
	if more := len(t.Names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(t.Names[:most], " "), more)
	}
	return strings.Join(t.Names, " ")
}
