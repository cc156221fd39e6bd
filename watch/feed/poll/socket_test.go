package poll

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lifeboat"
	"lifeboat/plan"
)

// exchange is a stand-in, written by us after Coinbase Exchange's documented ticker channel: a subscribe message, its
// confirmation, then a message for each trade. What happens on a connection is the test's to say.
func exchange(t *testing.T, serve func(n int, ctx context.Context, c *websocket.Conn)) *httptest.Server {
	t.Helper()
	var connections atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		serve(int(connections.Add(1)), r.Context(), c)
	}))
	t.Cleanup(server.Close)
	return server
}

func socketOf(t *testing.T, url string, feeds ...plan.Feed) *Socket {
	t.Helper()
	for i := range feeds {
		f := &feeds[i]
		f.URL, f.Source, f.Format, f.Key = "ws"+strings.TrimPrefix(url, "http"), "cb", "json", "env:SOCKET_KEY"
		if f.Headers == nil {
			f.Headers = map[string]string{"Authorization": "Bearer {key}"}
		}
	}
	all, err := Sockets(t.Context(), feeds, Options{}, lifeboat.WallClock{})
	if err != nil || len(all) != 1 {
		t.Fatalf("%d sockets, %v", len(all), err)
	}
	all[0].back = 10 * time.Millisecond
	return all[0]
}

// listening runs a socket and returns what it delivers, line by line.
func listening(t *testing.T, s *Socket) (<-chan string, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	lines, done := make(chan string, 100), make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(readings []lifeboat.Reading, problems []error) {
			for _, r := range readings {
				lines <- told([]lifeboat.Reading{r}, nil)
			}
			for _, p := range problems {
				lines <- "error: " + cause(p).Error()
			}
		})
	}()
	return lines, func() { cancel(); <-done }
}

func next(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	select {
	case got := <-lines:
		if got != want {
			t.Fatalf("told %s, want %s", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing was told, want %s", want)
	}
}

const subscription = `{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channels":["ticker"]}`

func tickers() (all []plan.Feed) {
	for _, symbol := range []string{"BTC", "ETH"} {
		all = append(all, plan.Feed{Series: symbol, Rows: "$[?(@.product_id == '" + symbol + "-USD')]", Path: "$.price", Time: "$.time", Subscribe: subscription})
	}
	return all
}

func TestASocketListensAndComesBack(t *testing.T) {
	t.Setenv("SOCKET_KEY", "hush")
	say := func(ctx context.Context, c *websocket.Conn, product, price string, second int) {
		_ = c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"ticker","product_id":%q,"price":%q,"time":"2026-01-02T08:00:%02d.5Z"}`, product, price, second))
	}
	server := exchange(t, func(n int, ctx context.Context, c *websocket.Conn) {
		if _, asked, err := c.Read(ctx); err != nil || string(asked) != subscription {
			t.Errorf("subscribed with %s (%v)", asked, err)
			return
		}
		_ = c.Write(ctx, websocket.MessageText, []byte(`{"type":"subscriptions","channels":[]}`))
		say(ctx, c, "BTC-USD", "5014.48", 1) // again on the second connection, where it is no news
		if n == 1 {
			say(ctx, c, "ETH-USD", "-3", 2)
			_ = c.Write(ctx, websocket.MessageText, []byte(`{"type":`))
			return // the connection breaks
		}
		say(ctx, c, "ETH-USD", "110.61", 3)
		_, _, _ = c.Read(ctx)
	})
	s := socketOf(t, server.URL, tickers()...)
	lines, stop := listening(t, s)
	defer stop()
	next(t, lines, "BTC@cb=5014.48 at 2026-01-02T08:00:01Z")
	next(t, lines, `ETH@cb suspect: "-3" is no price: prices are positive`)
	next(t, lines, "error: "+notUnderstood)
	next(t, lines, "error: the connection was lost") // for each of the two
	next(t, lines, "error: the connection was lost")
	next(t, lines, "ETH@cb=110.61 at 2026-01-02T08:00:03Z")
}

// Binance's streams, in the form of web-socket-streams.md of its own documents: a trade as it happens, and of a candle only
// what it closed at. The server ends each connection after a day, and the next one goes on.
func TestBinanceStreams(t *testing.T) {
	t.Setenv("SOCKET_KEY", "hush")
	const trade = `{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"%s","q":"0.5","T":%d,"m":true,"M":true}`
	const kline = `{"e":"kline","E":1672515782136,"s":"BTCUSDT","k":{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"16800","c":"%s","h":"16900","l":"16700","v":"1000","n":100,"x":%v,"q":"1.0","V":"500","Q":"0.5","B":"0"}}`
	server := exchange(t, func(n int, ctx context.Context, c *websocket.Conn) {
		for _, message := range []string{fmt.Sprintf(kline, "16801", false), fmt.Sprintf(trade, "16802.5", 1672515782000+n*1000), fmt.Sprintf(kline, "16850", true)} {
			_ = c.Write(ctx, websocket.MessageText, []byte(message))
		}
		if n == 1 {
			_ = c.Close(websocket.StatusGoingAway, "24 hours are over")
			return
		}
		_, _, _ = c.Read(ctx)
	})
	lines, stop := listening(t, socketOf(t, server.URL,
		plan.Feed{Series: "BTC", Rows: "$[?(@.e == 'trade')]", Path: "$.p", Time: "$.T"},
		plan.Feed{Series: "BTC-CLOSE", Rows: "$[?(@.k.x == true)]", Path: "$.k.c", Time: "$.k.T"}))
	defer stop()
	next(t, lines, "BTC@cb=16802.5 at 2022-12-31T19:43:03Z")
	next(t, lines, "BTC-CLOSE@cb=16850 at 2022-12-31T19:43:59Z")
	next(t, lines, "error: it closed the connection (1001)")
	next(t, lines, "error: it closed the connection (1001)")
	next(t, lines, "BTC@cb=16802.5 at 2022-12-31T19:43:04Z") // the candle is no news
}

func TestASocketThatFails(t *testing.T) {
	for name, tt := range map[string]struct {
		key   string
		serve func(n int, ctx context.Context, c *websocket.Conn)
		want  string
	}{
		"a wrong key": {"wrong", nil, "error: it answers 401 Unauthorized"},
		"it closes": {"hush", func(_ int, _ context.Context, c *websocket.Conn) {
			_ = c.Close(websocket.StatusPolicyViolation, "key hush is not allowed")
		}, "error: it closed the connection (1008)"},
		"a message without an end": {"hush", func(_ int, ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageText, []byte(strings.Repeat("x", answerMax+2)))
			_, _, _ = c.Read(ctx)
		}, "error: the answer is larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SOCKET_KEY", tt.key)
			server := exchange(t, tt.serve)
			lines, stop := listening(t, socketOf(t, server.URL, plan.Feed{Series: "BTC", Path: "$.price"}))
			defer stop()
			next(t, lines, tt.want)
		})
	}
}

// TestNobodyIsThere: a connection over which nothing comes and no ping is answered is given up, and made anew.
func TestNobodyIsThere(t *testing.T) {
	t.Setenv("SOCKET_KEY", "hush")
	server := exchange(t, func(n int, ctx context.Context, c *websocket.Conn) {
		if n > 1 {
			_ = c.Write(ctx, websocket.MessageText, []byte(`{"price":7}`))
		}
		<-ctx.Done() // it does not read, so it answers no ping
	})
	s := socketOf(t, server.URL, plan.Feed{Series: "BTC", Path: "$.price"})
	s.pace, s.pong = 10*time.Millisecond, 50*time.Millisecond
	lines, stop := listening(t, s)
	next(t, lines, "error: "+errNoPong.Error())
	next(t, lines, "BTC@cb=7")
	stop()
}

func FuzzSocketMessage(f *testing.F) {
	for _, message := range []string{`{"price":"5014.48","time":"2026-01-02T08:00:01Z","product_id":"BTC-USD"}`, `[{"price":1},{"price":2}]`, `{"price":null}`, `"pong"`, `{`} {
		f.Add([]byte(message))
	}
	f.Setenv("SOCKET_KEY", "hush")
	f.Fuzz(func(t *testing.T, message []byte) {
		all, err := Sockets(t.Context(), []plan.Feed{{Series: "BTC", URL: "wss://example.org", Format: "json", Path: "$.price", Time: "$.time", Rows: "$[?(@.product_id == 'BTC-USD')]"},
			{Series: "ETH", URL: "wss://example.org", Format: "json", Path: "$[*].price"}}, Options{}, lifeboat.WallClock{})
		if err != nil {
			t.Fatal(err)
		}
		readings, _ := all[0].take(noon, message)
		sound(t, readings, nil)
	})
}
