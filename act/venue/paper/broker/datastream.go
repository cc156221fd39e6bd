package broker

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"lifeboat"
)

// dataStreams are the paths of the stock data stream; both have the same prices.
var dataStreams = []string{"/v2/iex", "/v2/sip"}

func dataStream(path string) bool { return slices.Contains(dataStreams, path) }

// feed passes what is shown on to whoever streams it.
type feed struct {
	mu        sync.Mutex
	listeners map[chan lifeboat.Instant]bool
}

func newFeed() *feed { return &feed{listeners: map[chan lifeboat.Instant]bool{}} }

func (f *feed) tell(in lifeboat.Instant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for listener := range f.listeners {
		select {
		case listener <- in:
		default:
			delete(f.listeners, listener)
			close(listener)
		}
	}
}

func (f *feed) listen() (chan lifeboat.Instant, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.listeners) >= listenersMax {
		return nil, false
	}
	live := make(chan lifeboat.Instant, behindMax)
	f.listeners[live] = true
	return live, true
}

func (f *feed) leave(live chan lifeboat.Instant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners, live)
}

// subscriptions of one connection; "*" stands for every symbol.
type subscriptions struct{ Trades, Quotes, Bars []string }

// symbolsMax is how many symbols one connection may name in each list.
const symbolsMax = 1000

func (s *subscriptions) change(action string, by subscriptions) {
	for _, one := range []struct {
		to *[]string
		by []string
	}{{&s.Trades, by.Trades}, {&s.Quotes, by.Quotes}, {&s.Bars, by.Bars}} {
		*one.to = slices.DeleteFunc(*one.to, func(symbol string) bool { return slices.Contains(one.by, symbol) })
		if action == "subscribe" && len(*one.to)+len(one.by) <= symbolsMax {
			*one.to = append(*one.to, one.by...)
		}
	}
}

func wants(list []string, symbol string) bool {
	return slices.Contains(list, symbol) || slices.Contains(list, "*")
}

type dataAction struct {
	Action string   `json:"action"`
	Key    string   `json:"key"`
	Secret string   `json:"secret"`
	Trades []string `json:"trades"`
	Quotes []string `json:"quotes"`
	Bars   []string `json:"bars"`
}

// dataConn is one connection of the data stream. Alpaca's SDKs ask for MessagePack; everybody else gets JSON.
type dataConn struct {
	*websocket.Conn
	packed bool
}

func (c dataConn) hear(ctx context.Context) (a dataAction, err error) {
	_, content, err := c.Read(ctx)
	if err != nil {
		return a, err
	}
	if !c.packed {
		return a, json.Unmarshal(content, &a)
	}
	d := msgpack.NewDecoder(strings.NewReader(string(content)))
	d.SetCustomStructTag("json")
	return a, d.Decode(&a)
}

// piece is one piece of news in a frame: names and values in turn. Their order matters, since Alpaca's Go SDK wants to read
// first what kind of news it is.
type piece []any

func (p piece) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for i, part := range p {
		encoded, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		if text = append(text, encoded...); i%2 == 0 {
			text = append(text, ':')
		} else if i < len(p)-1 {
			text = append(text, ',')
		}
	}
	return append(text, '}'), nil
}

func (p piece) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeMapLen(len(p) / 2); err != nil {
		return err
	}
	return e.EncodeMulti(p...)
}

// say sends one frame, which always holds a list.
func (c dataConn) say(ctx context.Context, news ...piece) error {
	kind, encode := websocket.MessageText, json.Marshal
	if c.packed {
		kind, encode = websocket.MessageBinary, msgpack.Marshal
	}
	content, err := encode(news)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	return c.Write(ctx, kind, content)
}

// serveDataStream streams trades, quotes and bars.
func (b *Broker) serveDataStream(w http.ResponseWriter, r *http.Request) {
	accepted, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	c := dataConn{accepted, r.Header.Get("Content-Type") == "application/msgpack"}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(bodyMax)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if c.say(ctx, piece{"T", "success", "msg", "connected"}) != nil || !b.authenticateData(ctx, c) {
		return
	}
	live, ok := b.taped.listen()
	if !ok {
		_ = c.say(ctx, piece{"T", "error", "code", 406, "msg", "connection limit exceeded"})
		return
	}
	defer b.taped.leave(live)
	asks := make(chan dataAction)
	go hearData(ctx, cancel, c, asks)
	wanted := subscriptions{Trades: []string{}, Quotes: []string{}, Bars: []string{}}
	for {
		select {
		case a := <-asks:
			wanted.change(a.Action, subscriptions{a.Trades, a.Quotes, a.Bars})
			if c.say(ctx, piece{"T", "subscription", "trades", wanted.Trades, "quotes", wanted.Quotes, "bars", wanted.Bars}) != nil {
				return
			}
		case in, ok := <-live:
			if !ok {
				_ = c.say(ctx, piece{"T", "error", "code", 407, "msg", "slow client"})
				return
			}
			if news := b.news(wanted, in); len(news) > 0 && c.say(ctx, news...) != nil {
				return
			}
		case <-ctx.Done():
			return
		case <-b.done:
			_ = c.Close(websocket.StatusGoingAway, "the broker stops")
			return
		}
	}
}

func (b *Broker) authenticateData(ctx context.Context, c dataConn) bool {
	waiting, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	a, err := c.hear(waiting)
	switch {
	case err != nil || a.Action != "auth":
		_ = c.say(ctx, piece{"T", "error", "code", 401, "msg", "not authenticated"})
		return false
	case !b.knows(a.Key, a.Secret):
		_ = c.say(ctx, piece{"T", "error", "code", 402, "msg", "auth failed"})
		return false
	}
	return c.say(ctx, piece{"T", "success", "msg", "authenticated"}) == nil
}

func hearData(ctx context.Context, gone context.CancelFunc, c dataConn, asks chan<- dataAction) {
	defer gone()
	for {
		a, err := c.hear(ctx)
		if err != nil {
			return
		}
		select {
		case asks <- a:
		case <-ctx.Done():
			return
		}
	}
}

// news is what one instant says of the symbols that are wanted.
func (b *Broker) news(wanted subscriptions, in lifeboat.Instant) (news []piece) {
	for _, r := range in.Readings {
		symbol, column := r.Series.Column()
		m, known := b.core.Market(symbol)
		if column != "" || !known {
			continue
		}
		if wants(wanted.Trades, symbol) {
			news = append(news, piece{"T", "t", "S", symbol, "t", m.At, "p", m.Price.InexactFloat64(), "s", uint32(sizeShown), "x", "V", "c", []string{"@"}, "i", m.At.UnixNano(), "z", "B"})
		}
		if wants(wanted.Quotes, symbol) {
			news = append(news, piece{"T", "q", "S", symbol, "t", m.At, "ap", m.Ask.InexactFloat64(), "as", uint32(sizeShown), "ax", "V",
				"bp", m.Bid.InexactFloat64(), "bs", uint32(sizeShown), "bx", "V", "c", []string{"R"}, "z", "B"})
		}
		if one, ok := b.lastBar(symbol, time.Minute); ok && wants(wanted.Bars, symbol) {
			news = append(news, piece{"T", "b", "S", symbol, "t", one.At, "o", float64(one.Open), "h", float64(one.High), "l", float64(one.Low), "c", float64(one.Close),
				"v", one.Volume, "n", one.Count, "vw", float64(one.VWAP)})
		}
	}
	return news
}
