package ctl

import (
	"fmt"
	"sync"
	"time"
)

// patience is how long a command may take before it shows what it is doing.
const patience = time.Second

// A progress is a line on a terminal that shows what a command is doing. It
// appears if that takes longer than patience, and is erased at the end.
type progress struct {
	a     *app
	timer *time.Timer

	mu    sync.Mutex
	text  string
	shown bool
	ended bool
}

// progress returns a progress that starts now.
func (a *app) progress(doing string) *progress {
	p := &progress{a: a, text: doing}
	p.timer = time.AfterFunc(patience, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.shown = !p.ended
		p.draw()
	})
	return p
}

// now makes p appear at once.
func (p *progress) now() *progress {
	p.timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = true
	return p
}

// at sets what is shown.
func (p *progress) at(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
	p.draw()
}

// draw writes the text over the line. p.mu must be held.
func (p *progress) draw() {
	if p.shown && !p.a.quiet && p.a.ErrTerminal {
		fmt.Fprintf(p.a.Err, "\r\x1b[K%s", p.text)
	}
}

// end erases the line.
func (p *progress) end() {
	p.timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text = ""; p.shown {
		p.draw()
	}
	p.shown, p.ended = false, true
}
