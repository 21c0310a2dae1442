package state_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// killedSize is how large the documents of servers that are killed are: a few
// pieces.
const killedSize = 4 * state.PieceSize

// A server that is killed leaves the content before its save, or the one after.
func TestAKilledSaveLeavesTheOldContentOrTheNew(t *testing.T) {
	for _, tc := range []struct {
		step string
		new  bool // the content after the kill
	}{
		{"1 lock", false},
		{"1 create", false},
		{"1 write", false},
		{"2 write", false},
		{"3 write", false},
		{"4 write", false},
		{"1 end", false},
		{"1 sync", false},
		{"1 rename", false},
		{"1 sync directory", true},
		{"1 saved", true},
	} {
		t.Run(tc.step, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, document(1, killedSize))
			want := 1
			for range 2 { // each time on what the last kill has left
				if s := start(t, "save", dir, tc.step); !s.killed() {
					t.Fatalf("%v, want a kill", s.ProcessState)
				}
				if tc.new {
					want++
				}
				if got := saved(t, dir).N; got != want {
					t.Fatalf("content of save %d, want %d", got, want)
				}
				wantNames(t, dir, state.FileName)
			}
		})
	}
}

// Without a file before, there is none after, and no part of one, or all of it.
func TestAKilledFirstSaveLeavesNothingOrAll(t *testing.T) {
	for step, all := range map[string]bool{"1 create": false, "1 write": false, "3 write": false, "1 end": false, "1 sync": true, "1 rename": true} {
		dir := filepath.Join(t.TempDir(), "state")
		if s := start(t, "save", dir, step); !s.killed() {
			t.Fatalf("%s: %v, want a kill", step, s.ProcessState)
		}
		var j journal
		d := open(t, dir, &j)
		var got doc
		if _, ok := d.Load(&got); ok != all {
			t.Errorf("%s: loaded %t, want %t", step, ok, all)
		}
		intact(t, got)
		if all {
			j.want(t, "rrhealth.json was missing: continuing with "+state.TempPrefix)
			wantNames(t, dir, state.FileName)
		} else {
			j.want(t)
			wantNames(t, dir)
		}
	}
}

// A server that is killed while it sets a file aside loses nothing of it.
func TestAKilledStartKeepsATornFile(t *testing.T) {
	const content = `{"format":"rrhealth-state","version":1,"saved`
	for step, aside := range map[string]bool{"1 set aside": false, "1 create": true, "1 rename": true} {
		dir := t.TempDir()
		write(t, dir, []byte(content))
		if s := start(t, "save", dir, step); !s.killed() {
			t.Fatalf("%s: %v, want a kill", step, s.ProcessState)
		}
		if got := slices.Contains(names(t, dir), state.FileName); got == aside {
			t.Errorf("%s: files %q", step, names(t, dir))
		}
		var j journal
		open(t, dir, &j)
		all := names(t, dir)
		last := len(all) - 1 // a complete temporary file may have replaced it
		if last < 0 || !strings.HasPrefix(all[last], state.FileName+".torn-") || readFile(t, dir, all[last]) != content {
			t.Errorf("%s: files %q, want the torn one set aside", step, all)
		}
	}
}

// Killed at any moment, a server has at least what it has reported as saved.
func TestAServerKilledAtAnyMomentKeepsWhatItHasSaved(t *testing.T) {
	dir := t.TempDir()
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		s := start(t, "save on", dir, "")
		last := ""
		for range 1 + rand.IntN(5) {
			last = s.line()
		}
		if err := s.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for s.out.Scan() { // what it printed meanwhile
			last = s.out.Text()
		}
		if !s.killed() {
			t.Fatalf("%v (%s), want a kill", s.ProcessState, last)
		}
		reported, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		if got := saved(t, dir).N; got != reported && got != reported+1 {
			t.Fatalf("content of save %d, want %d or the next", got, reported)
		}
	}
}

// Each step comes after what it relies on: content is on the disk before its name.
func TestTheStepsOfASave(t *testing.T) {
	var steps []string
	interrupt(t, func(step string) error {
		steps = append(steps, step)
		return nil
	})
	put(t, t.TempDir(), document(1, 0))
	want := "[lock create write end sync rename sync directory saved]"
	if got := fmt.Sprint(steps); got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
}

// The rename of FAT removes the old name first. What a crash in between leaves is a
// complete temporary file.
func TestACompleteTemporaryFileReplacesAMissingOne(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, state.TempPrefix+"1", state.Seal(1, noon, `{"n":1,"fill":[]}`))
	writeFile(t, dir, state.TempPrefix+"2", state.Seal(1, noon.Add(1e9), `{"n":2,"fill":[]}`))
	writeFile(t, dir, state.TempPrefix+"3", state.Seal(1, noon, `{"n":3,"fill":[]}`))
	writeFile(t, dir, state.TempPrefix+"4", state.Seal(1, noon.Add(2e9), `{"n":4}`)[:90])
	writeFile(t, dir, state.TempPrefix+"5", state.Seal(2, noon.Add(2e9), `{"n":5}`))
	var j journal
	d := open(t, dir, &j)
	j.want(t, state.FileName+" was missing: continuing with "+state.TempPrefix+"2, which is complete")
	var got doc
	if at, ok := d.Load(&got); !ok || got.N != 2 || !at.Equal(noon.Add(1e9)) {
		t.Errorf("loaded %d of %v, %t, want 2", got.N, at, ok)
	}
	wantNames(t, dir, state.FileName)
	_ = d.Close()
	if got := saved(t, dir).N; got != 2 {
		t.Errorf("document %d, want 2", got)
	}
}

// A temporary file next to a good one is that of a save that a crash has ended.
func TestTemporaryFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, document(1, 0))
	writeFile(t, dir, state.TempPrefix+"1", state.Seal(1, noon.AddDate(1, 0, 0), `{"n":2,"fill":[]}`))
	writeFile(t, dir, state.TempPrefix+"2", nil)
	writeFile(t, dir, "notes.txt", nil)
	if err := os.Mkdir(filepath.Join(dir, state.TempPrefix+"3"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := saved(t, dir).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
	wantNames(t, dir, state.FileName, "notes.txt")
}
