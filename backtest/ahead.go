package backtest

import (
	"context"
	"time"

	"lifeboat"
	"lifeboat/watch/feed/guard"
)

// ahead reads a history and lets the guard judge it on a goroutine of its own, a few batches before the watch, which
// needs the other half of the time. What the watch sees, and in which order, is the same.
type ahead struct {
	full, empty chan *batch
	now         *batch
	at          int // in it
	stop        context.CancelFunc
}

// A batch of instants with their readings, in memory that is used again.
type batch struct {
	instants []lifeboat.Instant
	readings []lifeboat.Reading
}

const (
	batchInstants = 256
	batchReadings = 8192
	batches       = 4 // under way at once
)

// readAhead begins to read. Whoever reads calls close in the end, and the source is nobody's before that.
func readAhead(ctx context.Context, source Source, guard *guard.Guard, to time.Time) *ahead {
	ctx, stop := context.WithCancel(ctx)
	a := &ahead{full: make(chan *batch, batches), empty: make(chan *batch, batches), stop: stop}
	for range batches {
		a.empty <- &batch{}
	}
	go a.read(ctx, source, guard, to)
	return a
}

func (a *ahead) read(ctx context.Context, source Source, guard *guard.Guard, to time.Time) {
	defer close(a.full)
	for more := true; more && ctx.Err() == nil; {
		var b *batch
		select {
		case b = <-a.empty:
		case <-ctx.Done():
			return
		}
		b.instants, b.readings = b.instants[:0], b.readings[:0]
		for more && len(b.instants) < batchInstants && len(b.readings) < batchReadings {
			var in lifeboat.Instant
			if in, more = source.Next(); more && !to.IsZero() && in.At.After(to) {
				more = false
			}
			if more {
				b.judge(in, guard)
			}
		}
		a.full <- b // there is room for all that are under way
	}
}

// judge a copy: the source may use its readings again, or share them with other plays.
func (b *batch) judge(in lifeboat.Instant, guard *guard.Guard) {
	from := len(b.readings)
	b.readings = append(b.readings, in.Readings...)
	in.Readings = guard.Pass(in.At, b.readings[from:len(b.readings):len(b.readings)])
	b.instants = append(b.instants, in)
}

// next instant; false at the end. Its readings last until the next call.
func (a *ahead) next() (lifeboat.Instant, bool) {
	for a.now == nil || a.at == len(a.now.instants) {
		if a.now != nil {
			a.empty <- a.now
		}
		var more bool
		if a.now, more = <-a.full; !more {
			a.now = nil
			return lifeboat.Instant{}, false
		}
		a.at = 0
	}
	a.at++
	return a.now.instants[a.at-1], true
}

// close waits until nobody reads any more.
func (a *ahead) close() {
	a.stop()
	for range a.full { // whatever is still handed over
	}
}
