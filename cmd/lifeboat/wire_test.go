package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A wire is the network between a daemon and its broker. It outlives both: an order that it has taken in arrives, whatever has
// become of who sent it. It keeps count of the orders that went through it.
type wire struct {
	*httptest.Server

	mu     sync.Mutex // guards all below
	broker string     // host:port behind it
	hold   time.Duration
	held   chan struct{}
	sent   map[string]int // :: client order id → how often it was sent
	taken  []string       // client order ids that were sent although the broker had them
	lies   http.Handler   // answers in the broker's place; nil for the broker itself
}

// newWire opens a wire that ends nowhere.
func newWire(t *testing.T) *wire {
	w := &wire{sent: map[string]int{}}
	w.Server = httptest.NewUnstartedServer(w)
	w.Config.ErrorLog = log.New(io.Discard, "", 0) // that connections break is what it is for
	w.Start()
	t.Cleanup(func() { w.CloseClientConnections(); w.Close() })
	return w
}

// lead to a broker.
func (w *wire) lead(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broker = address
}

// answer in the broker's place, or let it answer itself again with nil. Streams that are open end.
func (w *wire) answer(lies http.Handler) {
	w.mu.Lock()
	w.lies = lies
	w.mu.Unlock()
	w.CloseClientConnections()
}

// holdNext keeps the next order on its way for a while. What it returns is closed once there is one.
func (w *wire) holdNext(d time.Duration) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold, w.held = d, make(chan struct{})
	return w.held
}

func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	lies := w.lies
	to := &url.URL{Scheme: "http", Host: w.broker}
	w.mu.Unlock()
	if lies != nil {
		lies.ServeHTTP(out, r)
		return
	}
	pass := &httputil.ReverseProxy{
		Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(to) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     w.Config.ErrorLog,
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v2/orders" {
		pass.ServeHTTP(out, r)
		return
	}
	key, r := w.takeIn(r)
	pass.ModifyResponse = func(answer *http.Response) error { return w.note(key, answer) }
	pass.ServeHTTP(out, r)
}

// takeIn reads a whole order, so that it goes on when its sender is gone.
func (w *wire) takeIn(r *http.Request) (key string, whole *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // only a part of it left its sender
	}
	var order struct {
		Key string `json:"client_order_id"`
	}
	_ = json.Unmarshal(body, &order)
	w.mu.Lock()
	hold, held := w.hold, w.held
	w.hold, w.held = 0, nil
	w.sent[order.Key]++
	w.mu.Unlock()
	if hold > 0 {
		close(held)
		time.Sleep(hold)
	}
	whole = r.WithContext(context.WithoutCancel(r.Context()))
	whole.Body = io.NopCloser(bytes.NewReader(body))
	return order.Key, whole
}

// note reads what the broker says of an order, and hands it on.
func (w *wire) note(key string, answer *http.Response) error {
	if answer.StatusCode != http.StatusUnprocessableEntity {
		return nil
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.Contains(body, []byte("40010001")) && bytes.Contains(body, []byte("unique")) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.taken = append(w.taken, key)
	}
	return err
}

// repeated are the orders that were sent although the broker had them.
func (w *wire) repeated() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}
