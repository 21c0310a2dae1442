package probe

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// forms lists the forms in which software is known to repeat a secret: unchanged,
// decoded, and both in base64 at each of the three alignments.
func forms(secret string) []string {
	all := append([]string{secret}, decoded(secret)...)
	for _, v := range all {
		for from := range min(3, len(v)) {
			rest := []byte(v[from:])
			all = append(all, base64.RawStdEncoding.EncodeToString(rest), base64.RawURLEncoding.EncodeToString(rest))
		}
	}
	return all
}

// base64Word matches what may be base64. A password in "Authorization: Basic" is
// base64, and servers repeat it decoded.
var base64Word = regexp.MustCompile(`[A-Za-z0-9+/_-]{6,}`)

// decoded returns what a server may decode from a secret: URL escapes, and words
// in base64.
func decoded(secret string) []string {
	var all []string
	for _, decode := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
		if v, err := decode(secret); err == nil && v != secret {
			all = append(all, v)
		}
	}
	for _, word := range base64Word.FindAllString(secret, -1) {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if v, err := e.DecodeString(word); err == nil && utf8.Valid(v) {
				all = append(all, string(v))
			}
		}
	}
	return all
}

// escaped lists the forms of a fragment in a string literal, JSON, a URL, HTML or
// a hexadecimal dump.
func escaped(fragment string) []string {
	all := []string{fmt.Sprintf("%x", fragment), fmt.Sprintf("% x", fragment)}
	all = append(all, strings.ReplaceAll(all[1], " ", ":"))
	if !strings.ContainsFunc(fragment, needsEscape) {
		return all
	}
	quoted, ascii := strconv.Quote(fragment), strconv.QuoteToASCII(fragment)
	all = append(all, quoted[1:len(quoted)-1], ascii[1:len(ascii)-1],
		url.QueryEscape(fragment), url.PathEscape(fragment), html.EscapeString(fragment))
	if text, err := json.Marshal(fragment); err == nil {
		all = append(all, string(text[1:len(text)-1]))
	}
	return slices.DeleteFunc(all, func(form string) bool { return form == fragment })
}

// needsEscape reports whether one of these forms may escape r.
func needsEscape(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
