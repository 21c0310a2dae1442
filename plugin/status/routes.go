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
	json     answerer // or
	view     viewer
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
	"/":               {view: viewOverview, bounded: true, states: backendStates, accepted: pageParams},
	"/pools":          {view: viewPools, bounded: true, states: poolStates, accepted: pageParams},
	poolPath:          {view: viewPool, states: backendStates, accepted: pageParams},
}

// poolPath is the prefix of the pages of pools.
const poolPath = "/pools/"

// pageParams are the parameters of pages, whose limit is fixed.
var pageParams = []string{api.ParamSearch, api.ParamState, api.ParamOffset}

// find returns the route of path, and the name of the pool in it.
func find(path string) (r route, name string, ok bool) {
	if name, ok := strings.CutPrefix(path, poolPath); ok && name != "" {
		return routes[poolPath], name, true
	}
	r, ok = routes[path]
	return r, "", ok && path != poolPath
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
	route, name, ok := find(r.path)
	if !ok {
		return s.failure(r, refusal(http.StatusNotFound, "no such path (got "+shorten(r.path, 100)+"); see / and "+api.PathStatus))
	}
	q, err := parseQuery(r.rawQuery, route.accepted, route.states)
	if err != nil {
		return s.failure(r, err)
	}
	if route.json != nil {
		answer, err := route.json(s, g.model, q)
		if err != nil {
			return s.failure(r, err)
		}
		return s.jsonBody(http.StatusOK, answer)
	}
	if name != "" {
		q.pool = name
	}
	v, err := route.view(s, g.model, q)
	if err != nil {
		return s.failure(r, err)
	}
	return s.pageBody(http.StatusOK, r, v)
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
	if strings.HasPrefix(r.path, "/api/") {
		return s.jsonBody(code, *e)
	}
	return s.pageBody(code, r, &view{Title: "Error", Problem: shorten(e.Problem, 300)})
}
