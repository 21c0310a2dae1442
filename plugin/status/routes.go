package status

import (
	"net/http"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// A route is what a path serves.
type route struct {
	accepted []string // parameters
	states   []string // values of the parameter state
	json     answerer
	bounded  bool // there are few URLs of it without parameters: they are always rendered
}

var routes = map[string]route{
	api.PathStatus:    {json: answerStatus, bounded: true},
	api.PathPools:     {json: answerPools, bounded: true, states: poolStates, accepted: []string{api.ParamSearch, api.ParamState, api.ParamPool, api.ParamLimit, api.ParamOffset}},
	api.PathBackends:  {json: answerBackends, bounded: true, states: backendStates, accepted: []string{api.ParamSearch, api.ParamState, api.ParamPool, api.ParamAddress, api.ParamLimit, api.ParamOffset}},
	api.PathOverrides: {json: answerOverrides, bounded: true, accepted: []string{api.ParamPool, api.ParamAddress}},
	api.PathHistory:   {json: answerHistory, accepted: []string{api.ParamPool, api.ParamAddress, api.ParamSince}},
	api.PathExplain:   {json: answerExplain, accepted: []string{api.ParamName, api.ParamType, api.ParamClient, api.ParamAt}},
	api.PathWhatIf:    {json: answerWhatIf, accepted: []string{api.ParamSelector, api.ParamPool}},
	api.PathSchema:    {json: answerSchema, bounded: true},
}

// A request is a GET on the way to its answer.
type request struct {
	path, rawQuery string
	html           bool // the client prefers HTML to text
}

func newRequest(r *http.Request) request {
	return request{r.URL.Path, r.URL.RawQuery, strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html")}
}

// key identifies the answer within a generation.
func (r request) key() string {
	kind := "t"
	if r.html {
		kind = "h"
	}
	return kind + r.path + "?" + r.rawQuery
}

// render returns the answer of r from g.
func (s *Server) render(g *generation, r request) *body {
	route, ok := routes[r.path]
	if !ok {
		return s.failure(r, refusal(http.StatusNotFound, "no such path (got "+shorten(r.path, 100)+"); see "+api.PathStatus))
	}
	q, err := parseQuery(r.rawQuery, route.accepted, route.states)
	if err != nil {
		return s.failure(r, err)
	}
	answer, err := route.json(s, g.model, q)
	if err != nil {
		return s.failure(r, err)
	}
	return s.jsonBody(http.StatusOK, answer)
}

// jsonBody returns an answer as JSON.
func (s *Server) jsonBody(code int, answer any) *body {
	text, err := encode(answer)
	if err != nil {
		s.warn("status: %v", err)
		code, text = http.StatusInternalServerError, []byte(`{"error":"internal error; see the log","effects":[]}`+"\n")
	}
	return &body{code: code, contentType: typeJSON, plain: text}
}

// failure returns the answer for an error. What is inside an error that is not for
// clients goes to the log only.
func (s *Server) failure(r request, err error) *body {
	e, ok := asRefusal(err)
	if !ok {
		s.warn("status: %s: %v", r.path, err)
		e = refusal(http.StatusInternalServerError, "internal error; see the log")
	}
	code := e.Code
	if code < 400 || code > 599 {
		code = http.StatusBadRequest
	}
	return s.jsonBody(code, *e)
}
