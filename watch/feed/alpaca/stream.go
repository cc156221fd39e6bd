package alpaca

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"lifeboat"
)

const (
	frameMax = 4 << 20          // bytes of one message
	gather   = time.Second      // in which the newest of a series stands for all of them
	pulse    = 20 * time.Second // between signs of life
	pauseMin = time.Second      // before a stream is opened again
	pauseMax = time.Minute
)

// Run hears prices until ctx ends, and then returns its error. Readings are told from one goroutine. Whatever ends a
// connection, it is opened again, later each time it fails; then the newest prices are asked for.
func (s *Source) Run(ctx context.Context, tell func([]lifeboat.Reading)) error {
	if len(s.subscription()) == 0 { // daily columns are asked for and never heard
		<-ctx.Done()
		return ctx.Err()
	}
	pause, told := pauseMin, false
	for {
		heard := false
		err := s.hear(ctx, func(r []lifeboat.Reading) { heard = true; tell(r) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if heard {
			pause, told = pauseMin, false
		}
		if s.config.Log != nil && !told {
			told = true
			s.config.Log.Warn("the stream of market data broke off; it is opened again", "source", Name, "error", err.Error())
		}
		if err := s.config.Clock.Sleep(ctx, s.config.Clock.Now().Add(pause)); err != nil {
			return err
		}
		pause = min(2*pause, pauseMax)
	}
}

// A message of the stream; T says which. One struct holds the fields of all, because Alpaca's letters do not meet: c, an
// array in trades and quotes, is a number in bars.
type message struct {
	T       string          `json:"T"`
	Symbol  string          `json:"S"`
	Size    json.RawMessage `json:"s"` // unread; without it the decoder, to which case is nothing, would take it for S
	Message string          `json:"msg"`
	Code    int             `json:"code"`
	At      time.Time       `json:"t"`
	Price   json.Number     `json:"p"`
	Bid     json.Number     `json:"bp"`
	Ask     json.Number     `json:"ap"`
	Open    json.Number     `json:"o"`
	High    json.Number     `json:"h"`
	Low     json.Number     `json:"l"`
	Volume  json.Number     `json:"v"`
	Trades  json.RawMessage `json:"trades"` // symbols of a subscription
}

// hear one connection to its end.
func (s *Source) hear(ctx context.Context, tell func([]lifeboat.Reading)) error {
	const step = "hear market data"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opening, done := context.WithTimeout(ctx, answerIn)
	defer done()
	conn, _, err := websocket.Dial(opening, s.config.StreamURL+"/v2/"+s.config.Feed, &websocket.DialOptions{HTTPClient: s.streaming()})
	if err != nil {
		return s.fault(step, "the connection cannot be opened")
	}
	defer conn.CloseNow()
	conn.SetReadLimit(frameMax)
	if err := s.introduce(opening, conn); err != nil {
		return s.fault(step, err.Error())
	}
	var waiting gathered
	if said, err := s.prices(ctx); err == nil { // what was missed; when that fails, the stream goes on
		waiting.put(said)
	}
	var telling sync.WaitGroup
	telling.Go(func() { s.tellOnAndOn(ctx, &waiting, tell) })
	go s.keepAlive(ctx, conn)
	for {
		messages, err := read(ctx, conn)
		if err == nil {
			err = s.take(messages, &waiting)
		}
		if err != nil {
			cancel()
			telling.Wait()
			return s.fault(step, err.Error())
		}
	}
}

// introduce authenticates and subscribes.
func (s *Source) introduce(ctx context.Context, conn *websocket.Conn) error {
	if err := await(ctx, conn, "success", "connected"); err != nil {
		return err
	}
	if err := send(ctx, conn, map[string]any{"action": "auth", "key": s.config.Key, "secret": s.config.Secret}); err != nil {
		return err
	}
	if err := await(ctx, conn, "success", "authenticated"); err != nil {
		return err
	}
	subscription := s.subscription()
	subscription["action"] = "subscribe"
	if err := send(ctx, conn, subscription); err != nil {
		return err
	}
	return await(ctx, conn, "subscription", "")
}

// subscription names what is heard, :: channel → symbols; no channel without any.
func (s *Source) subscription() map[string]any {
	wanted := map[string]any{}
	if len(s.series) > 0 {
		wanted[s.config.Price+"s"] = slices.Sorted(maps.Keys(s.series))
	}
	if s.config.Bars == "1Min" && len(s.bars) > 0 {
		wanted["bars"] = slices.Sorted(maps.Keys(s.bars))
	}
	return wanted
}

// await one message, and no other before it.
func await(ctx context.Context, conn *websocket.Conn, kind, text string) error {
	messages, err := read(ctx, conn)
	if err != nil {
		return err
	}
	for _, m := range messages {
		switch {
		case m.T == "error":
			return refused(m)
		case m.T == kind && (text == "" || m.Message == text):
			return nil
		}
	}
	return fmt.Errorf("it does not answer with %s", cut(kind+" "+text))
}

func refused(m message) error { return fmt.Errorf("it refuses: %s (code %d)", cut(m.Message), m.Code) }

func send(ctx context.Context, conn *websocket.Conn, m any) error {
	text, err := json.Marshal(m)
	if err != nil {
		return errors.New("the message cannot be written out")
	}
	if conn.Write(ctx, websocket.MessageText, text) != nil {
		return errBroke
	}
	return nil
}

var errBroke = errors.New("the connection broke off")

func read(ctx context.Context, conn *websocket.Conn) ([]message, error) {
	_, text, err := conn.Read(ctx)
	if err != nil {
		return nil, errBroke
	}
	return parseMessages(text)
}

func parseMessages(text []byte) ([]message, error) {
	var messages []message
	if err := json.Unmarshal(text, &messages); err != nil {
		return nil, errors.New("what it sends is not the JSON that it should be")
	}
	return messages, nil
}

// take what messages say. An error among them ends the connection: the server has said why it will send no more.
func (s *Source) take(messages []message, waiting *gathered) error {
	var said []observation
	for _, m := range messages {
		series, wanted := s.series[m.Symbol]
		switch {
		case m.T == "error":
			return refused(m)
		case m.T == "t" && wanted && s.config.Price == "trade":
			said = append(said, observation{series, string(m.Price), m.At})
		case m.T == "q" && wanted && s.config.Price == "quote":
			said = append(said, s.ofQuote(m.Symbol, Quote{At: m.At, Bid: m.Bid, Ask: m.Ask})...)
		case m.T == "b" && s.config.Bars == "1Min":
			said = append(said, s.ofBar(m.Symbol, Bar{At: m.At, Open: m.Open, High: m.High, Low: m.Low, Volume: m.Volume})...)
		}
	}
	waiting.put(said)
	return nil
}

// gathered holds the newest of each series until it is told; it cannot grow beyond the series that are wanted.
type gathered struct {
	mu     sync.Mutex
	newest map[lifeboat.Series]observation
}

func (g *gathered) put(said []observation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.newest == nil {
		g.newest = map[lifeboat.Series]observation{}
	}
	for _, o := range said {
		if known, ok := g.newest[o.series]; !ok || !o.at.Before(known.at) {
			g.newest[o.series] = o
		}
	}
}

func (g *gathered) all() []observation {
	g.mu.Lock()
	defer g.mu.Unlock()
	var said []observation
	for _, series := range slices.Sorted(maps.Keys(g.newest)) {
		said = append(said, g.newest[series])
	}
	clear(g.newest)
	return said
}

// tellOnAndOn what was gathered, and at the end what is left.
func (s *Source) tellOnAndOn(ctx context.Context, waiting *gathered, tell func([]lifeboat.Reading)) {
	for over := false; !over; {
		over = s.config.Clock.Sleep(ctx, s.config.Clock.Now().Add(gather)) != nil
		if readings := s.news(s.config.Clock.Now(), waiting.all()); len(readings) > 0 {
			tell(readings)
		}
	}
}

// keepAlive asks for signs of life, and ends a connection that gives none.
func (s *Source) keepAlive(ctx context.Context, conn *websocket.Conn) {
	for s.config.Clock.Sleep(ctx, s.config.Clock.Now().Add(pulse)) == nil {
		waiting, cancel := context.WithTimeout(ctx, answerIn)
		err := conn.Ping(waiting)
		cancel()
		if err != nil {
			_ = conn.CloseNow()
			return
		}
	}
}
