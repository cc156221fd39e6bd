package exchangetest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Wire stands between a client and a server and breaks a connection after so many bytes. It breaks only those whose first
// bytes are Marked, so that the questions which follow get through.
type Wire struct {
	Address string // of the client's side
	Marked  string // POST /api/v3/order, and a space where that is all of the path

	server string
	mu     sync.Mutex
	cut    Cut
}

// Cut is where the next marked connection breaks: after so many bytes of its request, or of the response to it; -1 for never.
type Cut struct{ Request, Response int }

// NewWire listens on loopback until the test ends.
func NewWire(t testing.TB, server, marked string) *Wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Address: listener.Addr().String(), Marked: marked, server: server, cut: Cut{-1, -1}}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(client)
		}
	}()
	return w
}

// Next marked connection breaks there, the ones after it do not.
func (w *Wire) Next(c Cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = c
}

// Client of the server whose marked calls, and no others, go over the wire, each on a connection of its own.
func (w *Wire) Client() *http.Client {
	to := func(address string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	return &http.Client{Transport: &split{marked: w.Marked,
		wire: &http.Transport{DisableKeepAlives: true, DialContext: to(w.Address)}, straight: &http.Transport{DialContext: to(w.server)}}}
}

type split struct {
	marked         string
	wire, straight *http.Transport
}

func (s *split) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.Method+" "+r.URL.Path+" ", s.marked) {
		return s.wire.RoundTrip(r)
	}
	return s.straight.RoundTrip(r)
}

// CloseIdleConnections lets the server end.
func (s *split) CloseIdleConnections() { s.straight.CloseIdleConnections() }

func (w *Wire) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	first := make([]byte, 4096)
	n, err := client.Read(first)
	if err != nil {
		return
	}
	cut := Cut{-1, -1}
	if bytes.HasPrefix(first[:n], []byte(w.Marked)) {
		w.mu.Lock()
		cut, w.cut = w.cut, cut
		w.mu.Unlock()
	}
	request := io.MultiReader(bytes.NewReader(first[:n]), client)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		copyUntil(client, server, cut.Response)
		_ = client.Close()
	}()
	copyUntil(server, request, cut.Request)
	if cut.Request >= 0 {
		_ = client.Close()
		_ = server.Close()
	}
	<-answered
}

// copyUntil the end, or so many bytes.
func copyUntil(to io.Writer, from io.Reader, n int) {
	if n >= 0 {
		from = io.LimitReader(from, int64(n))
	}
	_, _ = io.Copy(to, from)
}
