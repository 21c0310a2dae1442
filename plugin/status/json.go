package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

const typeJSON = "application/json"

// An answerer returns the JSON of a path. The value is a copy down to the slices
// that complete may replace.
type answerer func(s *Server, m *Model, q query) (any, error)

func answerStatus(_ *Server, m *Model, _ query) (any, error) { return m.Status, nil }

func answerPools(_ *Server, m *Model, q query) (any, error) {
	some, total := page(m.Pools, q, q.pools())
	return api.Pools{Total: total, Offset: q.offset, Pools: some}, nil
}

func answerBackends(_ *Server, m *Model, q query) (any, error) {
	some, total := page(m.Backends, q, q.backends(m))
	return api.Backends{Total: total, Offset: q.offset, Backends: some}, nil
}

func answerOverrides(_ *Server, m *Model, q query) (any, error) {
	q.limit = len(m.Overrides) // all: there is no total to page by
	some, _ := page(m.Overrides, q, q.overrides())
	return api.Overrides{Overrides: some}, nil
}

func answerHistory(s *Server, m *Model, q query) (any, error) {
	all := s.history(m, q)
	if len(all) == 0 && (q.pool != "" || q.address != "") {
		return nil, refusal(http.StatusNotFound, "history: no such backend (got "+shorten(strings.TrimSpace(q.pool+" "+q.address), 100)+"); see "+api.PathBackends)
	}
	all = after(all, q.since)
	total := len(all)
	if total > api.MaxLimit {
		slices.SortStableFunc(all, func(a, b api.History) int { return latest(b).Compare(latest(a)) })
		all = all[:api.MaxLimit]
	}
	return api.Histories{Total: total, Histories: all}, nil
}

// after returns the histories with events after since, and those events. The zero
// time is before all.
func after(all []api.History, since time.Time) []api.History {
	if since.IsZero() {
		return slices.Clone(all)
	}
	var some []api.History
	for _, h := range all {
		n := slices.IndexFunc(h.Events, func(e api.Event) bool { return !e.At.After(since) })
		if n >= 0 {
			h.Events = h.Events[:n]
		}
		if len(h.Events) > 0 {
			some = append(some, h)
		}
	}
	return some
}

// latest returns when the last event of h was.
func latest(h api.History) time.Time {
	if len(h.Events) == 0 {
		return time.Time{}
	}
	return h.Events[0].At.Time
}

// history returns the events of the pools that have the name q.pool, be it not
// their first one.
func (s *Server) history(m *Model, q query) []api.History {
	if q.pool == "" {
		return s.service.History("", q.address)
	}
	var all []api.History
	asked := make(map[string]bool)
	for _, p := range q.namedPools(m) {
		if !asked[p.Name] {
			asked[p.Name] = true
			all = append(all, s.service.History(p.Name, q.address)...)
		}
	}
	return all
}

func answerExplain(s *Server, _ *Model, q query) (any, error) {
	if q.name == "" {
		return nil, refusal(http.StatusBadRequest, "explain: no name; give name=NAME")
	}
	return orRefuse(http.StatusNotFound)(s.service.Explain(q.name, q.qtype, q.client, q.at))
}

func answerWhatIf(s *Server, _ *Model, q query) (any, error) {
	if _, err := api.ParseSelectors(q.selectors); err != nil {
		return nil, refusal(http.StatusBadRequest, shorten(err.Error(), 300))
	}
	return orRefuse(http.StatusBadRequest)(s.service.WhatIf(api.Change{Set: "down", Selectors: q.selectors, Pool: q.pool, DryRun: true}))
}

func answerSchema(*Server, *Model, query) (any, error) { return json.RawMessage(api.Schema), nil }

// orRefuse returns a function that gives an *api.Error without a code the given
// one.
func orRefuse(code int) func(v any, err error) (any, error) {
	return func(v any, err error) (any, error) { return v, withCode(err, code) }
}

// withCode returns err, with a code if it is an *api.Error that has none.
func withCode(err error, code int) error {
	if e, ok := asRefusal(err); ok && e.Code == 0 {
		with := *e
		with.Code = code
		return &with
	}
	return err
}

// encode returns v as JSON, with a new line at the end.
func encode(v any) ([]byte, error) {
	text, err := json.Marshal(complete(v))
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return append(text, '\n'), nil
}

// complete returns v with an empty slice for each nil one, which would be null.
// What it changes it copies: the Model belongs to other goroutines too.
func complete(v any) any {
	if _, raw := v.(json.RawMessage); raw {
		return v
	}
	return completed(reflect.ValueOf(v)).Interface()
}

func completed(v reflect.Value) reflect.Value {
	if !hasSlice(v.Type()) {
		return v
	}
	if v.Kind() == reflect.Slice {
		all := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(all, v)
		for i := range all.Len() {
			all.Index(i).Set(completed(v.Index(i)))
		}
		return all
	}
	whole := reflect.New(v.Type()).Elem()
	whole.Set(v)
	for i := 0; i < whole.NumField(); i++ { //nolint:modernize,intrange // Fields allocates for each field
		if f := whole.Field(i); hasSlice(f.Type()) {
			f.Set(completed(f))
		}
	}
	return whole
}

// sliced has what hasSlice has found, by type: it is called for each value.
var sliced sync.Map

// hasSlice reports whether a value of type t is a slice or has one, as far as the
// types of package api go.
func hasSlice(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice:
		return true
	case reflect.Struct:
		if known, ok := sliced.Load(t); ok {
			return known.(bool)
		}
		has := false
		for f := range t.Fields() {
			has = has || f.IsExported() && !f.Anonymous && hasSlice(f.Type)
		}
		sliced.Store(t, has)
		return has
	}
	return false
}
