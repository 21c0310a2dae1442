// Command demo is the web server and the client of compose.yaml. The server
// answers with its host name; the client makes one request a second.
//
//	demo serve               answers HTTP on :8080
//	demo client URL          fetches URL until it is stopped, one line per request
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		err = serve(ctx)
	case len(os.Args) == 3 && os.Args[1] == "client":
		client(ctx, os.Args[2])
	default:
		err = errors.New("usage: demo serve | demo client URL")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	s := &http.Server{
		Addr:              ":8080",
		ReadHeaderTimeout: 5 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) }),
	}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// client works as a browser does: it looks the name up, and tries one address
// after the other. It makes a new connection for each request.
func client(ctx context.Context, url string) {
	c := http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		},
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		begin := time.Now()
		server, err := fetch(ctx, &c, url)
		took := time.Since(begin).Round(time.Millisecond)
		if err != nil {
			fmt.Printf("FAILED after %v: %v\n", took, err)
		} else {
			fmt.Printf("ok %q in %v\n", server, took)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func fetch(ctx context.Context, c *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) // #nosec G704 -- the user's own choice
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req) // #nosec G704 -- likewise
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 200))
	return string(body), err
}
