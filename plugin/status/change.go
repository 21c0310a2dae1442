package status

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// longestChange is how many bytes the body of a POST may have.
const longestChange = 64 << 10

// change makes the change in the body of a POST at the control socket.
func (s *Server) change(r *http.Request) *body {
	in := request{path: r.URL.Path}
	c, err := readChange(r)
	if err != nil {
		return s.failure(in, err)
	}
	m := memberOf(r.Context())
	if m == nil {
		return s.failure(in, errors.New("no connection"))
	}
	by, err := peer(m.Conn)
	if err != nil {
		return s.failure(in, err)
	}
	// Also after an error: part of it may have happened.
	defer s.cache.renew()
	changed, err := s.service.Change(c, by)
	if err != nil {
		return s.failure(in, refusedChange(err))
	}
	return s.jsonBody(http.StatusOK, changed)
}

// refusedChange gives an *api.Error without a code one: a conflict if the Change
// was refused for its effects.
func refusedChange(err error) error {
	if e, ok := asRefusal(err); ok && len(e.Effects) > 0 {
		return withCode(err, http.StatusConflict)
	}
	return withCode(err, http.StatusBadRequest)
}

// readChange reads the body of r. No browser can connect to a Unix socket; a
// program that forwards its requests there must not make them changes, so what
// only browsers send is refused, and so are the types that a form can send.
func readChange(r *http.Request) (c api.Change, err error) {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return c, refusal(http.StatusForbidden, "request from a browser (got Origin or Sec-Fetch-Site); use rrhealthctl or curl")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != typeJSON {
		return c, refusal(http.StatusUnsupportedMediaType, "body: not JSON (got Content-Type "+shorten(r.Header.Get("Content-Type"), 40)+"); send Content-Type: "+typeJSON)
	}
	if r.URL.RawQuery != "" {
		return c, unknownParameter(r.URL.RawQuery, nil)
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, longestChange))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return c, refusal(http.StatusRequestEntityTooLarge, "body: too long; at most 64 kB")
	} else if err != nil {
		return c, refusal(http.StatusBadRequest, "body: "+err.Error())
	}
	body := json.NewDecoder(strings.NewReader(string(text)))
	body.DisallowUnknownFields()
	if err := body.Decode(&c); err != nil {
		return c, refusal(http.StatusBadRequest, "body: "+shorten(err.Error(), 200)+"; send a Change, see "+api.PathSchema)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return c, refusal(http.StatusBadRequest, "body: more than one value; send one Change")
	}
	if c.Selectors == nil {
		c.Selectors = []string{}
	}
	return c, nil
}
