package status

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"
)

const (
	typeHTML  = "text/html; charset=utf-8"
	assetPath = "/assets/"
)

//go:embed assets
var files embed.FS

// An asset is a file of the page, whose name has a hash: browsers may keep it.
type asset struct {
	name        string
	contentType string
	body        *body
}

// assetNames are the paths of the assets in the page.
type assetNames struct{ Style, Script, Icon string }

// types are the types of files, independent of what the system has.
var types = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

var (
	style  = newAsset("page.css")
	script = newAsset("page.js")
	icon   = newAsset("icon.svg")
	assets = map[string]*asset{style.name: style, script.name: script, icon.name: icon}

	pageTemplate = template.Must(template.ParseFS(files, "assets/page.html"))
)

func newAsset(file string) *asset {
	text, err := files.ReadFile("assets/" + file)
	if err != nil {
		panic(err) // it is embedded
	}
	hash := sha256.Sum256(text)
	extension := path.Ext(file)
	a := &asset{
		name:        assetPath + strings.TrimSuffix(file, extension) + "-" + hex.EncodeToString(hash[:6]) + extension,
		contentType: types[extension],
	}
	a.body = &body{code: http.StatusOK, contentType: a.contentType, plain: text}
	a.body.zip()
	return a
}

// writeAsset answers with the file of a path.
func (s *Server) writeAsset(w http.ResponseWriter, r *http.Request) {
	a := assets[r.URL.Path]
	if a == nil {
		s.write(w, r, s.failure(request{path: r.URL.Path}, refusal(http.StatusNotFound, "no such file; load the page again")))
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	s.write(w, r, a.body)
}

// pageBody returns v as HTML, or as text if the client prefers that.
func (s *Server) pageBody(code int, r request, v *view) *body {
	if !r.html {
		return &body{code: code, contentType: typeText, plain: v.text()}
	}
	v.Assets = assetNames{style.name, script.name, icon.name}
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, v); err != nil {
		s.warn("status: page: %v", err)
		return &body{code: http.StatusInternalServerError, contentType: typeText, plain: []byte("internal error; see the log\n")}
	}
	return &body{code: code, contentType: typeHTML, plain: out.Bytes()}
}
