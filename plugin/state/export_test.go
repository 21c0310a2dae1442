package state

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"time"
)

// Names of files, for the tests.
const (
	FileName   = fileName
	LockName   = lockName
	TempPrefix = tempPrefix
	MaxFile    = maxFile
	PieceSize  = pieceSize
)

// Interrupt has f called before each step that changes a directory. What f returns
// is the step's error.
func Interrupt(f func(step string) error) { interrupt = f }

// Save saves v at once. It is for a Dir without Start.
func (d *Dir) Save(v any) error {
	_, err := d.save(v, d.options.Now())
	return err
}

// Seal returns a good file with payload.
func Seal(version int, saved time.Time, payload string) []byte {
	return SealBody(fmt.Sprintf("%s%d%s%s%s%s", startOfFile, version, beforeSaved, saved.UTC().Format(time.RFC3339), beforeState, payload))
}

// SealBody returns body and its sum.
func SealBody(body string) []byte {
	return fmt.Appendf([]byte(body), endOfFile, sha256.Sum256([]byte(body)))
}

// Parse returns why content is not that of a good file of version 1.
func Parse(content []byte) error {
	if _, p := parse(content, 1); p != nil {
		return fmt.Errorf("%s: %s", p.kind, p.why)
	}
	return nil
}

// Stream writes v to w as a save does.
func Stream(w *bufio.Writer, v any) error { return stream(w, v) }
