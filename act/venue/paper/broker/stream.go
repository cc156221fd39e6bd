package broker

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"
)

// streamPatience is how long a stream waits for its client to say who it is, or to take a message.
const streamPatience = 10 * time.Second

// action is a message of a client of the stream of trade updates.
type action struct {
	Action string `json:"action"`
	Key    string `json:"key"` // the data stream's form, and a short form of this one's
	Secret string `json:"secret"`
	Data   struct {
		KeyID     string   `json:"key_id"`
		SecretKey string   `json:"secret_key"`
		Streams   []string `json:"streams"`
	} `json:"data"`
}

// serveStream sends trade updates by WebSocket: the client says its keys, then listens; updates come as binary frames,
// as Alpaca sends them.
func (b *Broker) serveStream(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil) // a browser's page of elsewhere is refused
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(bodyMax)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if !b.authenticate(ctx, c) {
		return
	}
	_, live, err := b.log.listen(func(*update) bool { return false })
	if err != nil {
		_ = c.Close(websocket.StatusTryAgainLater, "connection limit exceeded")
		return
	}
	defer b.log.leave(live)
	asks := make(chan action)
	go hear(ctx, cancel, c, asks)
	listening := false
	for {
		select {
		case a := <-asks:
			if a.Action != "listen" {
				continue
			}
			listening = slices.Contains(a.Data.Streams, "trade_updates")
			streams := []string{}
			if listening {
				streams = append(streams, "trade_updates")
			}
			if sendStream(ctx, c, "listening", map[string]any{"streams": streams}) != nil {
				return
			}
		case u, ok := <-live:
			if !ok {
				_ = c.Close(websocket.StatusPolicyViolation, "slow client")
				return
			}
			if listening && sendStream(ctx, c, "trade_updates", u.answer()) != nil {
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

// hear passes on what a client says, until it is gone.
func hear(ctx context.Context, gone context.CancelFunc, c *websocket.Conn, asks chan<- action) {
	defer gone()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return
		}
		var a action
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

// authenticate waits for the client's keys and says whether they are good.
func (b *Broker) authenticate(ctx context.Context, c *websocket.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return false
		}
		var a action
		if json.Unmarshal(text, &a) != nil || a.Action != "authenticate" && a.Action != "auth" {
			if sendStream(ctx, c, "authorization", map[string]string{"status": "unauthorized", "action": "listen"}) != nil {
				return false
			}
			continue
		}
		if a.Data.KeyID == "" {
			a.Data.KeyID, a.Data.SecretKey = a.Key, a.Secret
		}
		if b.knows(a.Data.KeyID, a.Data.SecretKey) {
			return sendStream(ctx, c, "authorization", map[string]string{"status": "authorized", "action": "authenticate"}) == nil
		}
		if sendStream(ctx, c, "authorization", map[string]string{"status": "unauthorized", "action": "authenticate"}) != nil {
			return false
		}
	}
}

func sendStream(ctx context.Context, c *websocket.Conn, stream string, data any) error {
	text, err := json.Marshal(map[string]any{"stream": stream, "data": data})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	return c.Write(ctx, websocket.MessageBinary, text)
}
