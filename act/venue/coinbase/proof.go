package coinbase

import (
	"context"
	"time"

	"lifeboat"
)

const (
	// life of the token that a request carries; Coinbase permits two minutes.
	life = 30 * time.Second
	// engine is what is added for clocks of its gates that differ, and for what was let in and cannot be seen yet.
	engine = time.Minute
)

// mayArrive is nil when nothing under a key can arrive any more, by Coinbase's own clock.
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
