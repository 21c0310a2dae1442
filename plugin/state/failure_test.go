package state_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// A save that fails leaves the old file, and is tried again until it works.
func TestAFailedSaveIsTriedAgain(t *testing.T) {
	for _, step := range []string{"create", "write", "end", "sync", "rename", "sync directory"} {
		t.Run(step, func(t *testing.T) {
			within(t, func(s *subject) {
				s.change(1)
				s.wait(time.Second)
				s.failing(full(step))
				s.change(2)
				s.wait(0)
				if step != "sync directory" { // the name may not have reached the disk
					s.has(1)
				}
				wantNames(t, s.dir, state.FileName)
				if st := s.Status(); !errors.Is(st.Err, syscall.ENOSPC) || !st.SavedAt.Equal(s.begun) || st.Failed != 1 {
					t.Errorf("status %+v, want the error, the time of the first save and one failed try", st)
				}
				s.failing(nil)
				s.wait(time.Second)
				s.has(2)
				if st := s.Status(); st.Err != nil || !st.SavedAt.Equal(time.Now()) || st.Failed != 1 {
					t.Errorf("status %+v", st)
				}
				s.want(t, "not saved (no space left on device), rrhealth.json stays that of 2000-01-01T00:00:00Z; next try in 1s", "saved again (failed tries: 1)")
			})
		})
	}
}

// Tries become rarer, and log lines rarer still.
func TestTriesOfAFailingDiskBecomeRare(t *testing.T) {
	within(t, func(s *subject) {
		s.failing(full("create"))
		s.change(1)
		for range 600 { // ten minutes
			s.Changed()
			s.wait(time.Second)
		}
		want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91, 121}
		for i, at := range want {
			if s.tries[i] != at*time.Second {
				t.Fatalf("tries at %v, want %v s", s.tries, want)
			}
		}
		if n := len(s.tries); n != 6+(600-31)/30 {
			t.Errorf("%d tries in ten minutes: %v", n, s.tries)
		}
		lines := s.all()
		if n := len(lines); n < 5 || n > 10 {
			t.Errorf("%d lines in ten minutes, want one in a minute:\n%s", n, strings.Join(lines, "\n"))
		}
		if !strings.Contains(lines[0], "there is no file yet; next try in 1s") {
			t.Errorf("first line %s", lines[0])
		}
		s.failing(nil)
		s.wait(30 * time.Second)
		s.has(1)
		s.want(t, "saved again (failed tries: 24)")
	})
}

// A disk that fails every other time does not fill the log.
func TestAFlappingDiskIsLoggedOnceAMinute(t *testing.T) {
	within(t, func(s *subject) {
		for range 300 {
			s.failing(full("create"))
			s.change(1)
			s.wait(time.Second / 2)
			s.failing(nil)
			s.wait(3 * time.Second / 2)
		}
		if n := len(s.saves); n != 300 {
			t.Errorf("%d saves, want 300: a good one begins the waits anew", n)
		}
		if n := len(s.all()); n > 2*11 {
			t.Errorf("%d lines in ten minutes, want two in a minute at most", n)
		}
	})
}

func TestCloseReportsThatItCouldNotSave(t *testing.T) {
	within(t, func(s *subject) {
		s.change(1)
		s.wait(time.Second)
		s.failing(full("write"))
		s.n.Store(2)
		if err := s.Close(); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "state "+s.dir+": not saved: ") {
			t.Errorf("closed: %v, want a full disk", err)
		}
		s.has(1)
	})
}

// A disk that hangs delays neither the monitor's loop nor, for long, a stop. The
// directory stays locked, since the save may still go on.
func TestADiskHangs(t *testing.T) {
	within(t, func(s *subject) {
		hung := make(chan struct{})
		s.failing(func(step string) error {
			if step == "sync" {
				<-hung
			}
			return nil
		})
		s.change(1)
		s.wait(time.Second)
		start := time.Now()
		for range 1000 {
			s.Changed()
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("Changed waited for %v", d)
		}
		if err := s.Close(); err == nil || !strings.Contains(err.Error(), "the disk hangs") {
			t.Errorf("closed: %v", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("Close took %v, want 10s", d)
		}
		if _, err := state.Open(s.dir, state.Options{Version: 1}); err == nil {
			t.Error("opened while a save goes on")
		}
		close(hung)
		s.wait(0)
		s.has(1)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A bug in what is collected is a line in the log, not the end of the server.
func TestCollectPanics(t *testing.T) {
	within(t, func(s *subject) {
		s.change(1)
		s.wait(time.Second)
		s.Start(func() any { panic("nil map") })
		s.Changed()
		s.wait(0)
		if err := s.Status().Err; err == nil || err.Error() != "panic: nil map" {
			t.Errorf("status %v", err)
		}
		s.Start(func() any { return func() {} })
		s.wait(time.Second)
		if err := s.Status().Err; err == nil || !strings.Contains(err.Error(), "unsupported type") {
			t.Errorf("status %v", err)
		}
		s.has(1)
		s.Start(func() any { return document(2, 0) })
		s.wait(2 * time.Second)
		s.has(2)
		s.want(t, "not saved (panic: nil map)", "saved again (failed tries: 2)")
	})
}
