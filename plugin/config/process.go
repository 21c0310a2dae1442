package config

import (
	"cmp"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
)

// A Process is the process stanza of a Corefile: what is set once for the whole
// process, rather than for names.
type Process struct {
	Status      netip.AddrPort // where the status page is served; invalid without the option
	StatusHosts []string       // names that a request may be for besides Status; in lower case, without the final dot
	AnyHost     bool           // requests may be for any name

	Control string      // path of the Unix socket; "" without the option
	Mode    fs.FileMode // permission bits of Control
	Group   string      // of Control; "" for that of the process
	GID     int         // of Group, if there is one

	State string // directory; "" without the option

	at Line // the stanza
}

// defaultMode is the mode of Control: its user and its group may change things.
const defaultMode fs.FileMode = 0o660

// A processOption is an Option of the process stanza, or of the block of one, and
// how it is read.
type processOption struct {
	Option
	read  func(*processParser, Line) error
	block bool // may have a block
}

// The options of the process stanza, in the order of docs/configuration.md, and
// those of their blocks.
var (
	processOptions = []processOption{
		{Option: Option{Name: "status", Form: "ADDRESS:PORT [{ OPTION... }]"}, read: (*processParser).parseStatus, block: true},
		{Option: Option{Name: "control", Form: "PATH [{ OPTION... }]"}, read: (*processParser).parseControl, block: true},
		{Option: Option{Name: "state", Form: "DIRECTORY"}, read: (*processParser).parseState},
	}
	statusOptions = []processOption{
		{Option: Option{Name: "host", Form: "NAME...|*"}, read: (*processParser).parseHosts},
	}
	controlOptions = []processOption{
		{Option: Option{Name: "mode", Form: "OCTAL"}, read: (*processParser).parseMode},
		{Option: Option{Name: "group", Form: "NAME|GID"}, read: (*processParser).parseGroup},
	}
)

// ProcessOptions returns every option of the process stanza, in the order of
// docs/configuration.md. BlockOptions has those of their blocks.
func ProcessOptions() []Option { return optionsIn(processOptions) }

// BlockOptions returns the options in the block of an option of the process
// stanza.
func BlockOptions(name string) []Option {
	switch name {
	case "status":
		return optionsIn(statusOptions)
	case "control":
		return optionsIn(controlOptions)
	}
	return nil
}

// optionsIn returns the Options of table.
func optionsIn(table []processOption) []Option {
	all := make([]Option, len(table))
	for i, o := range table {
		all[i] = o.Option
	}
	return all
}

// namesIn lists the options of table for an error.
func namesIn(table []processOption) string {
	names := make([]string, len(table))
	for i, o := range table {
		names[i] = o.Name
	}
	return strings.Join(names, ", ")
}

// ofProcess reports whether l sets an option of the process stanza.
func (l Line) ofProcess() bool {
	return slices.ContainsFunc(processOptions, func(o processOption) bool { return o.Name == l.word() })
}

// ofStanza reports whether l sets an option of a pool or a filter.
func (l Line) ofStanza() bool {
	_, ok := optionOf(l)
	return ok
}

// A processParser reads the process stanza into its embedded Process.
type processParser struct {
	Process
	in    Block
	found problems
}

// parseProcess reads the stanza l, which has options of the process stanza. If it
// has options of pools or filters, too, it returns no Process but the stanza that
// these are, so that the errors of both are reported at the same time.
func parseProcess(l Line, in Block) (read *Process, rest *Line, found problems) {
	p := processParser{Process: Process{Mode: defaultMode, at: l}, in: in}
	if i := slices.IndexFunc(l.Block, Line.ofStanza); i >= 0 {
		stanza := l
		stanza.Block = p.parseMixed(l, l.Block[i])
		return nil, &stanza, p.found
	}
	if names := l.args(); len(names) > 0 {
		first := l.Block[slices.IndexFunc(l.Block, Line.ofProcess)]
		p.found.add(l, l.Errorf("%s: a NAME although %s at %s makes this the process stanza, which is about no name (got %s); remove it", l.word(), first.word(), first.pos(), quoted(names)))
	}
	p.checkOnce()
	p.read(l.Block, processOptions)
	return &p.Process, nil, p.found
}

// parseMixed reports the options of the process stanza in l, which has the option
// other of pools or filters, and their errors. It returns the remaining lines.
func (p *processParser) parseMixed(l, other Line) (remaining []Line) {
	var own []Line
	for _, o := range l.Block {
		switch {
		case !o.ofProcess():
			remaining = append(remaining, o)
		case o.word() == "status" && !strings.Contains(strings.Join(o.args(), " "), ":"):
			p.found.add(l, o.Errorf("status: is for the process, and %s at %s for a pool or a filter; put the codes that a check expects into the block of the check", other.word(), other.pos()))
		default:
			own = append(own, o)
		}
	}
	if len(own) > 0 {
		p.found.add(l, own[0].Errorf("%s: is for the process, and %s at %s for a pool or a filter; put %s into a stanza of their own, without NAME", own[0].word(), other.word(), other.pos(), namesIn(processOptions)))
		p.read(own, processOptions)
	}
	return remaining
}

// checkOnce reports a second process stanza.
func (p *processParser) checkOnce() {
	if p.in.Process == nil {
		return
	}
	l, first := p.at, p.in.Process.at
	if l.pos() == first.pos() {
		p.found.add(l, l.Errorf("%s: two server blocks import this process stanza; import it in one of them", l.word()))
		return
	}
	p.found.add(l, l.Errorf("%s: a second process stanza, the first is at %s; put the options of both into one", l.word(), first.pos()))
}

// read reads lines, each by the option of table that it sets.
func (p *processParser) read(lines []Line, table []processOption) {
	seen := make(map[string]Line)
	for _, l := range lines {
		p.found.add(l, p.readLine(l, table, seen))
	}
}

// readLine reads one line. seen has those before it.
func (p *processParser) readLine(l Line, table []processOption, seen map[string]Line) error {
	if err := cmp.Or(l.readable(), l.expanded()); err != nil {
		return err
	}
	i := slices.IndexFunc(table, func(o processOption) bool { return o.Name == l.word() })
	if i < 0 {
		return l.Errorf("unknown option %q; use one of %s", l.word(), namesIn(table))
	}
	if first, ok := seen[l.word()]; ok {
		return l.Errorf("%s: given at %s already, want it once", l.word(), first.pos())
	}
	seen[l.word()] = l
	if l.Block != nil && !table[i].block {
		return l.Errorf("%s: unexpected block { ... }, want none", l.word())
	}
	return table[i].read(p, l)
}
