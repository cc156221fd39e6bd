package exit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/prose"
)

// Insist says how an exit is gone on with while it is refused. What a market has lent out is paid back, a price comes back, and a node
// that is asked while a block comes may mix two of them: that the chain refuses something at one block says little of the next.
type Insist struct {
	// For is how long a refusal must have stood, at every look, before it ends an exit that nothing is out of; 0 believes the first.
	For time.Duration
	// Waits is told what an exit waits for, and that it goes on; nil tells nobody.
	Waits func(why string)

	stop stop          // ends it, as long as nothing is out
	held func() string // why nothing of it may be sent for now; nil never holds it
}

// waitsEvery bounds how often it is told that an exit waits, where only the reason changes.
const waitsEvery = time.Minute

// insisting counts for how long an exit is refused.
type insisting struct {
	Insist
	clock lifeboat.Clock

	since  time.Time   // it is refused; zero while it is not
	at     common.Hash // of the head that it was refused on last
	why    string      // it was
	said   string
	saidAt time.Time
}

// on says whether it was refused on that head already: nothing has changed since.
func (i *insisting) on(head chain.Block) bool { return !i.since.IsZero() && i.at == head.Hash }

// refused notes a refusal on a head, and says whether it has stood for long enough.
func (i *insisting) refused(why string, on chain.Block) (stands bool) {
	now := i.clock.Now()
	if i.since.IsZero() {
		i.since = now
	}
	i.why, i.at = why, on.Hash
	if until := i.since.Add(i.For); now.Before(until) {
		i.waits(fmt.Sprintf("%s; it is tried again until %s", why, until.UTC().Format("15:04:05")))
		return false
	}
	return true
}

// passed ends the count.
func (i *insisting) passed() { i.since = time.Time{} }

// stood is the last refusal, with for how long it was tried.
func (i *insisting) stood() string {
	if i.For <= 0 {
		return i.why
	}
	return fmt.Sprintf("%s; it was tried at every block for %s", i.why, prose.Span(i.clock.Now().Sub(i.since)))
}

// waits says what it waits for.
func (i *insisting) waits(why string) {
	if why != i.said && i.clock.Now().Sub(i.saidAt) >= waitsEvery {
		i.tells(why)
	}
}

// tells says how it stands.
func (i *insisting) tells(what string) {
	if i.said, i.saidAt = what, i.clock.Now(); i.Waits != nil {
		i.Waits(what)
	}
}

// insist tries something at every new block until it passes, or its refusal has stood for long enough, or ctx ends; the refusal is
// returned in words. An error is that it could not be found out.
func (d *Desk) insist(ctx context.Context, how Insist, try func() (refusal string, err error)) (refusal string, err error) {
	i := insisting{Insist: how, clock: d.Clock}
	for {
		if err := how.rest(); err != nil {
			return "", err
		}
		head, err := d.Chain.Head(ctx)
		if err != nil {
			return "", fmt.Errorf("look where the chain stands: %w", err)
		}
		if !i.on(head) {
			if refusal, err = try(); refusal == "" || err != nil {
				return "", err
			}
		}
		if i.refused(refusal, head) || how.stop.heard() || d.Clock.Sleep(ctx, d.Clock.Now().Add(d.Policy.Poll)) != nil {
			return i.stood(), nil
		}
	}
}

// passes marks a refusal of the kind that may pass, unless it could only not be found out. What it says stays the same.
func passes(err error) error {
	if err == nil || unknown(err) || errors.Is(err, protocol.ErrNothingToDo) {
		return err
	}
	return refusedNow{err}
}

// refusedNow is what a chain or a protocol says against an exit at one block, and may not say at the next.
type refusedNow struct{ error }

func (r refusedNow) Unwrap() error { return r.error }
