package deploy_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const dashboardFile = "prometheus/dashboard.json"

// schemaVersion is that of the JSON that Grafana 12 writes. Older versions read
// it, and later ones convert it.
const schemaVersion = 42

// A dashboard has the fields of Grafana's JSON that matter here.
type dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	ID            *int   `json:"id"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variable struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Definition string     `json:"definition"`
	AllValue   string     `json:"allValue"`
	Datasource datasource `json:"datasource"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  datasource `json:"datasource"`
	GridPos     position   `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		Expr       string     `json:"expr"`
		RefID      string     `json:"refId"`
		Datasource datasource `json:"datasource"`
	} `json:"targets"`
}

// A position is a rectangle in a grid of 24 columns.
type position struct{ X, Y, W, H int }

func (p position) overlaps(q position) bool {
	return p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// labelValues is the query of a variable: the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)

// dashboardQueries returns the queries of all panels and variables, for all
// values of the variables.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	d := readDashboard(t)
	values := []string{"$__rate_interval", "1m"}
	all := make(map[string]string)
	for _, v := range d.Templating.List {
		values = append(values, "$"+v.Name, v.AllValue)
		if v.Type != "query" {
			continue
		}
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Fatalf("variable %s: query %s", v.Name, v.Definition)
		}
		all["variable "+v.Name] = "count by (" + m[2] + ") (" + m[1] + ")"
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all[p.Title+", "+target.RefID] = target.Expr
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d queries, want those of all panels", len(all))
	}
	for name, expr := range all {
		all[name] = strings.NewReplacer(values...).Replace(expr)
		if strings.Contains(all[name], "$") {
			t.Errorf("%s: %s: not a variable of the dashboard", name, all[name])
		}
	}
	return all
}

func TestTheDashboardIsComplete(t *testing.T) {
	d := readDashboard(t)
	if d.UID != "rrhealth" || d.Title != "rrhealth" || d.SchemaVersion != schemaVersion || d.ID != nil {
		t.Errorf("uid %q, title %q, schemaVersion %d, id %v: want %d, and no id of one Grafana", d.UID, d.Title, d.SchemaVersion, d.ID, schemaVersion)
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name+" "+v.Type)
		if v.Type == "query" && (v.AllValue != ".*" || v.Datasource.UID != "${datasource}") {
			t.Errorf("variable %s: all is %q, from %q", v.Name, v.AllValue, v.Datasource.UID)
		}
	}
	if got := strings.Join(names, ", "); got != "datasource datasource, instance query, server query, pool query" {
		t.Errorf("variables %s", got)
	}
	titles := make(map[string]bool)
	ids := make(map[int]bool)
	for i, p := range d.Panels {
		for _, problem := range p.problems() {
			t.Errorf("panel %d %q: %s", p.ID, p.Title, problem)
		}
		if ids[p.ID] || titles[p.Title] {
			t.Errorf("panel %d %q: two have this id or title", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		for _, q := range d.Panels[:i] {
			if p.GridPos.overlaps(q.GridPos) {
				t.Errorf("%q %v overlaps %q %v", p.Title, p.GridPos, q.Title, q.GridPos)
			}
		}
	}
}

// problems returns what is wrong with a panel.
func (p panel) problems() (all []string) {
	if p.Title == "" || p.ID == 0 {
		all = append(all, "no title or id")
	}
	if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
		all = append(all, fmt.Sprintf("at %v, want it within 24 columns", g))
	}
	if p.Type == "row" {
		return all
	}
	if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
		all = append(all, "no description, unit or query")
	}
	want := datasource{Type: "prometheus", UID: "${datasource}"}
	refs := make(map[string]bool)
	for _, target := range p.Targets {
		if target.Datasource != want || p.Datasource != want || target.RefID == "" || refs[target.RefID] {
			all = append(all, "a query without the data source of the variable, or without a refId of its own")
		}
		refs[target.RefID] = true
	}
	return all
}

func TestOverlappingPanelsAreFound(t *testing.T) {
	a := position{0, 0, 12, 8}
	for q, want := range map[position]bool{
		{12, 0, 12, 8}: false,
		{0, 8, 24, 1}:  false,
		{11, 7, 1, 1}:  true,
		{0, 0, 24, 20}: true,
	} {
		if a.overlaps(q) != want || q.overlaps(a) != want {
			t.Errorf("%v and %v overlap: %t, want %t", a, q, !want, want)
		}
	}
}
