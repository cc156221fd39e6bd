package broker

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

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
type subscriptions struct {
	Trades []string `json:"trades"`
	Quotes []string `json:"quotes"`
	Bars   []string `json:"bars"`
}

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
	Action string `json:"action"`
	Key    string `json:"key"`
	Secret string `json:"secret"`
	subscriptions
}

// serveDataStream streams trades, quotes and bars as JSON.
func (b *Broker) serveDataStream(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(bodyMax)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if sendData(ctx, c, map[string]any{"T": "success", "msg": "connected"}) != nil || !b.authenticateData(ctx, c) {
		return
	}
	live, ok := b.taped.listen()
	if !ok {
		_ = sendData(ctx, c, map[string]any{"T": "error", "code": 406, "msg": "connection limit exceeded"})
		return
	}
	defer b.taped.leave(live)
	asks := make(chan dataAction)
	go hearData(ctx, cancel, c, asks)
	wanted := subscriptions{Trades: []string{}, Quotes: []string{}, Bars: []string{}}
	for {
		select {
		case a := <-asks:
			wanted.change(a.Action, a.subscriptions)
			if sendData(ctx, c, map[string]any{"T": "subscription", "trades": wanted.Trades, "quotes": wanted.Quotes, "bars": wanted.Bars}) != nil {
				return
			}
		case in, ok := <-live:
			if !ok {
				_ = sendData(ctx, c, map[string]any{"T": "error", "code": 407, "msg": "slow client"})
				return
			}
			if b.sendMarket(ctx, c, wanted, in) != nil {
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

func (b *Broker) authenticateData(ctx context.Context, c *websocket.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	_, text, err := c.Read(ctx)
	var a dataAction
	if err != nil || json.Unmarshal(text, &a) != nil || a.Action != "auth" {
		_ = sendData(ctx, c, map[string]any{"T": "error", "code": 401, "msg": "not authenticated"})
		return false
	}
	if !b.knows(a.Key, a.Secret) {
		_ = sendData(ctx, c, map[string]any{"T": "error", "code": 402, "msg": "auth failed"})
		return false
	}
	return sendData(ctx, c, map[string]any{"T": "success", "msg": "authenticated"}) == nil
}

func hearData(ctx context.Context, gone context.CancelFunc, c *websocket.Conn, asks chan<- dataAction) {
	defer gone()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return
		}
		var a dataAction
		if json.Unmarshal(text, &a) != nil {
			return
		}
		select {
		case asks <- a:
		case <-ctx.Done():
			return
		}
	}
}

// sendMarket sends what one instant says of the symbols that are wanted.
func (b *Broker) sendMarket(ctx context.Context, c *websocket.Conn, wanted subscriptions, in lifeboat.Instant) error {
	var news []any
	for _, r := range in.Readings {
		symbol, column := r.Series.Column()
		m, known := b.core.Market(symbol)
		if column != "" || !known {
			continue
		}
		if wants(wanted.Trades, symbol) {
			news = append(news, struct {
				T string `json:"T"`
				S string `json:"S"`
				tradeAnswer
			}{"t", symbol, tradeOf(m)})
		}
		if wants(wanted.Quotes, symbol) {
			news = append(news, struct {
				T string `json:"T"`
				S string `json:"S"`
				quoteAnswer
			}{"q", symbol, quoteOf(m)})
		}
		if one, ok := b.lastBar(symbol, time.Minute); ok && wants(wanted.Bars, symbol) {
			news = append(news, struct {
				T string `json:"T"`
				S string `json:"S"`
				barAnswer
			}{"b", symbol, one})
		}
	}
	if len(news) == 0 {
		return nil
	}
	return sendData(ctx, c, news...)
}

// sendData sends one frame, which always holds a list.
func sendData(ctx context.Context, c *websocket.Conn, news ...any) error {
	text, err := json.Marshal(news)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	return c.Write(ctx, websocket.MessageText, text)
}
