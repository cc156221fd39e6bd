// Package gate proves that a request can not reach a venue any more, for venues that turn away what is older than a time in
// the request: Binance by its recvWindow, Coinbase by the end of a token's life.
//
// A connector notes until when each request may be let in before it sends it, and settles it when it knows what came of it.
// What is not there at the venue once its own clock has passed that time, and the time that an order may take behind the gate,
// never comes. Requests of an earlier process are covered by the first time at which this one hears the venue's clock: nothing
// can have been sent later than that. The package keeps nothing on disk and reads no clock.
package gate

import (
	"time"

	"lifeboat"
)

// Max bounds how many requests without an answer are remembered one by one; the rest have one limit together.
const Max = 1000

// Gate of one account. The zero value has heard of no time, so that nothing is proved. One goroutine at a time may use it.
type Gate struct {
	sent  map[lifeboat.Key]time.Time // :: key without an answer → until when its last request may be let in
	since time.Time                  // every other request is turned away by then; zero before a time was heard
}

// Send notes a request before it leaves, by the venue's clock.
func (g *Gate) Send(id lifeboat.Key, until time.Time) {
	if g.sent == nil {
		g.sent = map[lifeboat.Key]time.Time{}
	}
	if len(g.sent) >= Max {
		for _, end := range g.sent {
			g.since = later(g.since, end)
		}
		clear(g.sent)
	}
	g.sent[id] = until
}

// Settle forgets a request of which it is known what came of it.
func (g *Gate) Settle(id lifeboat.Key) { delete(g.sent, id) }

// UnderWay reports a request whose end nobody has proved yet.
func (g *Gate) UnderWay(id lifeboat.Key) bool { return !g.sent[id].IsZero() }

// Hear takes the venue's time in; life is how long after that a request of an earlier process may still be let in.
func (g *Gate) Hear(now time.Time, life time.Duration) {
	if g.since.IsZero() {
		g.since = now.Add(life)
	}
}

// Ends is until when the last request under a key may be let in.
func (g *Gate) Ends(id lifeboat.Key) time.Time { return later(g.sent[id], g.since) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
