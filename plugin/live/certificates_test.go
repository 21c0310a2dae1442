package live

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
)

// A doneObserver calls done for each probe.
type doneObserver struct {
	recorder
	done func()
}

func (o *doneObserver) Probed(string, monitor.Result) { o.done() }

// The expiry is that of the certificate which the backend shows. It is forgotten
// with the target.
func TestCertificateExpiry(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the probe hangs up
	server.StartTLS()
	defer server.Close()
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	lines := strings.Split(fmt.Sprintf("rrhealth www.example.org {\nbackend %s\ncheck tls://:%d {\ninsecure\n}\n}", at.Addr(), at.Port()), "\n")
	stanzas, _, err := config.Parse(readLines(&lines), config.Block{Zones: []string{"example.org."}})
	if err != nil {
		t.Fatal(err)
	}
	probed := make(chan struct{})
	r := New(&doneObserver{done: sync.OnceFunc(func() { close(probed) })})
	b := NewBlock(stanzas)
	r.Start(b)
	<-probed
	want := fmt.Sprintf("expiry www.example.org. %s %v", at.Addr(), float64(server.Certificate().NotAfter.Unix()))
	if got := shown(r, CertificateExpiry, InsecureCheck); len(got) != 2 || got[0] != want {
		t.Errorf("shown %q, want %q and that the check is insecure", got, want)
	}
	r.Stop(b)
	r.certificates.seen.Range(func(key, _ any) bool {
		t.Errorf("%v is still there", key)
		return true
	})
}
