package alpaca

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// Update is one event of one order. Gap stands alone: listening began, or began again, so that nobody knows what happened
// before; whoever cares asks after everything that is open.
type Update struct {
	Gap         bool      `json:"-"`
	Event       string    `json:"event"` // new, fill, partial_fill, canceled, expired, replaced, rejected, …
	EventID     string    `json:"event_id"`
	ExecutionID string    `json:"execution_id"`
	At          time.Time `json:"timestamp"`
	Order       Order     `json:"order"`
	Price       Amount    `json:"price"`        // of this fill
	Quantity    Amount    `json:"qty"`          // of this fill
	Holds       Amount    `json:"position_qty"` // after it
}

// Transport by which updates come.
type Transport string

const (
	WebSocket Transport = "websocket"
	SSE       Transport = "sse"
)

const (
	frameMax   = 1 << 20          // bytes of one update
	pulse      = 20 * time.Second // between signs of life that a WebSocket asks for
	answerIn   = 10 * time.Second // for a sign of life, and for each step of opening
	silenceMax = 2 * time.Minute  // on SSE, which has no sign of life: then it is opened afresh
	pauseMin   = time.Second      // before it is opened again
	pauseMax   = time.Minute
)

// Updates hears of every order of the account until ctx ends, and then returns its error. After each opening, the first one
// too, it tells a gap before anything else, so that nothing is lost between two connections. When one transport cannot be
// opened the next of the list is tried; between attempts it waits, longer each time.
func (c *Client) Updates(ctx context.Context, by []Transport, tell func(Update)) error {
	if len(by) == 0 {
		by = []Transport{WebSocket, SSE}
	}
	pause, next, told := pauseMin, 0, false // told: the log has said that the stream is down
	for {
		opened := false
		err := c.hear(ctx, by[next], func(u Update) { opened = opened || u.Gap; tell(u) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if opened {
			pause, told = pauseMin, false
		} else {
			next = (next + 1) % len(by)
		}
		if c.conn.Log != nil && !told {
			told = true
			c.conn.Log.Warn("the stream of order updates broke off; orders are asked for one by one meanwhile",
				"venue", Name, "account", c.conn.Account, "error", err.Error())
		}
		if err := c.conn.Clock.Sleep(ctx, c.conn.Clock.Now().Add(pause)); err != nil {
			return err
		}
		pause = min(2*pause, pauseMax)
	}
}

// hear one connection to its end.
func (c *Client) hear(ctx context.Context, by Transport, tell func(Update)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if by == SSE {
		return c.hearSSE(ctx, cancel, tell)
	}
	return c.hearWebSocket(ctx, tell)
}

const hearing = "hear order updates"

// broke says in plain words how a connection ended.
func (c *Client) broke(status int, format string, args ...any) error {
	return &rest.Error{Venue: Name, Step: hearing, Status: status, Message: c.conn.Scrub(fmt.Sprintf(format, args...))}
}

// frame of the WebSocket, in both directions.
type frame struct {
	Stream string          `json:"stream,omitempty"`
	Action string          `json:"action,omitempty"`
	Data   json.RawMessage `json:"data"`
}

func (c *Client) hearWebSocket(ctx context.Context, tell func(Update)) error {
	opening, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	conn, response, err := websocket.Dial(opening, c.conn.URL+"/stream", &websocket.DialOptions{HTTPClient: c.client()})
	if err != nil {
		status := 0
		if response != nil {
			status = response.StatusCode
		}
		return c.broke(status, "the connection cannot be opened (status %d)", status)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(frameMax)
	if err := c.introduce(opening, conn); err != nil {
		return err
	}
	tell(Update{Gap: true})
	ended, stop := context.WithCancel(ctx)
	defer stop()
	go c.keepAlive(ended, conn)
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return c.broke(0, "the connection broke off")
		}
		var f frame
		if err := json.Unmarshal(text, &f); err != nil {
			return c.broke(0, "what it sends is not JSON")
		}
		if f.Stream != "trade_updates" {
			continue
		}
		u, err := parseUpdate(f.Data)
		if err != nil {
			return c.broke(0, "%v", err)
		}
		tell(u)
	}
}

// introduce authenticates by message, since Alpaca reads no header here, and asks for updates.
func (c *Client) introduce(ctx context.Context, conn *websocket.Conn) error {
	keys, _ := json.Marshal(map[string]string{"key_id": c.conn.Key, "secret_key": c.conn.Secret})
	said, err := exchange(ctx, conn, frame{Action: "authenticate", Data: keys}, "authorization")
	if err != nil {
		return c.broke(0, "authenticate: %v", err)
	}
	var authorization struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(said, &authorization) != nil || authorization.Status != "authorized" {
		return c.broke(http.StatusUnauthorized, "the keys are refused")
	}
	said, err = exchange(ctx, conn, frame{Action: "listen", Data: json.RawMessage(`{"streams":["trade_updates"]}`)}, "listening")
	if err != nil {
		return c.broke(0, "listen: %v", err)
	}
	if !bytes.Contains(said, []byte(`"trade_updates"`)) {
		return c.broke(0, "it does not send order updates to this account")
	}
	return nil
}

// exchange sends a frame and waits for the stream that answers it, a few frames long.
func exchange(ctx context.Context, conn *websocket.Conn, f frame, stream string) (json.RawMessage, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, errors.New("the message cannot be written out")
	}
	if err := conn.Write(ctx, websocket.MessageText, text); err != nil {
		return nil, errors.New("the connection broke off")
	}
	const framesMax = 10
	for range framesMax {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return nil, errors.New("no answer")
		}
		var answer frame
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, errors.New("the answer is not JSON")
		}
		if answer.Stream == stream {
			return answer.Data, nil
		}
	}
	return nil, errors.New("it answers everything but that")
}

// keepAlive asks for signs of life, and ends a connection that gives none: half of it may be gone without a word.
func (c *Client) keepAlive(ctx context.Context, conn *websocket.Conn) {
	for {
		if c.conn.Clock.Sleep(ctx, c.conn.Clock.Now().Add(pulse)) != nil {
			return
		}
		waiting, cancel := context.WithTimeout(ctx, answerIn)
		err := conn.Ping(waiting)
		cancel()
		if err != nil {
			_ = conn.CloseNow()
			return
		}
	}
}

func (c *Client) hearSSE(ctx context.Context, cancel func(), tell func(Update)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.conn.URL+"/v2/events/trades", nil)
	if err != nil {
		return c.broke(0, "the address cannot be asked")
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("User-Agent", "lifeboat")
	_ = c.sign(request, nil)
	var heard atomic.Int64
	heard.Store(c.conn.Clock.Now().UnixNano())
	go c.endSilence(ctx, cancel, &heard)
	response, err := c.client().Do(request)
	if err != nil {
		return c.broke(0, "the connection cannot be opened")
	}
	defer response.Body.Close()
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return c.broke(response.StatusCode, "the keys are refused")
	case response.StatusCode != http.StatusOK:
		return c.broke(response.StatusCode, "it answers %d", response.StatusCode)
	case strings.TrimSpace(kind) != "text/event-stream":
		return c.broke(response.StatusCode, "the answer is no stream of events")
	}
	tell(Update{Gap: true})
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, frameMax)
	for lines.Scan() {
		heard.Store(c.conn.Clock.Now().UnixNano())
		data, isData := strings.CutPrefix(lines.Text(), "data:")
		if !isData || strings.TrimSpace(data) == "" {
			continue // a comment, another field, the end of an event: an update is one line
		}
		u, err := parseUpdate([]byte(data))
		if err != nil {
			return c.broke(0, "%v", err)
		}
		tell(u)
	}
	return c.broke(0, "the connection broke off")
}

// endSilence ends a connection on which nothing has come for long.
func (c *Client) endSilence(ctx context.Context, cancel func(), heard *atomic.Int64) {
	for {
		last := time.Unix(0, heard.Load())
		if c.conn.Clock.Sleep(ctx, last.Add(silenceMax)) != nil {
			return
		}
		if heard.Load() == last.UnixNano() {
			cancel()
			return
		}
	}
}

// client follows no redirect, and has no time-out of its own that would end a stream.
func (c *Client) client() *http.Client {
	own := http.Client{}
	if c.conn.Client != nil {
		own = *c.conn.Client
	}
	own.Timeout = 0
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

func parseUpdate(text []byte) (Update, error) {
	var u Update
	if err := json.Unmarshal(text, &u); err != nil {
		return Update{}, errors.New("an update is not the JSON that it should be")
	}
	if u.Event == "" || u.Order.ID == "" || u.Order.ClientOrderID == "" {
		return Update{}, errors.New("an update names no event or no order")
	}
	return u, nil
}

// Listen says which order has moved, until ctx ends; "" means that any may have, and that all open ones want asking. What
// moved is not told from the stream but asked for: one way to read an order is enough, and the stream may repeat itself.
func (v *Venue) Listen(ctx context.Context, moved func(lifeboat.Key)) error {
	return v.client.Updates(ctx, nil, func(u Update) {
		switch {
		case u.Gap:
			moved("")
		case ours(u.Order):
			moved(lifeboat.Key(u.Order.ClientOrderID))
		}
	})
}
