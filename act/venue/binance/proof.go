package binance

import (
	"context"
	"fmt"
	"time"

	"lifeboat"
)

const (
	// window is recvWindow: how long after its timestamp Binance lets a request in.
	window = 5 * time.Second
	// ahead is by how much Binance accepts a timestamp that is later than its clock.
	ahead = time.Second
	// engine is how long what was let in may take until it can be seen. Binance itself stops waiting for its engine after 10 s.
	engine = 30 * time.Second
	// sentMax bounds how many requests without an answer are remembered one by one.
	sentMax = 1000
)

// proof knows until when a request under a key may be let in by Binance's clock.
type proof struct {
	sent  map[lifeboat.Key]time.Time // :: key without an answer → end of the last request's window
	since time.Time                  // the window of every other request has ended by then; zero before Binance told its time
}

// send notes a request before it leaves. One too many is covered, with all that came before it, by the common limit.
func (p *proof) send(id lifeboat.Key, ends time.Time) {
	if len(p.sent) >= sentMax {
		for _, end := range p.sent {
			p.since = later(p.since, end)
		}
		clear(p.sent)
	}
	p.sent[id] = ends
}

// settled forgets a request of which it is known what came of it.
func (p *proof) settled(id lifeboat.Key) { delete(p.sent, id) }

// underWay reports a request whose end nobody has proved yet.
func (p *proof) underWay(id lifeboat.Key) bool { return !p.sent[id].IsZero() }

// heard takes Binance's time in. An earlier process can have sent its last request no later than when this one first heard.
func (p *proof) heard(now time.Time) {
	if p.since.IsZero() {
		p.since = now.Add(ahead + window)
	}
}

// ends is when the last request under a key can have been let in.
func (p *proof) ends(id lifeboat.Key) time.Time { return later(p.sent[id], p.since) }

// mayArrive is nil when nothing under a key can arrive any more, by Binance's own clock.
func (v *Venue) mayArrive(ctx context.Context, id lifeboat.Key) error {
	now, err := v.time(ctx)
	if err != nil {
		return err
	}
	if wait := v.proof.ends(id).Add(engine).Sub(now); wait >= 0 {
		return fmt.Errorf("Binance: ask for order: %s is not there, and cannot be proved not to come for another %s", id, wait.Round(time.Second))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
