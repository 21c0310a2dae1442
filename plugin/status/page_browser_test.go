package status

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "embed"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var update = flag.Bool("update", false, "write the pictures of docs/images anew")

//go:embed testdata/facts.js
var facts string

// command sends a command of the protocol.
func command[P, R any](t *testing.T, b *tab, c cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		t.Fatal(err)
	}
}

// evaluate returns the value of an expression in the page.
func evaluate[T any](t *testing.T, b *tab, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// The tests in a browser share one.
func TestInABrowser(t *testing.T) {
	b := newTab(t)
	t.Run("pages", b.testPages)
	t.Run("facts", b.testFacts)
	t.Run("keyboard", b.testKeyboard)
	t.Run("live", b.testLive)
	t.Run("without script", b.testWithoutScript)
}

// Nothing is wider than the window, everything can be read and has a name, with
// ten backends and with 10,000.
func (b *tab) testPages(t *testing.T) {
	for _, n := range []int{10, 10000} {
		s := startSite(t, n)
		for _, setting := range settings() {
			paths := []string{"/"}
			if n == 10 && setting.script {
				paths = append(paths, "/pools", "/pools/pool0.example.com.", "/?search=nothing")
			}
			for _, path := range paths {
				b.show(t, setting, "http://"+s.Addr()+path)
				for _, wrong := range evaluate[[]string](t, b, facts) {
					t.Errorf("%s, %d backends, %s: %s", path, n, setting, wrong)
				}
			}
			if *update && n == 10000 && setting.script {
				b.picture(t, s, setting)
			}
		}
		s.Close()
	}
	b.quiet(t)
}

// picture writes a picture for the documents, with a reason as they usually are.
func (b *tab) picture(t *testing.T, site *site, s setting) {
	t.Helper()
	m := *site.model.Load()
	m.Backends = slices.Clone(m.Backends)
	for i := range m.Backends {
		m.Backends[i].Reason = strings.ReplaceAll(m.Backends[i].Reason, evil, "GET /health: status 503 Service Unavailable (want 200)")
	}
	site.model.Store(&m)
	site.cache.renew()
	b.show(t, setting{s.width, s.scheme, false}, "http://"+site.Addr()+"/")
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "images", fmt.Sprintf("status-%d-%s.png", s.width, s.scheme))
	if len(png) > 150<<10 {
		t.Errorf("%s has %d kB, want at most 150", file, len(png)>>10)
	}
	if err := os.WriteFile(file, png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The checks of facts.js can fail.
func (b *tab) testFacts(t *testing.T) {
	s := startSite(t, 10)
	for change, want := range map[string]string{
		`document.querySelector("label").remove()`:                                              "has no label",
		`document.querySelector("h1").style.width = "3000px"`:                                   "ends at",
		`document.querySelector("h1").style.color = "#eee"`:                                     "contrast of",
		`document.querySelector("svg").removeAttribute("aria-label")`:                           "no percentage",
		`document.querySelector("tbody th").removeAttribute("scope")`:                           "no scope",
		`document.querySelector("tbody td").remove()`:                                           "cells below",
		`document.querySelector("td .state").lastChild.remove()`:                                "is a color only",
		`document.querySelector("h1").remove()`:                                                 "0 of h1",
		`document.body.append(document.createElement("script"))`:                                "2 scripts",
		`document.querySelector("nav").removeAttribute("aria-label")`:                           "1 of nav",
		`document.querySelector("a").textContent = ""`:                                          "has no text",
		`document.querySelector("footer").id = "main"`:                                          "twice",
		`document.querySelectorAll("path.u").forEach(e => e.style.fill = "rgb(240, 240, 240)")`: "a picture has",
	} {
		b.show(t, setting{1440, "light", true}, "http://"+s.Addr()+"/?search=10")
		evaluate[chromedp.Void](t, b, "(() => {"+change+"})()")
		wrong := evaluate[[]string](t, b, facts)
		if !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("%s: got %q, want %q", change, wrong, want)
		}
	}
}

const (
	// now has the page renew itself without waiting for its timer.
	now = `document.dispatchEvent(new Event("visibilitychange")) && `
	// focusables are what Tab stops at.
	focusables = `[...document.querySelectorAll("a[href], input, select, button")]`
	// focused is the position of the one with the focus, and whether one sees that
	// it has.
	focused = `(() => {
		const e = document.activeElement, style = getComputedStyle(e);
		return [` + focusables + `.indexOf(e), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 ? 1 : 0, e.getBoundingClientRect().width > 1 ? 1 : 0];
	})()`
)

// Tab reaches everything that can be used, in the order of the page, and shows
// where it is.
func (b *tab) testKeyboard(t *testing.T) {
	s := startSite(t, 10)
	for _, width := range []int64{360, 1440} {
		b.show(t, setting{width, "light", false}, "http://"+s.Addr()+"/")
		stops := evaluate[int](t, b, focusables+".length")
		if stops < 15 {
			t.Fatalf("only %d links and fields", stops)
		}
		for want := range stops {
			b.do(t, chromedp.KeyEvent(kb.Tab))
			if got := evaluate[[]int](t, b, focused); !slices.Equal(got, []int{want, 1, 1}) {
				t.Fatalf("%d wide: after %d times Tab: element, outline, visible are %v, want %v", width, want+1, got, []int{want, 1, 1})
			}
		}
	}
	b.quiet(t)
}

// The page renews itself, but not what a user is reading.
func (b *tab) testLive(t *testing.T) {
	s := startSite(t, 10)
	replace := func(problem string) {
		m := *s.model.Load()
		m.Status.Problems = []string{problem}
		s.model.Store(&m)
	}
	b.show(t, setting{1440, "light", true}, "http://"+s.Addr()+"/")
	replace("first")
	b.wait(t, `document.querySelector("#above").textContent.includes("first")`)
	b.wait(t, `document.querySelector("#pulse").textContent === "Live"`)
	evaluate[chromedp.Void](t, b, `document.querySelector("#table a").focus()`)
	replace("second")
	b.wait(t, now+`document.querySelector("#pulse").textContent.startsWith("Paused")`)
	if !evaluate[bool](t, b, `document.activeElement.matches("#table a") && document.querySelector("#above").textContent.includes("first")`) {
		t.Error("the page is renewed while a link in it has the focus")
	}
	evaluate[chromedp.Void](t, b, `document.querySelector("#search").focus()`) // typing there does not stop it
	b.wait(t, now+`document.querySelector("#above").textContent.includes("second")`)
	evaluate[chromedp.Void](t, b, `document.getSelection().selectAllChildren(document.querySelector("#above"))`)
	b.wait(t, now+`document.querySelector("#pulse").textContent.startsWith("Paused")`)
	b.quiet(t)
	s.Close()
	evaluate[chromedp.Void](t, b, `document.getSelection().removeAllRanges()`)
	b.wait(t, now+`document.querySelector("#pulse").textContent.startsWith("No answer")`)
	b.do(t, chromedp.Navigate("about:blank"))
	b.mu.Lock()
	b.problems = nil // of the connection that was refused
	b.mu.Unlock()
}

// Search, states and parts work as links and forms, without script.
func (b *tab) testWithoutScript(t *testing.T) {
	s := startSite(t, 10000)
	b.show(t, setting{1440, "light", false}, "http://"+s.Addr()+"/")
	evaluate[chromedp.Void](t, b, `document.querySelector("a[rel=next]").click()`)
	b.wait(t, `!!document.querySelector("a[rel=prev]")`)
	if part, first := b.text(t, "#table .pager span"), b.text(t, "#table tbody th"); part != "101 to 200 of 10,000" || !strings.HasPrefix(first, "10.0.0.100") {
		t.Errorf("the second part: %s, first %s", part, first)
	}
	evaluate[chromedp.Void](t, b, `(() => {
		document.querySelector("#search").value = "pool999";
		document.querySelector("#state").value = "up";
		document.querySelector("form button").click();
	})()`)
	b.wait(t, `location.search === "?search=pool999&state=up" && document.querySelector("#table .pager").textContent.includes("1 to 10 of 10")`)
	evaluate[chromedp.Void](t, b, `document.querySelector("#table tbody a").click()`)
	b.wait(t, `!!document.querySelector("#events")`)
	if title := b.text(t, "h1"); title != "pool999.example.com." {
		t.Errorf("the page of the pool has the title %s", title)
	}
	b.quiet(t)
}
