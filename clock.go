package lifeboat

import (
	"context"
	"time"
)

// Clock tells the time. Nothing outside this file reads it from the machine.
type Clock interface {
	Now() time.Time
	// Sleep returns at the given time, or earlier with ctx's error.
	Sleep(ctx context.Context, until time.Time) error
}

// WallClock is the machine's clock, in UTC and without its monotonic part, so that a time is the same before and
// after it went through the journal.
type WallClock struct{}

func (WallClock) Now() time.Time { return time.Now().UTC().Round(0) }

func (c WallClock) Sleep(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(until.Sub(c.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
