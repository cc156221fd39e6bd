package notify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"lifeboat"
	"lifeboat/plan"
)

// environment that the tests' plans refer to.
var environment = map[string]string{
	"SMTP_USER": "ana@lifeboat.example", "SMTP_PASSWORD": "correct-horse-battery", "TWILIO_SID": "AC0123456789abcdef0123456789abcdef",
	"TWILIO_TOKEN": "twilio-token-9f2b71", "PAGERDUTY": "R0UTINGKEY0123456789abcdef012345", "HOOK": "hook-secret-55aa77",
	"SLACK": "T01234567-B01234567-abcdefghijklmnopqrstuvwx", "NTFY": "tk_ntfytoken12345",
}

func env(name string) (string, bool) {
	value, ok := environment[name]
	return value, ok
}

// request is what a local endpoint was asked.
type request struct {
	method, path string
	header       http.Header
	body         []byte
	user, pass   string
}

// endpoint keeps what it is asked and answers what it is told to.
type endpoint struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []request
	answers func(r request) (status int, body string)
}

func serve(t *testing.T, answers func(r request) (status int, body string)) *endpoint {
	t.Helper()
	e := &endpoint{answers: answers}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		one := request{method: r.Method, path: r.URL.Path, header: r.Header, body: body}
		one.user, one.pass, _ = r.BasicAuth()
		e.mu.Lock()
		e.asked = append(e.asked, one)
		e.mu.Unlock()
		status, text := e.answers(one)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) all() []request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]request(nil), e.asked...)
}

// letter is a mail that the post office took.
type letter struct {
	from string
	to   []string
	data []byte
	at   time.Time
}

// postOffice is a mail server that wants TLS and a password.
type postOffice struct {
	address string
	roots   *x509.CertPool
	mu      sync.Mutex
	letters []letter
	echo    bool // it repeats the password in its refusals
}

func openPostOffice(t *testing.T, implicit bool) *postOffice {
	t.Helper()
	certificate, roots := selfSigned(t)
	o := &postOffice{roots: roots}
	server := smtp.NewServer(o)
	server.Domain, server.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.address = listener.Addr().String()
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return o
}

func (o *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) { return &counter{o: o, c: c}, nil }

func (o *postOffice) all() []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]letter(nil), o.letters...)
}

// counter is one customer of the post office.
type counter struct {
	o     *postOffice
	c     *smtp.Conn
	known bool
	letter
}

func (s *counter) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if _, encrypted := s.c.TLSConnectionState(); !encrypted {
			return errors.New("a password in the open")
		}
		if user != environment["SMTP_USER"] || password != environment["SMTP_PASSWORD"] {
			if s.o.echo {
				return errors.New("no such user with password " + password)
			}
			return errors.New("no such user")
		}
		s.known = true
		return nil
	}), nil
}

func (s *counter) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *counter) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }

func (s *counter) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.data, s.at = bytes.Clone(data), time.Now()
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	s.o.letters = append(s.o.letters, s.letter)
	return nil
}

func (s *counter) Reset()        { s.letter = letter{} }
func (s *counter) Logout() error { return nil }

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "post office"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// open makes the one channel of a plan with one person.
func open(t *testing.T, m plan.Messages, c plan.Channel, o Options) Channel {
	t.Helper()
	if o.Clock == nil {
		o.Clock = lifeboat.WallClock{}
	}
	o.Env = env
	p := &plan.Plan{Portfolio: plan.Portfolio{Name: "Family", TimeZone: "UTC"}, Messages: &m, People: []plan.Person{{Name: "Ana", Channels: []plan.Channel{c}}}}
	r, err := New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return r.people[0].channels[0].Channel
}

// sample is an emergency for Ana.
func sample() Delivery {
	return put("Family", time.UTC, Delivery{Key: "lb-0123456789abcdef01234567", Thread: "lb-0123456789abcdef01234567", Person: "Ana", At: noon, Tier: lifeboat.Emergency,
		Link: "https://lifeboat.example/m/abc"}, "", "SPY fell 12 % <today> & more. Playbook \"defend\" starts.")
}
