package state

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pace is the least time from save to save.
	pace = time.Second
	// share is how much of the time goes into saving: a tenth. The state of 10,000
	// backends with 50 events each has 69 MB and takes half a second of a processor,
	// which queries would miss.
	share = 10
	// slowest is the longest wait for the next try after failures.
	slowest = 30 * time.Second
	// quiet is how long no other failure is logged after one.
	quiet = time.Minute
	// closeWithin bounds how long Close waits for a disk that hangs.
	closeWithin = 10 * time.Second
)

// A saver is the state of a Dir's goroutine and of the calls that control it.
type saver struct {
	changed chan struct{} // has room for one
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed when the last save is over and the lock released
	collect atomic.Pointer[func() any]

	mu      sync.Mutex
	started bool
	closed  bool

	// Written and read by the goroutine.
	pending  any // collected and not saved yet
	failures int // in a row
	reported time.Time
	failing  bool  // a failure has been logged, and no success
	last     error // of the last try; written before done is closed
}

// newSaver returns a saver without a goroutine.
func newSaver() saver {
	return saver{changed: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// Start begins to save what collect returns, in a goroutine of its own. collect
// returns a value that does not change any more, or nil if it has nothing new.
// It is called there after Changed, at most once a second, and by Close. A further
// Start only replaces collect.
func (d *Dir) Start(collect func() any) {
	if d == nil {
		return
	}
	s := &d.saver
	s.collect.Store(&collect)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.closed {
		return
	}
	s.started = true
	d.mu.Lock()
	d.content = content{}
	d.mu.Unlock()
	go d.run()
}

// Changed has the state saved within a second; later if saves fail, or if the last
// one took more than a tenth of a second: then saving takes a tenth of the time. It
// does not block.
func (d *Dir) Changed() {
	if d == nil {
		return
	}
	select {
	case d.saver.changed <- struct{}{}:
	default: // a save is due already
	}
}

// Close saves a last time and releases the directory. It returns the error of the
// last save. If the disk hangs it returns after ten seconds, and the directory
// stays locked while the save goes on.
func (d *Dir) Close() error {
	if d == nil {
		return nil
	}
	s := &d.saver
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
		if !s.started {
			d.release()
		}
	}
	s.mu.Unlock()
	patience := time.NewTimer(closeWithin)
	defer patience.Stop()
	select {
	case <-s.done:
	case <-patience.C:
		return fmt.Errorf("state %s: not saved within %v: the disk hangs", d.path, closeWithin)
	}
	if s.last != nil {
		return fmt.Errorf("state %s: not saved: %w", d.path, s.last)
	}
	return nil
}

// release lets another process have d.
func (d *Dir) release() {
	d.lock.release()
	disclaim(d.info)
	close(d.saver.done)
}

// run saves until Close.
func (d *Dir) run() {
	defer d.release()
	s := &d.saver
	var due <-chan time.Time // while a save is due
	var next time.Time       // no save is due before
	for {
		select {
		case <-s.quit:
			d.try()
			return
		case <-s.changed:
			if due == nil {
				due = time.After(time.Until(next))
			}
		case <-due:
			due = nil
			next = d.try()
			if s.last != nil {
				due = time.After(time.Until(next))
			}
		}
	}
}

// try saves what there is to save, and returns when to try next at the earliest.
func (d *Dir) try() (next time.Time) {
	s := &d.saver
	start := time.Now()
	saved := d.options.Now()
	size, err := d.collectAndSave(saved)
	took := time.Since(start)
	s.last = err
	switch {
	case err != nil:
		s.failures++
		wait := slowest
		if s.failures < 6 {
			wait = pace << (s.failures - 1)
		}
		d.failed(err, wait)
		return time.Now().Add(wait)
	case size > 0:
		d.status.Store(&Status{Path: d.file(), SavedAt: saved, Bytes: size, Took: took, Failed: d.Status().Failed})
		d.succeeded()
	}
	return start.Add(max(pace, share*took))
}

// collectAndSave saves what is collected, or pending from a try that failed. The
// size is 0 if there is nothing to save.
func (d *Dir) collectAndSave(saved time.Time) (size int, err error) {
	s := &d.saver
	v, err := collected(*s.collect.Load())
	if v != nil {
		s.pending = v
	}
	if s.pending == nil {
		return 0, err
	}
	size, saveErr := d.save(s.pending, saved)
	if saveErr == nil {
		s.pending = nil
	}
	return size, errors.Join(err, saveErr)
}

// collected calls collect. A panic in it is a failed save, not the server's end.
func collected(collect func() any) (v any, err error) {
	defer recovered(&err)
	return collect(), nil
}

// failed notes a failed try, and logs it unless it has just logged one.
func (d *Dir) failed(err error, wait time.Duration) {
	status := d.Status()
	status.Err = err
	status.Failed++
	d.status.Store(&status)
	s := &d.saver
	if !s.reported.IsZero() && time.Since(s.reported) < quiet {
		return
	}
	s.reported, s.failing = time.Now(), true
	has := "there is no file yet"
	if !status.SavedAt.IsZero() {
		has = fileName + " stays that of " + status.SavedAt.UTC().Format(time.RFC3339)
	}
	d.warnf("not saved (%v), %s; next try in %v", err, has, wait)
}

// succeeded ends a row of failures.
func (d *Dir) succeeded() {
	s := &d.saver
	if s.failing {
		d.warnf("saved again (failed tries: %d)", s.failures)
	}
	s.failures, s.failing = 0, false
}
