package alpaca_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper/broker"
	"lifeboat/watch/feed/alpaca"
)

// 16 March 2020, in the middle of New York's session.
var noon = time.Date(2020, 3, 16, 16, 0, 0, 0, time.UTC)

const (
	key    = "PKTESTKEY0000000001"
	secret = "s3cr3t-of-the-test-0000000000000000000001"
)

// clock stands still until a test moves it; short sleeps end at once, long ones with their context.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) Sleep(ctx context.Context, until time.Time) error {
	if until.Sub(c.Now()) > 2*time.Second {
		<-ctx.Done()
		return ctx.Err()
	}
	select { // a moment, so that nothing spins
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func source(t *testing.T, address string, at *clock, change func(*alpaca.Config)) *alpaca.Source {
	t.Helper()
	c := alpaca.Config{URL: address, Key: key, Secret: secret, Clock: at, Series: []lifeboat.Series{"SPY", "QQQ"}}
	if change != nil {
		change(&c)
	}
	s, err := alpaca.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// paper is the paper broker on the clock of a test.
func paper(t *testing.T) (*broker.Broker, string, *clock) {
	t.Helper()
	at := &clock{now: noon}
	b, err := broker.New(broker.Options{Clock: at, Keys: map[string]string{key: secret}, Prices: []broker.Price{
		{Symbol: "SPY", Last: decimal.NewFromInt(250)}, {Symbol: "QQQ", Last: decimal.NewFromInt(170)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	t.Cleanup(func() { _ = b.Close(); server.CloseClientConnections(); server.Close() })
	return b, server.URL, at
}

// told writes readings as a line to compare, without their times.
func told(readings []lifeboat.Reading) string {
	var words []string
	for _, r := range readings {
		word := fmt.Sprintf("%s@%s=%v", r.Series, r.Source, r.Value)
		if r.Quality == lifeboat.Suspect {
			word = fmt.Sprintf("%s@%s suspect: %s", r.Series, r.Source, r.Why)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// TestPollPaper reads the paper broker, which its own tests hold to Alpaca's SDKs.
func TestPollPaper(t *testing.T) {
	b, address, at := paper(t)
	s := source(t, address, at, nil)
	if err := b.SetPrice("SPY", 240.5); err != nil {
		t.Fatal(err)
	}
	readings, problems := s.Poll(t.Context(), at.Now())
	if len(problems) > 0 || !strings.Contains(told(readings), "SPY@alpaca=240.5") {
		t.Fatalf("%s, %v", told(readings), problems)
	}
	for _, r := range readings {
		if r.At.IsZero() || r.At.After(b.Now()) {
			t.Errorf("%+v", r)
		}
	}
	if again, _ := s.Poll(t.Context(), at.Now()); len(again) > 0 || !s.Next().Equal(at.Now().Add(time.Minute)) {
		t.Errorf("before it is due: %s", told(again))
	}
	at.pass(time.Minute)
	if err := b.SetPrice("SPY", 239); err != nil {
		t.Fatal(err)
	}
	if readings, problems = s.Poll(t.Context(), at.Now()); len(problems) > 0 || !strings.Contains(told(readings), "SPY@alpaca=239") {
		t.Errorf("%s, %v", told(readings), problems)
	}
	history, err := s.Trades(t.Context(), alpaca.Range{Symbols: []string{"SPY"}, From: noon.Add(-time.Hour)})
	if err != nil || len(history["SPY"]) < 2 || history["SPY"][len(history["SPY"])-1].Price != "239" {
		t.Errorf("history of trades: %+v, %v", history, err)
	}
	quotes, err := s.LatestQuotes(t.Context(), []string{"SPY"})
	if err != nil || quotes["SPY"].Bid == "" || quotes["SPY"].Ask == "" {
		t.Errorf("quotes: %+v, %v", quotes, err)
	}
}

// TestRunPaper hears the paper broker.
func TestRunPaper(t *testing.T) {
	b, address, at := paper(t)
	var log bytes.Buffer
	s := source(t, address, at, func(c *alpaca.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	heard := make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx, func(r []lifeboat.Reading) { heard <- told(r) }); !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	})
	defer func() {
		cancel()
		running.Wait()
		if log.Len() > 0 {
			t.Errorf("the log says %s", log.String())
		}
	}()
	await := func(want string) {
		t.Helper()
		late := time.After(20 * time.Second)
		for {
			select {
			case line := <-heard:
				if strings.Contains(line, want) {
					return
				}
			case <-late:
				t.Fatalf("%s is not heard", want)
			}
		}
	}
	await("SPY@alpaca=250") // the newest price there was
	at.pass(time.Second)
	if err := b.SetPrice("SPY", 241.25); err != nil {
		t.Fatal(err)
	}
	await("SPY@alpaca=241.25")
}

// serving answers as a test says; requests are told.
func serving(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

func says(body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func trades(spy, qqq string) string { return `{"trades":{"SPY":` + spy + `,"QQQ":` + qqq + `}}` }

func TestReadings(t *testing.T) {
	good := `{"t":"2020-03-16T15:59:59.123456789Z","p":170.5,"s":100,"c":["@"],"i":1,"x":"V","z":"C"}`
	for _, tt := range []struct{ name, price, body, want string }{
		{"two", "trade", trades(`{"t":"2020-03-16T15:59:58Z","p":239.85}`, good), "QQQ@alpaca=170.5, SPY@alpaca=239.85"},
		{"a negative price", "trade", trades(`{"t":"2020-03-16T15:59:58Z","p":-37.63}`, good), "QQQ@alpaca=170.5, SPY@alpaca suspect: -37.63: is no price: prices are positive"},
		{"nothing traded", "trade", trades(`{"t":"2020-03-16T15:59:58Z","p":0}`, good), "QQQ@alpaca=170.5, SPY@alpaca suspect: 0: is no price: prices are positive"},
		{"without a price", "trade", trades(`{"t":"2020-03-16T15:59:58Z"}`, good), "QQQ@alpaca=170.5"},
		{"without a time", "trade", trades(`{"p":5}`, good), "QQQ@alpaca=170.5, SPY@alpaca suspect: 5: it has no time"},
		{"from the future", "trade", trades(`{"t":"2020-03-16T17:00:00Z","p":5}`, good), "QQQ@alpaca=170.5, SPY@alpaca suspect: 5: its time 2020-03-16T17:00:00Z lies in the future"},
		{"of a symbol nobody asked for", "trade", `{"trades":{"SPY":` + good + `,"QQQ":` + good + `,"GME":` + good + `}}`, "QQQ@alpaca=170.5, SPY@alpaca=170.5"},
		{"the middle", "quote", `{"quotes":{"SPY":{"t":"2020-03-16T15:59:58Z","bp":239,"ap":241},"QQQ":{"t":"2020-03-16T15:59:58Z","bp":170,"ap":170}}}`, "QQQ@alpaca=170, SPY@alpaca=240"},
		{"one side", "quote", `{"quotes":{"SPY":{"t":"2020-03-16T15:59:58Z","bp":239,"ap":0},"QQQ":{"t":"2020-03-16T15:59:58Z","bp":0,"ap":0}}}`, ""},
		{"crossed", "quote", `{"quotes":{"SPY":{"t":"2020-03-16T15:59:58Z","bp":239,"ap":238},"QQQ":{"t":"2020-03-16T15:59:58Z","bp":1,"ap":3}}}`, "QQQ@alpaca=2, SPY@alpaca suspect: bid 239, ask 238: is not a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := source(t, serving(t, says(tt.body)), &clock{now: noon}, func(c *alpaca.Config) { c.Price = tt.price })
			readings, problems := s.Poll(t.Context(), noon)
			if got := told(readings); got != tt.want || len(problems) > 0 {
				t.Errorf("%s, %v\nwant %s", got, problems, tt.want)
			}
		})
	}
}

// TestBadAnswers: each is a problem that names the step, told once, and holds no key.
func TestBadAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"a wrong key", 403, `{"message":"forbidden ` + secret + `"}`, "the keys are refused"},
		{"too often", 429, `{"message":"too many requests."}`, "asked too often"},
		{"a failing server", 500, "<html>", "answers 500"},
		{"a page", 200, "<!doctype html>", "not the JSON"},
		{"a list", 200, "[]", "not the JSON"},
		{"half", 200, trades(`{"t":"2020-`, "")[:30], "not the JSON"},
		{"something else", 200, `{"bars":{}}`, "holds no trades"},
		{"trades that are none", 200, `{"trades":[]}`, "holds no trades"},
		{"a price that is none", 200, trades(`{"t":"2020-03-16T15:59:58Z","p":"high"}`, `{}`), "holds no trades"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := &clock{now: noon}
			s := source(t, serving(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Request-ID", "req-7")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}), at, nil)
			readings, problems := s.Poll(t.Context(), noon)
			if len(readings) > 0 || len(problems) != 1 {
				t.Fatalf("%s, %v", told(readings), problems)
			}
			var p *lifeboat.Problem
			if !errors.As(problems[0], &p) || p.Reason != "feed-down" || p.Money == "" || p.Next == "" || !strings.Contains(p.What, tt.want) ||
				!strings.Contains(p.What, "read latest trades") || strings.Contains(p.What, secret) {
				t.Errorf("%+v", problems[0])
			}
			at.pass(2 * time.Minute)
			if _, again := s.Poll(t.Context(), at.Now()); len(again) > 0 {
				t.Errorf("told again: %v", again)
			}
			if wait := s.Next().Sub(at.Now()); wait != 2*time.Minute {
				t.Errorf("asked again after %s", wait)
			}
		})
	}
}

func TestASymbolThatVanishes(t *testing.T) {
	good, gone := `{"t":"2020-03-16T15:59:59Z","p":170.5}`, false
	at := &clock{now: noon}
	s := source(t, serving(t, func(w http.ResponseWriter, _ *http.Request) {
		if gone {
			_, _ = io.WriteString(w, `{"trades":{"QQQ":`+good+`}}`)
			return
		}
		_, _ = io.WriteString(w, trades(good, good))
	}), at, nil)
	var counts []int
	for _, away := range []bool{false, true, true, false, true} {
		gone = away
		_, problems := s.Poll(t.Context(), at.Now())
		counts = append(counts, len(problems))
		if len(problems) > 0 && !strings.Contains(problems[0].Error(), "no price of SPY") {
			t.Errorf("%v", problems)
		}
		at.pass(time.Minute)
	}
	if fmt.Sprint(counts) != "[0 1 0 0 1]" {
		t.Errorf("told %v times", counts)
	}
}

// TestBars: columns come from bars that have ended, of the past the last one, then each once, page by page.
func TestBars(t *testing.T) {
	day := func(d, volume int) string {
		return fmt.Sprintf(`{"t":"2020-03-%02dT04:00:00Z","o":1,"h":3,"l":0.5,"c":2,"v":%d,"n":9,"vw":1.5}`, d, volume)
	}
	at := &clock{now: noon}
	pages := map[string]string{
		"":   `{"bars":{"SPY":[` + day(12, 12) + `]},"next_page_token":"p2"}`,
		"p2": `{"bars":{"SPY":[` + day(13, 13) + `,` + day(16, 16) + `]},"next_page_token":null}`,
	}
	var asked []string
	s := source(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, q.Get("start")+" "+q.Get("timeframe")+" "+q.Get("page_token"))
		_, _ = io.WriteString(w, pages[q.Get("page_token")])
	}), at, func(c *alpaca.Config) { c.Series = []lifeboat.Series{"SPY.volume", "SPY.low"} })
	poll := func(want string, when time.Time) {
		t.Helper()
		readings, problems := s.Poll(t.Context(), at.Now())
		if got := told(readings); got != want || len(problems) > 0 {
			t.Errorf("%s, %v\nwant %s", got, problems, want)
		}
		for _, r := range readings {
			if !r.At.Equal(when) {
				t.Errorf("%+v, not of %s", r, when)
			}
		}
	}
	poll("SPY.volume@alpaca=13, SPY.low@alpaca=0.5", time.Date(2020, 3, 13, 20, 0, 0, 0, time.UTC))
	at.pass(time.Hour)
	poll("", noon)
	at.pass(4 * time.Hour) // the session is over
	poll("SPY.volume@alpaca=16, SPY.low@alpaca=0.5", time.Date(2020, 3, 16, 20, 0, 0, 0, time.UTC))
	want := "2020-03-11T16:00:00Z 1Day , 2020-03-11T16:00:00Z 1Day p2, 2020-03-12T20:00:00Z 1Day , 2020-03-12T20:00:00Z 1Day p2"
	if got := strings.Join(asked[:4], ", "); got != want {
		t.Errorf("asked %s\nwant %s", got, want)
	}
}

func TestPagesWithoutAnEnd(t *testing.T) {
	s := source(t, serving(t, says(`{"trades":{"SPY":[]},"next_page_token":"again"}`)), &clock{now: noon}, func(c *alpaca.Config) { c.PerMinute = 100_000 })
	if _, err := s.Trades(t.Context(), alpaca.Range{Symbols: []string{"SPY"}}); err == nil || !strings.Contains(err.Error(), "never come to an end") {
		t.Errorf("%v", err)
	}
}

// TestSeen: what the journal knew is no news.
func TestSeen(t *testing.T) {
	s := source(t, serving(t, says(trades(`{"t":"2020-03-16T15:59:58Z","p":239.85}`, `{"t":"2020-03-16T15:59:59Z","p":170.5}`))), &clock{now: noon}, nil)
	s.Seen("SPY", "alpaca", noon.Add(-2*time.Second))
	s.Seen("QQQ", "another", noon)
	if readings, _ := s.Poll(t.Context(), noon); told(readings) != "QQQ@alpaca=170.5" {
		t.Errorf("%s", told(readings))
	}
}

// streaming is a server whose stream says what a test says, connection by connection, in lines; the last one stays open.
// It wants what Alpaca documents: connected, auth, authenticated, subscribe, subscription.
func streaming(t *testing.T, connections ...[]string) string {
	t.Helper()
	var mu sync.Mutex
	return serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/iex" {
			_, _ = io.WriteString(w, trades(`{"t":"2020-03-16T15:00:00Z","p":200}`, `{"t":"2020-03-16T15:00:00Z","p":100}`))
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		say := func(text string) { _ = conn.Write(r.Context(), websocket.MessageText, []byte(text)) }
		want := func(text string) bool {
			_, said, err := conn.Read(r.Context())
			if err == nil && string(said) != text {
				t.Errorf("it says %s\nnot %s", said, text)
			}
			return err == nil
		}
		say(`[{"T":"success","msg":"connected"}]`)
		if !want(`{"action":"auth","key":"` + key + `","secret":"` + secret + `"}`) {
			return
		}
		mu.Lock()
		lines, last := connections[0], len(connections) == 1
		if !last {
			connections = connections[1:]
		}
		mu.Unlock()
		if len(lines) == 1 && strings.Contains(lines[0], `"code":402`) {
			say(lines[0])
			return
		}
		say(`[{"T":"success","msg":"authenticated"}]`)
		if !want(`{"action":"subscribe","trades":["QQQ","SPY"]}`) {
			return
		}
		say(`[{"T":"subscription","trades":["QQQ","SPY"],"quotes":[],"bars":[]}]`)
		for _, line := range lines {
			say(line)
		}
		if last {
			_, _, _ = conn.Read(r.Context())
		}
	})
}

func TestRun(t *testing.T) {
	address := streaming(t,
		[]string{`[{"T":"error","code":402,"msg":"auth failed"}]`},
		[]string{`[{"T":"t","S":"SPY","i":1,"x":"V","p":241.5,"s":5,"c":["@"],"t":"2020-03-16T15:59:00Z","z":"B"},{"T":"b","S":"SPY","o":1,"h":2,"l":1,"c":2,"v":9,"t":"2020-03-16T15:58:00Z"}]`, `<html>`},
		[]string{
			`[{"T":"t","S":"SPY","p":230,"t":"2020-03-16T15:00:00Z"},{"T":"t","S":"GME","p":1,"t":"2020-03-16T15:59:30Z"},{"T":"s","S":"SPY","sc":"H","sm":"Halt","t":"2020-03-16T15:59:30Z"}]`,
			`[{"T":"t","S":"QQQ","p":-1,"t":"2020-03-16T15:59:31Z"}]`,
		},
	)
	var log bytes.Buffer
	s := source(t, address, &clock{now: noon}, func(c *alpaca.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ctx, cancel := context.WithCancel(t.Context())
	var all []lifeboat.Reading
	err := s.Run(ctx, func(r []lifeboat.Reading) {
		if all = append(all, r...); strings.Contains(told(all), "suspect") {
			cancel()
		}
	})
	// The first prices may be told before the first trade is heard, or be overtaken by it.
	got := strings.TrimPrefix(told(all), "QQQ@alpaca=100, SPY@alpaca=200, ")
	if want := "SPY@alpaca=241.5, QQQ@alpaca suspect: -1: is no price: prices are positive"; !errors.Is(err, context.Canceled) || strings.TrimPrefix(got, "QQQ@alpaca=100, ") != want {
		t.Errorf("%s, %v", told(all), err)
	}
	if !strings.Contains(log.String(), "auth failed (code 402)") || strings.Contains(log.String(), secret) {
		t.Errorf("%s", log.String())
	}
}

func TestNew(t *testing.T) {
	for name, change := range map[string]func(*alpaca.Config){
		"in the open":          func(c *alpaca.Config) { c.URL = "http://data.alpaca.markets" },
		"a stream in the open": func(c *alpaca.Config) { c.StreamURL = "ws://stream.data.alpaca.markets" },
		"no key":               func(c *alpaca.Config) { c.Key = "" },
		"no clock":             func(c *alpaca.Config) { c.Clock = nil },
		"another feed":         func(c *alpaca.Config) { c.Feed = "otc" },
		"other bars":           func(c *alpaca.Config) { c.Bars = "7Min" },
		"another price":        func(c *alpaca.Config) { c.Price = "guess" },
	} {
		c := alpaca.Config{Key: key, Secret: secret, Clock: &clock{now: noon}}
		if _, err := alpaca.New(c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if _, err := alpaca.New(c); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
