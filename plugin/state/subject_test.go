package state_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// A subject is a Dir that saves a number, in a bubble.
type subject struct {
	*state.Dir
	journal
	t     *testing.T
	dir   string
	n     atomic.Int64 // the next document; 0 for nothing new
	begun time.Time

	steps sync.Mutex // guards what follows
	tries []time.Duration
	saves []time.Duration
	fail  func(step string) error
}

// within runs f with a subject that is started, and closes that afterwards.
func within(t *testing.T, f func(s *subject)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { on(t, dir, f) })
}

// on runs f in the present bubble, with a subject on dir.
func on(t *testing.T, dir string, f func(s *subject)) {
	t.Helper()
	s := &subject{t: t, dir: dir, begun: time.Now()}
	interrupt(t, s.step)
	s.Dir = open(t, dir, &s.journal)
	s.Start(s.collect)
	f(s)
	s.failing(nil)
	_ = s.Close()
}

// collect returns the next document once.
func (s *subject) collect() any {
	if n := s.n.Swap(0); n != 0 {
		return document(int(n), 0)
	}
	return nil
}

// step notes tries and saves, and fails as failing has set it.
func (s *subject) step(step string) error {
	s.steps.Lock()
	switch step {
	case "create":
		s.tries = append(s.tries, time.Since(s.begun))
	case "saved":
		s.saves = append(s.saves, time.Since(s.begun))
	}
	fail := s.fail
	s.steps.Unlock()
	if fail != nil {
		return fail(step)
	}
	return nil
}

// failing has f decide from now on which steps fail; nil is a disk that works.
func (s *subject) failing(f func(step string) error) {
	s.steps.Lock()
	defer s.steps.Unlock()
	s.fail = f
}

// full is a disk that is full at one step.
func full(at string) func(step string) error {
	return func(step string) error {
		if step == at {
			return syscall.ENOSPC
		}
		return nil
	}
}

// change has document n saved.
func (s *subject) change(n int) {
	s.n.Store(int64(n))
	s.Changed()
}

// wait lets time pass.
func (s *subject) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// has fails unless document n is saved.
func (s *subject) has(n int) {
	s.t.Helper()
	content := []byte(readFile(s.t, s.dir, state.FileName))
	if !strings.Contains(string(content), `"payload":`+numbered(n)) {
		s.t.Errorf("file %s, want document %d", content, n)
	}
}

// numbered returns how document n begins.
func numbered(n int) string { return `{"n":` + string(rune('0'+n)) + `,` }
