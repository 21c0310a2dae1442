package state_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

func TestAChangeIsSavedWithinASecond(t *testing.T) {
	within(t, func(s *subject) {
		s.wait(time.Hour)
		if len(s.tries) > 0 {
			t.Errorf("tries %v without a change", s.tries)
		}
		wantNames(t, s.dir)
		s.change(1)
		s.wait(0)
		s.has(1)
		s.change(2)
		s.wait(time.Second - 1)
		s.has(1)
		s.wait(1)
		s.has(2)
		if st := s.Status(); st.Err != nil || st.Bytes != len(readFile(t, s.dir, state.FileName)) || !st.SavedAt.Equal(time.Now()) {
			t.Errorf("status %+v", st)
		}
		s.want(t)
	})
}

// However much changes, it is saved once a second; what changed last is saved, too.
func TestChangesAreSavedOnceASecond(t *testing.T) {
	within(t, func(s *subject) {
		for i := range 1000 { // in ten seconds
			s.change(1 + i%8)
			s.wait(10 * time.Millisecond)
		}
		s.change(9)
		s.wait(time.Second)
		s.has(9)
		if n := len(s.saves); n != 12 {
			t.Errorf("%d saves %v from 0 to 11 s, want 12", n, s.saves)
		}
		for i, at := range s.saves[1:] {
			if d := at - s.saves[i]; d < time.Second {
				t.Errorf("saves %v apart, want a second", d)
			}
		}
	})
}

// A change that leaves everything as it was writes nothing.
func TestNothingNewIsNotSaved(t *testing.T) {
	within(t, func(s *subject) {
		s.change(1)
		s.wait(time.Second)
		for range 10 {
			s.Changed()
			s.wait(time.Second)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if len(s.saves) != 1 {
			t.Errorf("saves %v, want one", s.saves)
		}
	})
}

// A save of 10,000 backends takes a while. Without a rest the server would do
// little else.
func TestALongSaveIsFollowedByALongRest(t *testing.T) {
	within(t, func(s *subject) {
		s.failing(func(step string) error {
			if step == "sync" {
				time.Sleep(2 * time.Second)
			}
			return nil
		})
		for range 100 {
			s.change(1)
			s.wait(time.Second)
		}
		if len(s.saves) != 5 {
			t.Errorf("saves %v, want one in 20 seconds", s.saves)
		}
		if took := s.Status().Took; took != 2*time.Second {
			t.Errorf("took %v, want 2s", took)
		}
	})
}

func TestCloseSaves(t *testing.T) {
	within(t, func(s *subject) {
		s.change(1)
		s.wait(0)
		s.n.Store(2) // without Changed
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s.has(2)
		s.change(3)
		s.Start(func() any { t.Error("collected after Close"); return nil })
		s.wait(time.Minute)
		s.has(2)
		if err := s.Close(); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

// A reload goes on with the same Dir: the new instance replaces what is collected.
func TestAFurtherStartReplacesCollect(t *testing.T) {
	within(t, func(s *subject) {
		s.change(1)
		s.wait(time.Second)
		s.Start(func() any { return document(5, 0) })
		s.Changed()
		s.wait(time.Second)
		s.has(5)
	})
}

// A server that stops before it has started has nothing to save.
func TestCloseWithoutStart(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, document(1, 0))
	d := open(t, dir, &journal{})
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		d.Start(func() any { t.Error("collected after Close"); return nil })
		d.Changed()
	}
	if got := saved(t, dir).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
}

func TestStartForgetsWhatWasRead(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, document(1, 0))
	d := open(t, dir, &journal{})
	d.Start(func() any { return nil })
	if _, ok := d.Load(new(doc)); ok {
		t.Error("loaded after Start")
	}
}

// The wall clock jumps by days at each look. Saves go on once a second.
func TestSavesDoNotDependOnTheWallClock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		steps, saves := []int{1, -1, 0, -300, 2}, 0
		interrupt(t, func(step string) error {
			if step == "saved" {
				saves++
			}
			return nil
		})
		looks := 0
		d := openWith(t, dir, state.Options{Version: 1, Now: func() time.Time {
			looks++
			return time.Now().AddDate(0, 0, steps[looks%len(steps)])
		}})
		d.Start(func() any { return document(1, 0) })
		for range 100 {
			d.Changed()
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if saves < 9 || saves > 11 {
			t.Errorf("%d saves in 10 s, want 10", saves)
		}
		_ = d.Close()
	})
}
