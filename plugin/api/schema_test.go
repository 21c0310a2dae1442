package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write schema.json anew")

// object keeps the order of the properties, which that of a map would lose.
type object []property

type property struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		name, _ := json.Marshal(p.name)
		value, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// answers are the types that paths answer, and what POST takes.
var answers = []struct {
	path, method string
	value        any
}{
	{PathStatus, "GET", Status{}},
	{PathPools, "GET", Pools{}},
	{PathBackends, "GET", Backends{}},
	{PathOverrides, "GET", Overrides{}},
	{PathOverrides, "POST", Changed{}},
	{PathHistory, "GET", Histories{}},
	{PathExplain, "GET", Explanation{}},
	{PathWhatIf, "GET", Effects{}},
}

// values lists the values of fields that have only these.
var values = map[string][]string{
	"Pool.state":        {"ok", "degraded", "short", "all_down"},
	"Backend.probed":    {"up", "down", "unknown"},
	"Backend.effective": {"up", "down", "unknown", "held_down", "drained"},
	"Backend.why":       Rules[:],
	"Check.state":       {"up", "down", "unknown"},
	"Override.set":      {"drain", "down", "up", "weight"},
	"Change.set":        {"drain", "down", "up", "weight", "auto"},
	"Effect.type":       {"A", "AAAA"},
	"Event.kind":        {"state", "held_down", "released", "overridden", "override_ended"},
	"Event.state":       {"up", "down", "unknown"},
	"Reason.rule":       Rules[:],
}

// A schema is made of the types, with their comments as descriptions.
type schema struct {
	comments map[string]string
	defs     object
	done     map[string]bool
}

func (s *schema) of(t reflect.Type) any {
	switch t.Kind() {
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int, reflect.Uint64:
		return object{{"type", "integer"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Slice:
		return object{{"type", "array"}, {"items", s.of(t.Elem())}}
	case reflect.Struct:
		if !s.done[t.Name()] {
			s.done[t.Name()] = true
			s.define(t)
		}
		return object{{"$ref", "#/$defs/" + t.Name()}}
	}
	panic("a type without a schema: " + t.String())
}

func (s *schema) define(t reflect.Type) {
	if t == reflect.TypeFor[Time]() {
		s.defs = append(s.defs, property{"Time", object{
			{"description", s.comments["Time"]}, {"type", "string"},
			{"pattern", `^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?$`},
		}})
		return
	}
	at := len(s.defs)
	s.defs = append(s.defs, property{t.Name(), nil}) // before those that its fields need
	var fields object
	var required []string
	for f := range t.Fields() {
		name := f.Tag.Get("json")
		if name == "-" {
			continue
		}
		field := s.of(f.Type).(object)
		if allowed := values[t.Name()+"."+name]; allowed != nil {
			field = append(field, property{"enum", allowed})
		}
		if comment := s.comments[t.Name()+"."+f.Name]; comment != "" {
			field = append(field, property{"description", comment})
		}
		fields = append(fields, property{name, field})
		required = append(required, name)
	}
	s.defs[at].value = object{{"description", s.comments[t.Name()]}, {"type", "object"}, {"properties", fields}, {"required", required}}
}

// commentsOf returns the comments of types and fields in Go files.
func commentsOf(t *testing.T, files ...string) map[string]string {
	t.Helper()
	comments := make(map[string]string)
	for _, file := range files {
		addComments(t, comments, file)
	}
	return comments
}

// addComments adds the comments of types and fields in a Go file.
func addComments(t *testing.T, comments map[string]string, file string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	flat := func(groups ...*ast.CommentGroup) string {
		var text string
		for _, g := range groups {
			text += g.Text() + " "
		}
		return strings.Join(strings.Fields(text), " ")
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		spec := g.Specs[0].(*ast.TypeSpec)
		comments[spec.Name.Name] = flat(g.Doc)
		if st, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range st.Fields.List {
				for _, name := range field.Names {
					comments[spec.Name.Name+"."+name.Name] = flat(field.Doc, field.Comment)
				}
			}
		}
	}
}

// A program in another language reads schema.json, so it must have what the types
// have.
func TestTheSchemaIsThatOfTheTypes(t *testing.T) {
	s := &schema{comments: commentsOf(t, "api.go", "change.go", "explain.go"), done: make(map[string]bool)}
	var paths object
	var each []object
	for _, a := range answers {
		ref := s.of(reflect.TypeOf(a.value))
		paths = append(paths, property{a.method + " " + a.path, ref})
		each = append(each, ref.(object))
	}
	each = append(each, s.of(reflect.TypeFor[Error]()).(object))
	s.of(reflect.TypeFor[Change]())
	text, err := json.MarshalIndent(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", PathSchema},
		{"title", "The JSON of rrhealth's status port and control socket"},
		{"$comment", "Made from the Go types. paths says which path answers which type; POST takes a Change; every answer whose code is not 200 is an Error. Fields may be added."},
		{"paths", paths},
		{"anyOf", each},
		{"$defs", s.defs},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile("schema.json", text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(Schema, text) {
		t.Error("schema.json is not that of the types; run go generate ./plugin/api")
	}
}

// Every type's fields are in the JSON, and zero values are not left out: no tag
// has an option.
func TestEveryFieldIsInTheJSON(t *testing.T) {
	seen := make(map[reflect.Type]bool)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		if typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[Time]() || seen[typ] {
			return
		}
		seen[typ] = true
		for f := range typ.Fields() {
			tag, ok := f.Tag.Lookup("json")
			if !ok || strings.ContainsAny(tag, ", ") || tag != strings.ToLower(tag) {
				t.Errorf("%s.%s has the tag %q, want a name in lower case, without options", typ, f.Name, tag)
			}
			walk(f.Type)
		}
	}
	for _, a := range answers {
		walk(reflect.TypeOf(a.value))
	}
	walk(reflect.TypeFor[Error]())
	walk(reflect.TypeFor[Change]())
	if len(seen) < 18 {
		t.Errorf("only %d types looked at", len(seen))
	}
}

// Times go through JSON as they are, to the millisecond, and none stays none.
func TestTimesInJSON(t *testing.T) {
	for text, wantErr := range map[string]bool{
		`""`: false, `"2026-03-01T12:00:00.123Z"`: false, `"2026-03-01T12:00:00Z"`: false,
		`"2026-03-01T13:00:00.500+01:00"`: false, `"yesterday"`: true, `5`: true, `"2026-03-01"`: true,
	} {
		var at Time
		err := json.Unmarshal([]byte(text), &at)
		if (err != nil) != wantErr {
			t.Errorf("%s: error %v, want one: %t", text, err, wantErr)
		}
		if err != nil {
			continue
		}
		back, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		var again Time
		if err := json.Unmarshal(back, &again); err != nil || !again.Equal(at.Time) || text == `""` && string(back) != text {
			t.Errorf("%s became %s (%v)", text, back, err)
		}
	}
}
