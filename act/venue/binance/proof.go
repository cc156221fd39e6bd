package binance

import (
	"context"
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
)

// mayArrive is nil when nothing under a key can arrive any more, by Binance's own clock.
func (v *Venue) mayArrive(ctx context.Context, id lifeboat.Key) error {
	now, err := v.time(ctx)
	if err != nil {
		return err
	}
	if wait := v.gate.Ends(id).Add(engine).Sub(now); wait >= 0 {
		return fault("ask for order", "%s is not there, and cannot be proved not to come for another %s", id, wait.Round(time.Second))
	}
	return nil
}
