package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A wire is the network between a daemon and its broker. It outlives both: an order that it has taken in arrives, whatever has
// become of who sent it.
type wire struct {
	*httptest.Server

	mu     sync.Mutex // guards all below
	broker string     // host:port behind it
	hold   time.Duration
	held   chan struct{}
	onWay  map[string]int // :: client order id → how many of it are on the wire
	taken  []string       // client order ids that were sent although the broker had them, or was about to
	lies   http.Handler   // answers in the broker's place; nil for the broker itself
	lied   int            // how often it did
}

// newWire opens a wire that ends nowhere.
func newWire(t *testing.T) *wire {
	w := &wire{onWay: map[string]int{}}
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
	w.lies, w.lied = lies, 0
	w.mu.Unlock()
	w.CloseClientConnections()
}

// answered is how often somebody asked since then.
func (w *wire) answered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lied
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
	w.lied++
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
	if r.Method == http.MethodPost && r.URL.Path == "/v2/orders" {
		w.order(out, r, to)
		return
	}
	pass.ServeHTTP(out, r)
}

// order takes in a whole order and lets it arrive, whether or not its sender is still there.
func (w *wire) order(out http.ResponseWriter, r *http.Request, to *url.URL) {
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
	if w.onWay[order.Key]++; w.onWay[order.Key] > 1 {
		w.taken = append(w.taken, order.Key)
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.onWay[order.Key]--
		w.mu.Unlock()
	}()
	if hold > 0 {
		close(held)
		time.Sleep(hold)
	}
	on := r.Clone(context.WithoutCancel(r.Context()))
	on.URL.Scheme, on.URL.Host, on.RequestURI = to.Scheme, to.Host, ""
	on.Body = io.NopCloser(bytes.NewReader(body))
	answer, err := http.DefaultTransport.RoundTrip(on)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if answer.StatusCode == http.StatusUnprocessableEntity && bytes.Contains(said, []byte("40010001")) {
		w.mu.Lock()
		w.taken = append(w.taken, order.Key)
		w.mu.Unlock()
	}
	maps.Copy(out.Header(), answer.Header)
	out.WriteHeader(answer.StatusCode)
	_, _ = out.Write(said)
	if err != nil {
		_ = http.NewResponseController(out).Flush()
		panic(http.ErrAbortHandler) // it breaks off where it broke off
	}
}

// repeated are the orders that were sent although the broker had them, or was about to.
func (w *wire) repeated() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}
