package state_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/quick"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// streamed returns what Stream writes, and the largest piece.
func streamed(t *testing.T, v any) (text string, largest int) {
	t.Helper()
	var r recorder
	w := bufio.NewWriter(&r)
	if err := state.Stream(w, v); err != nil {
		t.Fatalf("%T: %v", v, err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return r.String(), r.largest
}

// A recorder notes the largest piece that is written to it.
type recorder struct {
	bytes.Buffer
	largest int
}

func (r *recorder) Write(p []byte) (int, error) {
	r.largest = max(r.largest, len(p))
	return r.Buffer.Write(p)
}

// asJSON fails unless Stream writes v as json does.
func asJSON(t *testing.T, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := streamed(t, v); got != string(want) {
		t.Errorf("%T:\n got %.300s\nwant %.300s", v, got, want)
	}
}

// byPointer is encoded by a method of its pointer.
type byPointer struct{ Parts []int }

func (p *byPointer) MarshalJSON() ([]byte, error) { return json.Marshal(len(p.Parts)) }

// A keyed type is a key that encodes itself.
type keyed string

func (k keyed) MarshalText() ([]byte, error) { return []byte("key " + k), nil }

type node struct {
	Name     string  `json:"name"`
	Children []*node `json:"children"`
}

type embedding struct {
	doc
	Others map[string][]int
}

func many[T any](v T) []T {
	all := make([]T, 300)
	for i := range all {
		all[i] = v
	}
	return all
}

func TestStreamWritesWhatJSONWrites(t *testing.T) {
	one := 1
	for _, v := range []any{
		nil, true, 17, -0.5, "<&>\u2028\xff", []byte("bytes"), many(byte(3)),
		[]int(nil), []int{}, []int{1}, many(1), many(many("a")), [3][]int{{1}, nil, {}}, [0]int{},
		map[string]int(nil), map[string]int{}, map[string]int{"b": 1, "a": 2, "<\xff>": 3},
		map[string][]int{"b": many(1), "a": nil}, map[int][]int{10: {1}, 9: nil}, map[keyed][]int{"b": {1}, "a": nil},
		map[netip.Addr][]int{netip.MustParseAddr("192.0.2.1"): {1}},
		&one, (*int)(nil), []*int{&one, nil}, many(&one), any(&one), []any{nil, 1, "a", []any{many(2)}, map[string]any{"x": nil}},
		time.Date(2026, 11, 24, 12, 0, 0, 1, time.UTC), many(time.Unix(1, 0).UTC()), many(netip.MustParseAddr("2001:db8::1")),
		json.RawMessage(`{"a":1}`), []json.RawMessage{json.RawMessage(`[1]`), nil},
		byPointer{many(1)}, &byPointer{many(1)}, many(byPointer{many(1)}), many(&byPointer{many(1)}), (*byPointer)(nil), struct{ P byPointer }{byPointer{many(1)}}, &struct{ P byPointer }{byPointer{many(1)}},
		map[string]byPointer{"a": {many(1)}}, []any{byPointer{many(1)}},
		struct{}{}, many(struct{}{}), struct{ a, B int }{1, 2}, struct {
			a []int
			B []int `json:"-"`
		}{}, struct {
			A []int `json:"a,omitempty"`
			B []int `json:"b,omitzero"`
			C int   `json:",string"`
		}{nil, []int{1}, 1}, struct {
			A []int `json:"B"`
			B []int
		}{}, struct {
			A []int `json:"<a>"`
			Ä []int
		}{},
		embedding{document(1, 5000), map[string][]int{"a": many(1)}}, many(embedding{}),
		&node{"root", []*node{{"a", nil}, {"b", []*node{}}, nil}}, document(3, 300_000),
	} {
		asJSON(t, v)
	}
}

// nested has values of most kinds in one another, for quick.
type nested struct {
	A map[string][]struct {
		B *[]string `json:"b"`
		C [2]map[string]*float64
		D struct {
			E int8
			F []uint16
			G bool `json:"g,omitempty"`
		}
	}
	H []byte `json:"h_1"`
	I []map[string]struct {
		J string
		K *int
	}
}

func TestStreamWritesRandomValuesAsJSONDoes(t *testing.T) {
	same := func(v nested) bool {
		want, err := json.Marshal(v)
		if err != nil {
			return true
		}
		got, _ := streamed(t, v)
		return got == string(want)
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

// A value that contains itself is an error, as it is for json, and not encoded
// without end.
func TestStreamEndsInACycle(t *testing.T) {
	n := &node{Name: "root"}
	n.Children = []*node{n}
	if err := state.Stream(bufio.NewWriter(new(recorder)), n); err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Errorf("%v, want a cycle", err)
	}
	if err := state.Stream(bufio.NewWriter(new(recorder)), map[string]any{"f": func() {}}); err == nil {
		t.Error("a function is encoded")
	}
}

// However large a state is, its encoding is never in memory at once.
func TestStreamHoldsAPieceInMemory(t *testing.T) {
	for _, v := range []any{backends(100), struct{ Backends []backend }{many(backend{Events: many(event{Reason: "x"})})}, many(many("abc"))} {
		text, largest := streamed(t, v)
		if len(text) < 100*largest {
			t.Errorf("%v: a piece of %d bytes among %d", reflect.TypeOf(v), largest, len(text))
		}
	}
}

// On a single processor a query waits for the goroutine that runs. A save lets it
// run after each piece.
func TestASaveLetsQueriesRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var pieces atomic.Int64
	interrupt(t, func(step string) error {
		if step == "write" {
			pieces.Add(1)
		}
		return nil
	})
	d := open(t, t.TempDir(), &journal{})
	v := document(1, 200*state.PieceSize)
	stop, turns := make(chan struct{}), make(chan int)
	go func() {
		seen := make(map[int64]bool) // after how many pieces there was a turn
		for {
			select {
			case <-stop:
				turns <- len(seen)
				return
			default:
				seen[pieces.Load()] = true
				runtime.Gosched()
			}
		}
	}()
	err := d.Save(v)
	close(stop)
	if n := <-turns; err != nil || n < 150 {
		t.Errorf("turns after %d of %d pieces (%v)", n, pieces.Load(), err)
	}
}
