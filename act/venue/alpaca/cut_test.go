package alpaca_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue/alpaca"
	"lifeboat/act/venue/venuetest"
)

// wire is a proxy whose first connection breaks: after so many bytes of what the client sends, or of what the server
// answers. The others are whole.
type wire struct {
	net.Listener
	target         string
	sends, answers int // bytes that pass; -1 for all
	mu             sync.Mutex
	used           bool
	passed         [2]int // bytes that did pass, either way, on the first connection
	done           sync.WaitGroup
}

func newWire(t *testing.T, target string, sends, answers int) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener, target: strings.TrimPrefix(target, "http://"), sends: sends, answers: answers}
	w.done.Go(w.serve)
	return w
}

func (w *wire) serve() {
	for {
		client, err := w.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		sends, answers, first := w.sends, w.answers, !w.used
		w.used = true
		w.mu.Unlock()
		if !first {
			sends, answers = -1, -1
		}
		w.done.Go(func() { w.carry(client, sends, answers, first) })
	}
}

func (w *wire) carry(client net.Conn, sends, answers int, first bool) {
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = client.Close()
		return
	}
	cut := func() { _ = client.Close(); _ = server.Close() }
	var both sync.WaitGroup
	both.Go(func() { w.copy(server, client, sends, first, 0); cut() })
	both.Go(func() { w.copy(client, server, answers, first, 1); cut() })
	both.Wait()
}

// copy at most so many bytes; all when limit is below zero.
func (w *wire) copy(to io.Writer, from io.Reader, limit int, first bool, way int) {
	if limit == 0 { // it breaks when the first byte would come
		_, _ = from.Read(make([]byte, 1))
		return
	}
	if limit > 0 {
		from = io.LimitReader(from, int64(limit))
	}
	n, _ := io.Copy(to, from)
	if first {
		w.mu.Lock()
		w.passed[way] = int(n)
		w.mu.Unlock()
	}
}

func (w *wire) end() {
	_ = w.Close()
	w.done.Wait()
}

// TestCutAnywhere: the connection breaks at every byte of the order's request and of its answer, and there is one order in
// the end, found as the flow finds it: ask; when it provably never arrived, place it again under the same key.
func TestCutAnywhere(t *testing.T) {
	d := open(t)
	d.quote(t, "50", 100_000)
	request, answer := measure(t, d)
	if request < 300 || answer < 500 {
		t.Fatalf("a request of %d bytes and an answer of %d cannot be right", request, answer)
	}
	var again int
	for n := range request {
		again += cutOnce(t, d, fmt.Sprint("request ", n), n, -1)
	}
	if again < request-1 {
		t.Errorf("of %d requests that were cut off %d were sent again", request, again)
	}
	again = 0
	for n := range answer {
		again += cutOnce(t, d, fmt.Sprint("answer ", n), -1, n)
	}
	if again > 0 {
		t.Errorf("%d orders were sent again that had arrived", again)
	}
	t.Logf("cut at %d bytes of the request and %d of the answer", request, answer)
}

// through is our account over a wire.
func through(t *testing.T, d *desk, w *wire) (*alpaca.Venue, *http.Transport) {
	t.Helper()
	c := d.connection()
	c.URL = "http://" + w.Addr().String()
	transport := &http.Transport{}
	c.Client = &http.Client{Transport: transport}
	v, err := alpaca.New(c)
	if err != nil {
		t.Fatal(err)
	}
	d.clock.pass(time.Minute)
	return v, transport
}

// measure how long an order's request and its answer are.
func measure(t *testing.T, d *desk) (request, answer int) {
	t.Helper()
	w := newWire(t, d.address, -1, -1)
	v, transport := through(t, d, w)
	if _, err := v.Place(t.Context(), noon, sell("measure", "1", "60")); err != nil {
		t.Fatal(err)
	}
	transport.CloseIdleConnections()
	w.end()
	return w.passed[0], w.passed[1]
}

// cutOnce places one order over a wire that breaks, resolves it, and reports how often it was sent again.
func cutOnce(t *testing.T, d *desk, name string, sends, answers int) (again int) {
	t.Helper()
	w := newWire(t, d.address, sends, answers)
	v, transport := through(t, d, w)
	o := sell(name, "0.01", "60")
	before := len(d.broker.Core().Orders())
	receipt, err := v.Place(t.Context(), noon, o)
	if err == nil {
		t.Errorf("%s: placed over a broken wire: %+v", name, receipt)
	}
	for range 5 {
		if receipt, err = v.Ask(t.Context(), noon, o.ID); err == nil {
			break
		}
		if errors.Is(err, lifeboat.ErrAbsent) {
			again++
			if receipt, err = v.Place(t.Context(), noon, o); err == nil {
				break
			}
		}
		d.clock.pass(31 * time.Second)
	}
	if err != nil || receipt.Status != lifeboat.Accepted || receipt.Key != o.ID {
		t.Errorf("%s: resolved as %+v, %v", name, receipt, err)
	}
	transport.CloseIdleConnections()
	w.end()
	if n := len(d.broker.Core().Orders()) - before; n != 1 {
		t.Errorf("%s: %d orders", name, n)
	}
	return again
}

// TestFaultyTwin: requests and answers that are lost, late, repeated or vague leave one order each.
func TestFaultyTwin(t *testing.T) {
	for _, fault := range venuetest.Faults {
		d := open(t)
		d.quote(t, "50", 1000)
		v := venuetest.Faulty(d.Venue, venuetest.InTurn(fault, venuetest.None, fault))
		o := sell(string(fault), "10", "60")
		receipt, err := v.Place(t.Context(), noon, o)
		for range 5 {
			if err == nil && receipt.Status == lifeboat.Accepted {
				break
			}
			if receipt, err = v.Ask(t.Context(), noon, o.ID); errors.Is(err, lifeboat.ErrAbsent) {
				receipt, err = v.Place(t.Context(), noon, o)
			}
			d.clock.pass(31 * time.Second)
		}
		if n := len(d.broker.Core().Orders()); n != 1 || err != nil || receipt.Status != lifeboat.Accepted {
			t.Errorf("%s: %d orders, %+v, %v", fault, n, receipt, err)
		}
	}
}
