// Package fakekube is an API server of Kubernetes with the few requests that
// CoreDNS's kubernetes plugin makes. It lists objects that never change.
package fakekube

import (
	"encoding/json"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Objects are the objects of the API server.
type Objects struct {
	Namespaces     []corev1.Namespace
	Services       []corev1.Service
	EndpointSlices []discoveryv1.EndpointSlice
}

// ServeHTTP implements http.Handler.
func (o *Objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	list := o.list(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
	query := r.URL.Query()
	switch {
	case list == nil:
		status(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case query.Get("sendInitialEvents") != "":
		// Refuse a list in the form of a watch: clients then request a plain
		// list.
		status(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	case query.Get("watch") != "":
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		_ = json.NewEncoder(w).Encode(list)
	}
}

// list returns the objects of a resource, or nil if the resource is unknown.
func (o *Objects) list(resource string) any {
	meta := metav1.ListMeta{ResourceVersion: "1"}
	kind := func(group, name string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: group, Kind: name} }
	switch resource {
	case "namespaces":
		return corev1.NamespaceList{TypeMeta: kind("v1", "NamespaceList"), ListMeta: meta, Items: o.Namespaces}
	case "services":
		return corev1.ServiceList{TypeMeta: kind("v1", "ServiceList"), ListMeta: meta, Items: o.Services}
	case "pods":
		return corev1.PodList{TypeMeta: kind("v1", "PodList"), ListMeta: meta, Items: []corev1.Pod{}}
	case "endpointslices":
		return discoveryv1.EndpointSliceList{TypeMeta: kind("discovery.k8s.io/v1", "EndpointSliceList"), ListMeta: meta, Items: o.EndpointSlices}
	}
	return nil
}

func status(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Reason: reason, Code: int32(code), // #nosec G115 -- an HTTP status
	})
}

// Headless returns a namespace with one headless service of pods at addrs.
func Headless(namespace, name string, port int32, addrs ...string) *Objects {
	ready, protocol, portName := true, corev1.ProtocolTCP, "main"
	slice := discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: name + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port, Protocol: &protocol}},
	}
	for _, a := range addrs {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{a}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return &Objects{
		Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: namespace}}},
		Services: []corev1.Service{{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: corev1.ServiceSpec{
				ClusterIP: corev1.ClusterIPNone, ClusterIPs: []string{corev1.ClusterIPNone},
				Ports: []corev1.ServicePort{{Name: portName, Port: port, Protocol: protocol}},
			},
		}},
		EndpointSlices: []discoveryv1.EndpointSlice{slice},
	}
}
