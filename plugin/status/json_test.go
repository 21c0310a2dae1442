package status

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// pointer escapes a name for a JSON pointer in a URL.
var pointer = strings.NewReplacer("~", "~0", "/", "~1", " ", "%20")

// compiler has schema.json.
var compiler = sync.OnceValues(func() (*jsonschema.Compiler, error) {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.Schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	return c, c.AddResource("https://example.com/schema", schema)
})

// compiled returns the schema that schema.json has under a name in a group.
func compiled(t *testing.T, group, name string) *jsonschema.Schema {
	t.Helper()
	c, err := compiler()
	if err != nil {
		t.Fatal(err)
	}
	part, err := c.Compile("https://example.com/schema#/" + group + "/" + pointer.Replace(name))
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// validate complains if text is not what schema.json says of it.
func validate(t *testing.T, group, name, text string) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := compiled(t, group, name).Validate(value); err != nil {
		t.Errorf("%v\nin %s", err, text)
	}
	if strings.Contains(text, "null") {
		t.Errorf("%s has a null", text)
	}
}

// Every path answers what the schema says, for many backends, few and none, and
// at both servers alike.
func TestEveryPathAnswersByTheSchema(t *testing.T) {
	for _, n := range []int{0, 1, 120} {
		s := startSite(t, n)
		paths := []string{
			api.PathStatus, api.PathPools, api.PathBackends, api.PathBackends + "?limit=1000", api.PathOverrides,
			api.PathExplain + "?name=www.example.com.&type=aaaa&client=192.0.2.1&at=2026-03-01T12:00:00Z",
			api.PathExplain + "?name=www.example.com.",
			api.PathWhatIf + "?selector=10.0.0.*&selector=tier%3D1&pool=pool0.example.com.",
		}
		paths = append(paths, api.PathHistory, api.PathHistory+"?since=2026-03-01T11:30:00Z")
		if n > 0 {
			paths = append(paths, api.PathHistory+"?pool=pool0.example.com", api.PathHistory+"?address=10.0.0.0", api.PathHistory+"?pool=www.pool0.example.com&address=10.0.0.0")
		}
		for _, path := range paths {
			got := s.get(path)
			if got.code != http.StatusOK || got.header.Get("Content-Type") != "application/json" || !strings.HasSuffix(got.text, "\n") {
				t.Fatalf("%s: %d %v %s", path, got.code, got.header, got.text)
			}
			bare, _, _ := strings.Cut(path, "?")
			validate(t, "paths", "GET "+bare, got.text)
			if control := do(t, onSocket(t, s.control), http.MethodGet, "http://rrhealth"+path, ""); control.text != got.text {
				t.Errorf("%s: the control socket has %s\nthe status port %s", path, control.text, got.text)
			}
		}
		var schema bytes.Buffer
		if err := json.Compact(&schema, api.Schema); err != nil {
			t.Fatal(err)
		}
		if got := s.get(api.PathSchema); strings.TrimSpace(got.text) != schema.String() {
			t.Errorf("the schema that is served is another: %s", got.text)
		}
		s.Close()
	}
}

// The schema can fail: otherwise the tests above would say nothing.
func TestTheSchemaRefusesWhatIsWrong(t *testing.T) {
	override := compiled(t, "$defs", "Override")
	for _, text := range []string{
		`{}`, `null`, `{"id":1,"pool":null,"address":"","set":"drain","weight":0,"author":"","reason":"","since":"","until":"","orphaned":false}`,
		`{"id":1,"pool":"","address":"","set":"drain","weight":0,"author":"","reason":"","since":"yesterday","until":"","orphaned":false}`,
		`{"id":1,"pool":"","address":"","set":"explode","weight":0,"author":"","reason":"","since":"","until":"","orphaned":false}`,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if override.Validate(value) == nil {
			t.Errorf("%s is an Override by the schema", text)
		}
	}
}

// Errors have a status code, a body by the schema, and name what is accepted.
func TestErrors(t *testing.T) {
	s := startSite(t, 10)
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/api/v1/nothing":                                         {404, "no such path (got /api/v1/nothing)"},
		"/api/v1/backends/":                                       {404, "no such path"},
		api.PathBackends + "?colour=red":                          {400, "unknown parameter (got colour); use search, state, pool, address, limit, offset"},
		api.PathStatus + "?x=1":                                   {400, "unknown parameter (got x); there is none here"},
		api.PathStatus + "?x=1&a=2":                               {400, "(got a)"},
		api.PathBackends + "?limit=0":                             {400, "parameter limit: not a number that is allowed (got 0); give one from 1 to 1000"},
		api.PathBackends + "?limit=1001":                          {400, "from 1 to 1000"},
		api.PathBackends + "?limit=1&limit=2":                     {400, "parameter limit: given twice"},
		api.PathBackends + "?offset=-1":                           {400, "parameter offset"},
		api.PathBackends + "?offset=99999999999999999":            {400, "parameter offset"},
		api.PathBackends + "?state=red":                           {400, "parameter state: unknown (got red); use down, unknown, held_down, drained, up"},
		api.PathPools + "?state=down":                             {400, "use all_down, short, degraded, ok"},
		api.PathBackends + "?address=10.0.0":                      {400, "parameter address: not an address (got 10.0.0)"},
		api.PathBackends + "?search=" + strings.Repeat("x", 1025): {400, "parameter search: too long (got 1025 bytes)"},
		api.PathBackends + "?search=%zz":                          {400, "query: "},
		api.PathBackends + "?a;b":                                 {400, "query: "},
		api.PathHistory + "?pool=none.example.com":                {404, "no such backend (got none.example.com)"},
		api.PathHistory + "?address=192.0.2.1":                    {404, "no such backend"},
		api.PathExplain:                                           {400, "no name"},
		api.PathExplain + "?name=a.example.org":                   {404, "no pool or filter for a.example.org"},
		api.PathExplain + "?name=a&client=x":                      {400, "parameter client"},
		api.PathExplain + "?name=a&at=noon":                       {400, "parameter at"},
		api.PathWhatIf + "?set=drain":                             {400, "unknown parameter (got set); use selector, pool"},
		api.PathWhatIf:                                            {400, "selector: nothing given"},
		api.PathWhatIf + "?selector=x&selector=192.0.2.1":         {400, "selector: not an address"},
		api.PathHistory + "?since=1":                              {400, "parameter since: not a time (got 1)"},
		api.PathWhatIf + "?selector=192.0.2.2":                    {400, "selector: nothing matches"},
		api.PathWhatIf + "?selector=192.0.2.1":                    {500, "internal error; see the log"},
	} {
		got := s.get(path)
		var e api.Error
		got.into(t, &e)
		if got.code != want.code || !strings.Contains(e.Problem, want.text) {
			t.Errorf("%s: %d %q, want %d %q", path, got.code, e.Problem, want.code, want.text)
		}
		validate(t, "$defs", "Error", got.text)
	}
}

// What is inside an error of the server is for its log: a path or a token in it is
// none of the clients' business. Its panic ends one request.
func TestInternalErrorsAreLoggedAndNotShown(t *testing.T) {
	s := startSite(t, 10)
	got := s.get(api.PathWhatIf + "?selector=192.0.2.1")
	if strings.Contains(got.text, "hunter2") || strings.Contains(got.text, "/secret") {
		t.Errorf("shown: %s", got.text)
	}
	s.mu.Lock()
	if len(s.warned) != 1 || !strings.Contains(s.warned[0], "hunter2") {
		t.Errorf("logged %q, want the error once", s.warned)
	}
	s.mu.Unlock()
	for range 2 * renderers { // a slot that is not given back would block the last ones
		if r, err := client(t).Get("http://" + s.Addr() + api.PathWhatIf + "?selector=192.0.2.3"); err == nil {
			r.Body.Close()
			t.Errorf("a panic was answered %s", r.Status)
		}
	}
	if got := s.get(api.PathStatus); got.code != http.StatusOK {
		t.Errorf("after a panic: %d", got.code)
	}
}

// complete copies what it changes.
func TestCompleteChangesNothing(t *testing.T) {
	e := api.Effects{Effects: []api.Effect{{Pool: "a"}}}
	got := complete(e).(api.Effects)
	if got.Matched == nil || got.Effects[0].Members == nil || got.Effects[0].Pool != "a" {
		t.Errorf("got %#v, want empty slices", got)
	}
	if e.Matched != nil || e.Effects[0].Members != nil {
		t.Errorf("changed %#v", e)
	}
}

// The status port compresses what it keeps.
func TestAnswersAreCompressed(t *testing.T) {
	s := startSite(t, 250)
	plain := s.get(api.PathBackends, "Accept-Encoding", "identity")
	if plain.header.Get("Content-Encoding") != "" || plain.header.Get("Content-Length") == "" {
		t.Errorf("header %v, want no encoding and a length", plain.header)
	}
	for accept, want := range map[string]string{
		"gzip": "gzip", "br, gzip;q=0.5": "gzip", "deflate,GZIP": "gzip", "gzip;q=0": "", "gzip;q=0.000": "", "br": "", "xgzip": "",
	} {
		got := s.get(api.PathBackends, "Accept-Encoding", accept)
		if got.header.Get("Content-Encoding") != want || want != "" && 4*len(got.text) > len(plain.text) {
			t.Errorf("%s: encoding %q, %d bytes of %d, want %q", accept, got.header.Get("Content-Encoding"), len(got.text), len(plain.text), want)
		}
	}
	if got := s.get(api.PathBackends); got.text != plain.text { // net/http decompresses
		t.Error("the compressed answer is another")
	}
}
