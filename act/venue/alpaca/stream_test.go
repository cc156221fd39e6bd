package alpaca_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue/alpaca"
)

// hears runs Updates until the test ends and gives what it tells: "" for a gap, else an order's client id and event.
func hears(t *testing.T, c *alpaca.Client, by ...alpaca.Transport) <-chan string {
	t.Helper()
	told := make(chan string, 10_000)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		err := c.Updates(ctx, by, func(u alpaca.Update) {
			if u.Gap {
				told <- ""
				return
			}
			told <- u.Order.ClientOrderID + " " + u.Event
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return told
}

// until reads what is told up to something, and returns all of it.
func until(t *testing.T, told <-chan string, want string) []string {
	t.Helper()
	var all []string
	late := time.After(5 * time.Second)
	for {
		select {
		case one := <-told:
			if all = append(all, one); one == want {
				return all
			}
		case <-late:
			t.Fatalf("%q was not told; only %q", want, all)
		}
	}
}

func TestUpdates(t *testing.T) {
	for _, by := range []alpaca.Transport{alpaca.WebSocket, alpaca.SSE} {
		t.Run(string(by), func(t *testing.T) {
			d := open(t)
			d.quote(t, "50", 1000)
			told := hears(t, d.Client(), by)
			if all := until(t, told, ""); len(all) != 1 {
				t.Errorf("before the first gap: %q", all)
			}
			resting, now := sell("resting", "10", "60"), sell("now", "20", "")
			for _, o := range []lifeboat.Order{resting, now} {
				if _, err := d.Place(t.Context(), noon, o); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := d.Cancel(t.Context(), noon, resting.ID); err != nil {
				t.Fatal(err)
			}
			all := strings.Join(until(t, told, string(resting.ID)+" canceled"), ", ")
			want := fmt.Sprintf("%s new, %s new, %s fill, %s canceled", resting.ID, now.ID, now.ID, resting.ID)
			if all != want {
				t.Errorf("%s\nwant %s", all, want)
			}
		})
	}
}

// TestUpdatesOverABrokenWire: wherever a connection breaks, another follows, and says that there was a gap.
func TestUpdatesOverABrokenWire(t *testing.T) {
	for _, by := range []alpaca.Transport{alpaca.WebSocket, alpaca.SSE} {
		t.Run(string(by), func(t *testing.T) {
			for n := 0; n < 2500; n += 97 {
				d := open(t)
				d.quote(t, "50", 1000)
				w := newWire(t, d.address, -1, n)
				over, transport := through(t, d, w)
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					told := hears(t, over.Client(), by)
					until(t, told, "")
					for i := range 3 { // what happens before the break, about it, and after it
						if _, err := d.Place(t.Context(), noon, sell(fmt.Sprint(n, i), "1", "60")); err != nil {
							t.Fatal(err)
						}
					}
					last := sell("last", "1", "60")
					if _, err := d.Place(t.Context(), noon, last); err != nil {
						t.Fatal(err)
					}
					for late := time.After(5 * time.Second); ; {
						select {
						case heard := <-told:
							if heard == "" || heard == string(last.ID)+" new" {
								return // either all are asked for now, or the last one was heard
							}
						case <-late:
							t.Fatal("the last order is not told, and no gap either")
						}
					}
				})
				transport.CloseIdleConnections()
				go w.end()
			}
		})
	}
}

// TestListen names lifeboat's orders alone, and goes on by SSE where there is no WebSocket.
func TestListen(t *testing.T) {
	d := open(t)
	d.quote(t, "50", 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			http.NotFound(w, r)
			return
		}
		d.broker.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	c := d.connection()
	c.URL = server.URL
	v, err := alpaca.New(c)
	if err != nil {
		t.Fatal(err)
	}
	moved := make(chan lifeboat.Key, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = v.Listen(ctx, func(k lifeboat.Key) { moved <- k }) })
	defer running.Wait()
	defer cancel()
	if k := <-moved; k != "" {
		t.Errorf("first %q", k)
	}
	if _, err := d.Client().Place(ctx, alpaca.Ticket{ClientOrderID: "mine", Symbol: "SPY", Side: lifeboat.Sell, Type: "market", TimeInForce: "gtc", Quantity: sell("", "1", "").Quantity}); err != nil {
		t.Fatal(err)
	}
	o := sell("ours", "1", "60")
	if _, err := d.Place(ctx, noon, o); err != nil {
		t.Fatal(err)
	}
	if k := <-moved; k != o.ID {
		t.Errorf("then %q", k)
	}
}

// TestListenWithAWrongKey says so once, without the key.
func TestListenWithAWrongKey(t *testing.T) {
	d := open(t)
	var log bytes.Buffer
	c := d.connection()
	c.Secret, c.Log = "another-"+secret, slog.New(slog.NewTextHandler(&log, nil))
	tries := make(chan bool, 1000)
	c.Clock = counting{d.clock, tries}
	v, err := alpaca.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = v.Listen(ctx, func(k lifeboat.Key) { t.Errorf("moved %q", k) }) })
	for range 2 {
		<-tries
	}
	cancel()
	running.Wait()
	if told := log.String(); strings.Count(told, "broke off") != 1 || !strings.Contains(told, "keys are refused") || strings.Contains(told, secret) {
		t.Errorf("%s", told)
	}
}

// counting tells each time that something wants to sleep before another try.
type counting struct {
	*clock
	tries chan bool
}

func (c counting) Sleep(ctx context.Context, until time.Time) error {
	if until.Sub(c.Now()) <= 2*time.Second {
		c.tries <- true
	}
	return c.clock.Sleep(ctx, until)
}
