package ibkr_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/ibkr/ibkrtest"
)

// cutter is a line to a server that breaks after so many bytes, counted from when it is armed.
type cutter struct {
	net.Listener
	to string

	mu        sync.Mutex
	up, down  int // bytes that still pass; below zero is without end
	wentUp    int // since it was armed
	wentDown  int
	armed     bool
	open      map[net.Conn]bool
	waitGroup sync.WaitGroup
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: to, up: -1, down: -1, open: map[net.Conn]bool{}}
	go c.serve()
	t.Cleanup(func() { _ = l.Close(); c.breakAll(); c.waitGroup.Wait() })
	return c
}

func (c *cutter) serve() {
	for {
		near, err := c.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		c.mu.Lock()
		c.open[near], c.open[far] = true, true
		c.mu.Unlock()
		c.waitGroup.Add(2)
		go c.pass(far, near, true)
		go c.pass(near, far, false)
	}
}

// pass copies one direction byte for byte, and breaks both when its share is used up.
func (c *cutter) pass(to, from net.Conn, up bool) {
	defer c.waitGroup.Done()
	defer func() {
		_, _ = to.Close(), from.Close()
		c.mu.Lock()
		delete(c.open, to)
		delete(c.open, from)
		c.mu.Unlock()
	}()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		allowed, cut := c.take(n, up)
		if allowed > 0 {
			if _, err := to.Write(buffer[:allowed]); err != nil {
				return
			}
		}
		if err != nil || cut {
			return
		}
	}
}

func (c *cutter) take(n int, up bool) (allowed int, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed {
		return n, false
	}
	left, went := &c.down, &c.wentDown
	if up {
		left, went = &c.up, &c.wentUp
	}
	allowed = n
	if *left >= 0 {
		allowed = min(n, *left)
		*left -= allowed
		cut = *left == 0
	}
	*went += allowed
	return allowed, cut
}

func (c *cutter) arm(up, down int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.up, c.down, c.wentUp, c.wentDown = true, up, down, 0, 0
}

func (c *cutter) disarm() (wentUp, wentDown int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = false
	return c.wentUp, c.wentDown
}

func (c *cutter) breakAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
}

// cut places one order over a line that breaks, resolves it as the flow does, and reports how many bytes the whole
// conversation has.
func cut(t *testing.T, questions []ibkrtest.Question, up, down int) (wentUp, wentDown int) {
	t.Helper()
	var line *cutter
	b := ibkrtest.Open(t, func(o *ibkrtest.Options, c *venue.Connection) {
		o.Questions = func(ibkrtest.Ticket) []ibkrtest.Question { return questions }
		c.URL = "later"
	})
	server := httptest.NewServer(b.Gateway)
	defer server.Close()
	line = newCutter(t, strings.TrimPrefix(server.URL, "http://"))
	v := connect(t, b, "http://"+line.Addr().String()+"/v1/api", &http.Client{Transport: &http.Transport{}})
	at := b.Quote("50", 1000)
	warm := sell("warm", 1, "70")
	if r, err := v.Place(t.Context(), at, warm); err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("warm up: %+v, %v", r, err)
	}
	order := sell("cut", 7, "60")
	line.arm(up, down)
	r, err := v.Place(t.Context(), at, order)
	wentUp, wentDown = line.disarm()
	for range 20 { // as the flow does: ask, and send again only what is absent
		if err == nil && r.Status == lifeboat.Accepted {
			break
		}
		at = b.Clock.Pass(10 * time.Second)
		if r, err = v.Ask(t.Context(), at, order.ID); errors.Is(err, lifeboat.ErrAbsent) {
			r, err = v.Place(t.Context(), at, order)
		}
	}
	if err != nil || r.Status != lifeboat.Accepted {
		t.Fatalf("cut after %d and %d bytes: %+v, %v", up, down, r, err)
	}
	n := 0
	for _, p := range b.Gateway.Paper().Orders() {
		if p.Order.Quantity.Equal(order.Quantity) {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("cut after %d and %d bytes: %d orders", up, down, n)
	}
	return wentUp, wentDown
}

// A connection that breaks at any byte of an order's request, of its answer, or of the question in between leads to one
// order. The line is plain here, so that each byte is one of HTTP.
func TestCutAnywhere(t *testing.T) {
	fromUp, fromDown := 0, 0 // what both conversations begin with is cut once
	for _, questions := range [][]ibkrtest.Question{nil, {{ID: "o163", Text: "Are you sure?"}}} {
		up, down := cut(t, questions, -1, -1)
		if up < fromUp+100 || down < fromDown+100 {
			t.Fatalf("the conversation has %d and %d bytes", up, down)
		}
		for n := fromUp; n < up; n++ {
			cut(t, questions, n, -1)
		}
		for n := fromDown; n < down; n++ {
			cut(t, questions, -1, n)
		}
		t.Logf("cut at %d bytes of requests and %d of answers", up-fromUp, down-fromDown)
		fromUp, fromDown = up-50, 0
	}
}

func sell(key string, quantity int64, limit string) lifeboat.Order {
	return lifeboat.Order{ID: lifeboat.NewKey("ibkr", key), Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit,
		Quantity: decimal.NewFromInt(quantity), Limit: decimal.RequireFromString(limit)}
}
