package state

import (
	"bufio"
	"cmp"
	"encoding"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
)

const (
	// pieceLength is how many elements without parts of their own are encoded at once.
	pieceLength = 256
	// maxDepth bounds how deep a value is taken apart. Beyond it json.Marshal
	// finds the pointers that lead in a circle.
	maxDepth = 32
)

// stream writes what json.Marshal returns for v, piece by piece: json's Encoder
// holds all of it in memory, which for 10,000 backends with a history is 50 MB.
func stream(w *bufio.Writer, v any) error {
	e := encoder{w: w, shapes: make(map[reflect.Type]*shape)}
	return e.value(reflect.ValueOf(v), 0)
}

// An encoder writes values.
type encoder struct {
	w      *bufio.Writer
	shapes map[reflect.Type]*shape
}

// A shape says how values of a type are encoded.
type shape struct {
	parts  bool    // taken apart
	flat   bool    // without parts that may be long
	fields []field // of a struct that is taken apart
}

// A field is one of a struct.
type field struct {
	index int
	name  string // as in `"name":`
}

// value writes v.
func (e *encoder) value(v reflect.Value, depth int) error {
	if !v.IsValid() {
		return e.text("null")
	}
	s := e.shape(v.Type())
	if !s.parts || depth > maxDepth {
		return e.whole(v)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return e.value(v.Elem(), depth+1)
		}
	case reflect.Struct:
		return e.structure(v, s, depth+1)
	case reflect.Map:
		if !v.IsNil() && !e.short(v) {
			return e.object(v, depth+1)
		}
	case reflect.Slice:
		if !v.IsNil() && !e.short(v) {
			return e.array(v, depth+1)
		}
	}
	return e.whole(v)
}

// short reports whether v has few elements, and none with parts of its own.
func (e *encoder) short(v reflect.Value) bool {
	return v.Len() <= pieceLength && e.shape(v.Type().Elem()).flat
}

// whole writes v at once.
func (e *encoder) whole(v reflect.Value) error {
	if v.CanAddr() { // its methods may have pointer receivers
		v = v.Addr()
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return err
	}
	_, err = e.w.Write(b)
	return err
}

// text writes s.
func (e *encoder) text(s string) error {
	_, err := e.w.WriteString(s)
	return err
}

// list writes n parts between brackets, with commas between them.
func (e *encoder) list(brackets string, n int, part func(i int) error) error {
	before := brackets[:1]
	for i := range n {
		if err := e.text(before); err != nil {
			return err
		}
		if err := part(i); err != nil {
			return err
		}
		before = ","
	}
	if n == 0 {
		return e.text(brackets)
	}
	return e.text(brackets[1:])
}

// structure writes the struct v.
func (e *encoder) structure(v reflect.Value, s *shape, depth int) error {
	return e.list("{}", len(s.fields), func(i int) error {
		if err := e.text(s.fields[i].name); err != nil {
			return err
		}
		return e.value(v.Field(s.fields[i].index), depth)
	})
}

// array writes the slice v.
func (e *encoder) array(v reflect.Value, depth int) error {
	return e.list("[]", v.Len(), func(i int) error { return e.value(v.Index(i), depth) })
}

// object writes the map v, in the order of its keys.
func (e *encoder) object(v reflect.Value, depth int) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	return e.list("{}", len(keys), func(i int) error {
		if err := e.whole(reflect.ValueOf(keys[i].String())); err != nil {
			return err
		}
		if err := e.text(":"); err != nil {
			return err
		}
		return e.value(v.MapIndex(keys[i]), depth)
	})
}

// shape returns the shape of t.
func (e *encoder) shape(t reflect.Type) *shape {
	s := e.shapes[t]
	if s == nil {
		s = &shape{}
		e.shapes[t] = s // t may contain itself
		e.find(t, s)
	}
	return s
}

// find finds the shape of t.
func (e *encoder) find(t reflect.Type, s *shape) {
	if encodesItself(t) {
		s.flat = true
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		s.parts = true
	case reflect.Slice:
		s.parts = t.Elem().Kind() != reflect.Uint8 // bytes are one string
	case reflect.Map:
		s.parts = t.Key().Kind() == reflect.String
	case reflect.Struct:
		s.flat = true
		for f := range t.Fields() {
			s.flat = s.flat && e.shape(f.Type).flat
		}
		if !s.flat {
			s.fields, s.parts = fields(t)
		}
	case reflect.Array:
		s.flat = t.Len() <= pieceLength && e.shape(t.Elem()).flat
	default:
		s.flat = true
	}
}

// encodesItself reports whether values of t have a method that encodes them.
func encodesItself(t reflect.Type) bool {
	for _, method := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(method) || reflect.PointerTo(t).Implements(method) {
			return true
		}
	}
	return false
}

var plainName = regexp.MustCompile(`^\w+$`)

// fields returns the fields of struct t that are encoded. ok is false if one needs
// more of json's rules than its name: then t is encoded as a whole.
func fields(t reflect.Type) (all []field, ok bool) {
	names := make(map[string]bool)
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("json")
		switch {
		case f.Anonymous:
			return nil, false
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		if !plainName.MatchString(name) || names[name] {
			return nil, false
		}
		names[name] = true
		all = append(all, field{i, `"` + name + `":`})
	}
	return all, true
}
