package status

import (
	"net/http"
	"os/user"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// A Change reaches the Service as it was sent, with the user at the other end of
// the socket.
func TestAChangeIsMade(t *testing.T) {
	s := startSite(t, 10)
	got := s.post(`{"set":"drain","selectors":["10.0.0.1","tier=1"],"pool":"pool0.example.com","author":"alice","reason":"update","for":3600}`, "Content-Type", "application/json; charset=utf-8")
	if got.code != http.StatusOK {
		t.Fatalf("%d %s", got.code, got.text)
	}
	validate(t, "paths", "POST "+api.PathOverrides, got.text)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if s.by[0] != me.Username {
		t.Errorf("by %q, want %q", s.by[0], me.Username)
	}
	if c := s.changes[0]; c.Set != "drain" || len(c.Selectors) != 2 || c.Author != "alice" || c.For != 3600 || c.Force {
		t.Errorf("got %+v", c)
	}
}

// A Change that is refused for what it would do says what that is.
func TestARefusedChangeIsAConflict(t *testing.T) {
	s := startSite(t, 10)
	got := s.post(`{"set":"down","pool":"pool0.example.com"}`)
	var e api.Error
	got.into(t, &e)
	if got.code != http.StatusConflict || len(e.Effects) != 1 || !e.Effects[0].Unsafe || e.Problem != "fewer than min_up" {
		t.Errorf("%d %s", got.code, got.text)
	}
	validate(t, "$defs", "Error", got.text)
	if got := s.post(`{"set":"down","force":true}`); got.code != http.StatusOK {
		t.Errorf("by force: %d %s", got.code, got.text)
	}
}

// What is not a Change does not reach the Service.
func TestWhatIsNoChangeIsRefused(t *testing.T) {
	s := startSite(t, 10)
	for _, tc := range []struct {
		body, name, value string
		code              int
		text              string
	}{
		{`{"set":"drain"}`, "Origin", "https://evil.example", 403, "browser"},
		{`{"set":"drain"}`, "Origin", "null", 403, "browser"},
		{`{"set":"drain"}`, "Sec-Fetch-Site", "cross-site", 403, "browser"},
		{`{"set":"drain"}`, "Sec-Fetch-Site", "same-origin", 403, "browser"},
		{`{"set":"drain"}`, "Content-Type", "text/plain", 415, "got Content-Type text/plain"},
		{`{"set":"drain"}`, "Content-Type", "application/x-www-form-urlencoded", 415, "send Content-Type: application/json"},
		{`{"set":"drain"}`, "Content-Type", "application/jsonx", 415, ""},
		{`{"set":"drain"}`, "Content-Type", ";", 415, ""},
		{``, "", "", 400, "body: EOF"},
		{`drain`, "", "", 400, "body: invalid"},
		{`{"set":"drain"`, "", "", 400, "body: unexpected EOF"},
		{`{"set":5}`, "", "", 400, "cannot unmarshal number"},
		{`{"sets":"drain"}`, "", "", 400, `unknown field "sets"`},
		{`{"set":"drain"} {}`, "", "", 400, "more than one value"},
		{`{"until":"tomorrow"}`, "", "", 400, "time: "},
		{`{"reason":"` + strings.Repeat("x", longestChange) + `"}`, "", "", 413, "at most 64 kB"},
	} {
		var header []string
		if tc.name != "" {
			header = []string{tc.name, tc.value}
		}
		got := s.post(tc.body, header...)
		if got.code != tc.code || !strings.Contains(got.text, strings.ReplaceAll(tc.text, `"`, `\"`)) {
			t.Errorf("%.30s with %s %s: %d %s, want %d %q", tc.body, tc.name, tc.value, got.code, got.text, tc.code, tc.text)
		}
		validate(t, "$defs", "Error", got.text)
	}
	if got := do(t, onSocket(t, s.control), http.MethodPost, "http://rrhealth"+api.PathOverrides+"?force=1", `{"set":"drain"}`, "Content-Type", "application/json"); got.code != 400 {
		t.Errorf("with a parameter: %d", got.code)
	}
	if len(s.changes) > 0 {
		t.Errorf("changes were made: %+v", s.changes)
	}
}

// After a Change, answers have its effect at once; all others wait for a second.
func TestAChangeIsSeenAtOnce(t *testing.T) {
	s := startSite(t, 10)
	total := func() int {
		var got api.Overrides
		s.get(api.PathOverrides).into(t, &got)
		return len(got.Overrides)
	}
	before := total()
	with := *s.model.Load()
	with.Overrides = append(with.Overrides, api.Override{ID: 100, Set: "drain"})
	s.model.Store(&with)
	if got := s.post(`{"set":"drain"}`); got.code != http.StatusOK {
		t.Fatalf("%d %s", got.code, got.text)
	}
	if got := total(); got != before+1 {
		t.Errorf("%d overrides after the change, want %d", got, before+1)
	}
}
