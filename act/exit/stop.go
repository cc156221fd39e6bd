package exit

import (
	"context"
	"errors"

	"lifeboat"
)

// A stop is the word that an exit is not wanted any more, from whoever ended what it is for.
type stop struct {
	said      <-chan struct{} // closed when it was said; nil for never
	elsewhere bool            // another machine may have sent it, which only the chain can tell
}

func (s stop) heard() bool {
	select {
	case <-s.said:
		return true
	default:
		return false
	}
}

// until is ctx that ends with the stop, too, for what may be broken off at any time.
func (s stop) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.said:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// left is the end of an exit that was stopped before it was ever taken up; nil for one that was not, or that has to be looked after.
func (d *Desk) left(key lifeboat.Key, s stop) *Ending {
	if !s.heard() || s.elsewhere || d.mayBeBegun(key) {
		return nil
	}
	return &Ending{At: d.Clock.Now(), Why: stoppedInTime}
}

const stoppedInTime = "it was stopped before anything was sent"

// errStopped says that it was stopped while it was signed; the next look says what follows.
var errStopped = errors.New("it was stopped, and what was signed is not sent")

// leave ends an exit that was stopped while nothing of it is out, so that nothing has to be asked of the chain.
func (s *sending) leave() *Ending {
	if !s.Insist.stop.heard() || s.Insist.stop.elsewhere || s.note.out() {
		return nil
	}
	return &Ending{Why: stoppedInTime}
}

// stays is what follows for an exit that was stopped: nothing begins any more, neither under another nonce nor by the relay. What is out is
// followed to its end, and offered for more if need be, since nobody can take it back and the next exit of the same key comes after it.
func (s *sending) stays(m move, saw seen) (move, *Ending) {
	if !s.Insist.stop.heard() {
		return m, nil
	}
	begins := s.begins(m)
	switch {
	case begins && over(s.note, saw, s.Policy.Confirmations) && len(s.note.Sent) == 0:
		return m, &Ending{Why: stoppedInTime}
	case begins && over(s.note, saw, s.Policy.Confirmations):
		return m, &Ending{Why: "it was stopped, and nothing that was sent before can do anything any more; nothing has happened on the chain"}
	case begins:
		m = move{do: wait}
	}
	if s.note.out() && !s.late {
		s.late = true
		const late = "it was stopped too late: something of it is out, which nobody can take back; it is followed to its end"
		s.tell(late)
		s.refused.tells(late)
	}
	return m, nil
}
