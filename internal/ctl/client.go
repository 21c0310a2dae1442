package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// answerTimeout is how long a request may take. A server with 100,000 backends
// answers within a second.
const answerTimeout = 20 * time.Second

// maxAnswer bounds what is read of an answer: another program may listen.
const maxAnswer = 256 << 20

// A client asks the server at a socket. It has a function for each path.
type client struct {
	path  string
	http  http.Client
	begin func(doing string) *progress
}

// client returns a client of the server at --control.
func (a *app) client() *client {
	dial := a.Dial
	if dial == nil {
		dial = func(ctx context.Context, path string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
	path := a.control
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		DisableKeepAlives: true,
	}
	return &client{path: path, http: http.Client{Transport: transport, Timeout: answerTimeout}, begin: a.progress}
}

// Status returns the process at a glance.
func (c *client) Status(ctx context.Context) (s api.Status, err error) {
	return s, c.one(ctx, api.PathStatus, nil, &s)
}

// Pools returns all pools that match the query, the worst first.
func (c *client) Pools(ctx context.Context, query url.Values) (all api.Pools, err error) {
	all.Pools = []api.Pool{}
	err = c.pages(query, func(query url.Values) (int, int, error) {
		var page api.Pools
		err := c.get(ctx, api.PathPools, query, &page)
		all.Total, all.Pools = page.Total, append(all.Pools, page.Pools...)
		return len(page.Pools), page.Total, err
	})
	return all, err
}

// Worst returns the worst pool that is not a filter, or nil if there is none.
func (c *client) Worst(ctx context.Context) (worst *api.Pool, err error) {
	err = c.pages(nil, func(query url.Values) (int, int, error) {
		var page api.Pools
		err := c.get(ctx, api.PathPools, query, &page)
		for i := range page.Pools { // the worst first
			if !page.Pools[i].Filter {
				worst = &page.Pools[i]
				return 0, 0, err
			}
		}
		return len(page.Pools), page.Total, err
	})
	return worst, err
}

// Backends returns all backends that match the query, the worst first.
func (c *client) Backends(ctx context.Context, query url.Values) (all api.Backends, err error) {
	all.Backends = []api.Backend{}
	err = c.pages(query, func(query url.Values) (int, int, error) {
		var page api.Backends
		err := c.get(ctx, api.PathBackends, query, &page)
		all.Total, all.Backends = page.Total, append(all.Backends, page.Backends...)
		return len(page.Backends), page.Total, err
	})
	return all, err
}

// Overrides returns what operators have set.
func (c *client) Overrides(ctx context.Context) (o api.Overrides, err error) {
	return o, c.get(ctx, api.PathOverrides, nil, &o)
}

// Change sets or removes overrides.
func (c *client) Change(ctx context.Context, change api.Change) (done api.Changed, err error) {
	if change.Selectors == nil {
		change.Selectors = []string{}
	}
	body, err := json.Marshal(change)
	if err != nil {
		return done, err
	}
	return done, c.do(ctx, http.MethodPost, api.PathOverrides, nil, body, &done)
}

// History returns the events of backends.
func (c *client) History(ctx context.Context, query url.Values) (h api.Histories, err error) {
	return h, c.one(ctx, api.PathHistory, query, &h)
}

// Explain returns why a query gets its answer.
func (c *client) Explain(ctx context.Context, query url.Values) (e api.Explanation, err error) {
	return e, c.one(ctx, api.PathExplain, query, &e)
}

// WhatIf returns what would follow if backends were down.
func (c *client) WhatIf(ctx context.Context, query url.Values) (e api.Effects, err error) {
	return e, c.one(ctx, api.PathWhatIf, query, &e)
}

// pages calls get with query for one page after the other, until it has all. get
// returns how many the page has, and how many there are.
func (c *client) pages(query url.Values, get func(url.Values) (got, total int, err error)) error {
	if query == nil {
		query = url.Values{}
	}
	query.Set(api.ParamLimit, strconv.Itoa(api.MaxLimit))
	p := c.begin("waiting for the server")
	defer p.end()
	for done := 0; ; {
		query.Set(api.ParamOffset, strconv.Itoa(done))
		got, total, err := get(query)
		if err != nil {
			return err
		}
		done += got
		if got == 0 || done >= total {
			return nil
		}
		p.at("reading %d of %d", done, total)
	}
}

// one reads the answer to GET path into v.
func (c *client) one(ctx context.Context, path string, query url.Values, v any) error {
	p := c.begin("waiting for the server")
	defer p.end()
	return c.get(ctx, path, query, v)
}

// get does the same without showing that it waits.
func (c *client) get(ctx context.Context, path string, query url.Values, v any) error {
	return c.do(ctx, http.MethodGet, path, query, nil, v)
}

// do sends a request and reads its answer into v.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body []byte, v any) error {
	at := url.URL{Scheme: "http", Host: "rrhealth", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req) // #nosec G704 -- the operator's own socket
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	return c.read(res, text, v)
}

// read reads the body of an answer into v.
func (c *client) read(res *http.Response, body []byte, v any) error {
	if err := c.checkServer(res); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var problem api.Error
		if json.Unmarshal(body, &problem) != nil || problem.Problem == "" {
			return c.foreign(fmt.Sprintf("code %d", res.StatusCode))
		}
		return &problem
	}
	if err := json.Unmarshal(body, v); err != nil {
		return c.foreign(err.Error())
	}
	return nil
}
