package deploy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// kustomizeVersion is the kustomize that is run from source if kubectl is not
// installed.
const kustomizeVersion = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"

// render returns the manifests that `kubectl apply -k` would send for a folder
// of kubernetes/.
func render(t *testing.T, folder string) []byte {
	t.Helper()
	folder = filepath.Join("kubernetes", folder)
	cmd := exec.Command("go", "run", kustomizeVersion, "build", folder) // #nosec G204 -- our own arguments
	if _, err := exec.LookPath("kubectl"); err == nil {
		cmd = exec.Command("kubectl", "kustomize", folder) // #nosec G204 -- our own arguments
	} else if testing.Short() && os.Getenv("CI") == "" {
		t.Skip("kubectl is not installed, and with -short nothing is downloaded")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	return out
}

// decode decodes rendered objects as the API server does, but strictly: an
// unknown field, or one that is given twice, is an error.
func decode(t *testing.T, rendered []byte) []runtime.Object {
	t.Helper()
	known := runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	known.AddKnownTypeWithName(schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"}, &serviceMonitor{})
	known.AddKnownTypeWithName(schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"}, &prometheusRule{})
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, known, known, json.SerializerOptions{Yaml: true, Strict: true})
	var all []runtime.Object
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(rendered))); ; {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := strict.Decode(doc, nil, nil)
		if err != nil {
			t.Fatalf("%v, in:\n%s", err, doc)
		}
		all = append(all, o)
	}
}

// A serviceMonitor has the fields in use of the type of the Prometheus
// operator.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

func (m *serviceMonitor) DeepCopyObject() runtime.Object { c := *m; return &c }

// A prometheusRule is the operator's form of a file of rules.
type prometheusRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Groups []ruleGroup `json:"groups"`
	} `json:"spec"`
}

func (r *prometheusRule) DeepCopyObject() runtime.Object { c := *r; return &c }

// withKey returns the data under a key of the only ConfigMap that has it.
func withKey(t *testing.T, all []runtime.Object, key string) (name, data string) {
	t.Helper()
	for _, o := range all {
		if c, ok := o.(*corev1.ConfigMap); ok && c.Data[key] != "" {
			if name != "" {
				t.Fatalf("the ConfigMaps %s and %s have a %s, want one", name, c.Name, key)
			}
			name, data = c.Name, c.Data[key]
		}
	}
	if name == "" {
		t.Fatalf("no ConfigMap has a %s", key)
	}
	return name, data
}

// one returns the only object of type T.
func one[T runtime.Object](t *testing.T, all []runtime.Object) T {
	t.Helper()
	var found []T
	for _, o := range all {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want one", len(found), *new(T))
	}
	return found[0]
}

func TestTheBaseIsRedundantAndRestricted(t *testing.T) {
	all := decode(t, render(t, "base"))
	d := one[*appsv1.Deployment](t, all)
	if *d.Spec.Replicas < 2 || len(d.Spec.Template.Spec.TopologySpreadConstraints) == 0 {
		t.Error("one failing node stops the service")
	}
	c := d.Spec.Template.Spec.Containers[0]
	restricted(t, c.SecurityContext)
	if c.LivenessProbe.HTTPGet.Path != "/health" || c.ReadinessProbe.HTTPGet.Path != "/ready" {
		t.Error("the probes are not those of the plugins health and ready")
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
		t.Error("got no requests for CPU or no limit for memory")
	}

	// Names and ports must match between the objects.
	pod := d.Spec.Template
	s := one[*corev1.Service](t, all)
	var protocols []corev1.Protocol
	for _, p := range s.Spec.Ports {
		if !slices.ContainsFunc(c.Ports, func(cp corev1.ContainerPort) bool { return cp.Name == p.TargetPort.StrVal && cp.Protocol == p.Protocol }) {
			t.Errorf("port %s of the Service has no %s port %q in the pod", p.Name, p.Protocol, p.TargetPort.StrVal)
		}
		if p.Port == 53 {
			protocols = append(protocols, p.Protocol)
		}
	}
	if len(protocols) != 2 {
		t.Errorf("port 53 has %v, want UDP and TCP", protocols)
	}
	for k, v := range s.Spec.Selector {
		if pod.Labels[k] != v {
			t.Errorf("the Service selects %s=%s, the pod has %q", k, v, pod.Labels[k])
		}
	}
	if config := one[*corev1.ConfigMap](t, all); config.Name != pod.Spec.Volumes[0].ConfigMap.Name {
		t.Errorf("the pod mounts the ConfigMap %s, want %s", pod.Spec.Volumes[0].ConfigMap.Name, config.Name)
	}
}

// restricted checks that a container has no more privileges than it needs.
func restricted(t *testing.T, s *corev1.SecurityContext) {
	t.Helper()
	if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation ||
		!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) ||
		!slices.Equal(s.Capabilities.Add, []corev1.Capability{"NET_BIND_SERVICE"}) {
		t.Errorf("got security context %v, want a read-only root, no escalation, and NET_BIND_SERVICE only", s)
	}
}

func TestTheMonitorFindsTheService(t *testing.T) {
	all := decode(t, render(t, "overlays/monitored"))
	m, s := one[*serviceMonitor](t, all), one[*corev1.Service](t, all)
	for k, v := range m.Spec.Selector.MatchLabels {
		if s.Labels[k] != v {
			t.Errorf("the ServiceMonitor selects %s=%s, the Service has %q", k, v, s.Labels[k])
		}
	}
	port := m.Spec.Endpoints[0].Port
	if !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == port }) {
		t.Errorf("the Service has no port %q", port)
	}
	if got := one[*prometheusRule](t, all).Spec.Groups; !slices.EqualFunc(got, ruleGroups(t), func(a, b ruleGroup) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("the PrometheusRule is not %s: make rules", rulesFile)
	}
	if _, got := withKey(t, all, "rrhealth.json"); got != read(t, dashboardFile) {
		t.Errorf("the dashboard is not %s", dashboardFile)
	}
}

func TestTheSidecarIsThePodsResolver(t *testing.T) {
	pod := one[*appsv1.Deployment](t, decode(t, render(t, "overlays/sidecar"))).Spec.Template.Spec
	if pod.DNSPolicy != corev1.DNSNone || !slices.Equal(pod.DNSConfig.Nameservers, []string{"127.0.0.1"}) {
		t.Errorf("policy %s, nameservers %v, want the pod's own", pod.DNSPolicy, pod.DNSConfig.Nameservers)
	}
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 1 {
		t.Fatalf("%d containers and %d init containers, want one of each", len(pod.Containers), len(pod.InitContainers))
	}
	sidecar := pod.InitContainers[0]
	restricted(t, sidecar.SecurityContext)
	if *sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		t.Error("the sidecar ends before the application starts")
	}
}

func TestTheClusterDNSChangesTheImageAlone(t *testing.T) {
	all := decode(t, render(t, "overlays/cluster-dns"))
	d := one[*appsv1.Deployment](t, all)
	if d.Name != "coredns" || d.Namespace != "kube-system" || d.Spec.Replicas != nil || d.Spec.Selector != nil {
		t.Errorf("the overlay of %s/%s sets more than the image", d.Namespace, d.Name)
	}
	if config := one[*corev1.ConfigMap](t, all); config.Name != "coredns" {
		t.Errorf("the ConfigMap is %q, want the name that kubeadm's Deployment mounts", config.Name)
	}
}
