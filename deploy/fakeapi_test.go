package deploy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeAPI is as much of a Kubernetes API server as the kubernetes plugin asks:
// every list is there and empty, and nothing ever changes.
func fakeAPI(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") != "" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		kind := map[string]string{
			"namespaces": "NamespaceList", "services": "ServiceList", "pods": "PodList", "endpointslices": "EndpointSliceList",
		}[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]
		if kind == "" {
			http.NotFound(w, r)
			return
		}
		version := "v1"
		if group, ok := strings.CutPrefix(r.URL.Path, "/apis/"); ok {
			version = group[:strings.LastIndex(group, "/")]
		}
		fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[]}`, kind, version)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}
