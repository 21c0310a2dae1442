package probe

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// A certificateRequest notes whether the server asked for a client certificate,
// and waits for its alert if the server refuses it. With TLS 1.3 a client's
// handshake ends before the server sees the certificate, or that there is none;
// the alert comes a round trip later. A check that reads a reply gets the alert
// instead. A check that reads nothing would pass.
type certificateRequest struct {
	conn  net.Conn
	began time.Time
	asked bool
}

// watch returns config with callbacks that note the request and the answer.
func (a *certificateRequest) watch(config *tls.Config) *tls.Config {
	config = config.Clone()
	certificates := config.Certificates
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		a.asked = true
		for i := range certificates {
			if info.SupportsCertificate(&certificates[i]) == nil {
				return &certificates[i], nil
			}
		}
		return new(tls.Certificate), nil
	}
	config.ClientSessionCache = a
	return config
}

// answerWithin bounds the wait for servers that send nothing if they accept the
// client: twice the time of the handshake, plus this.
const answerWithin = 100 * time.Millisecond

// answer returns the alert of a server that refuses the client certificate that
// it asked for. Most servers send a session ticket if they accept it.
func (a *certificateRequest) answer(conn *tls.Conn) error {
	if !a.asked || conn.ConnectionState().Version < tls.VersionTLS13 {
		return nil
	}
	now := time.Now()
	wait := time.AfterFunc(2*now.Sub(a.began)+answerWithin, a.stop)
	defer wait.Stop()
	_, err := conn.Read(make([]byte, 1))
	if isAlert(err) {
		return err
	}
	return nil
}

func (a *certificateRequest) stop() { _ = a.conn.SetReadDeadline(time.Unix(1, 0)) }

// Get implements tls.ClientSessionCache: no session is resumed.
func (a *certificateRequest) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put implements tls.ClientSessionCache: a ticket ends the wait.
func (a *certificateRequest) Put(string, *tls.ClientSessionState) { a.stop() }

// isAlert reports whether err is an alert that the other side sent.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// alertInstead returns the alert that the server sent before it closed conn, if
// there is one, instead of err, the error of a write.
func alertInstead(conn io.ReadWriter, err error) error {
	if _, ok := conn.(*tls.Conn); !ok || isTimeout(err) {
		return err
	}
	if _, last := conn.Read(make([]byte, 1)); isAlert(last) {
		return last
	}
	return err
}
