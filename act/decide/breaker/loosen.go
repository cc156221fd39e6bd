package breaker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
)

// KillFile signs the request that stands for the kill switch on disk.
const KillFile = "kill file"

const (
	// togetherMax is how far apart the words of several persons may lie to count together.
	togetherMax = time.Hour
	// lateMax is how late the end of a wait may be seen. Beyond it the clock jumped or the machine slept, and nobody watched
	// while the time passed.
	lateMax = 5 * time.Minute
)

// An ask is a request to make the breaker less strict. from is when it was made, moved on by the time that lifeboat was away.
type ask struct {
	lifeboat.Request
	from time.Time
}

// requested folds what a person wants of the breaker. Stricter is a trip, and to want it as it is takes back every wish to let it
// go. What comes while it must hold counts for nothing.
func (b *Breaker) requested(at time.Time, r lifeboat.Request) {
	to := lifeboat.BreakerState(r.Object)
	switch {
	case r.Verb != lifeboat.MoveBreaker:
	case !b.state.Stricter(to):
		b.call(lifeboat.BreakerMove{To: known(to), By: r.By, Why: because(r)})
	case !at.Before(b.until()):
		b.asks = slices.DeleteFunc(b.asks, func(a ask) bool { return a.By == r.By })
		b.asks = append(b.asks, ask{r, at})
	}
}

// known state, or the strictest.
func known(s lifeboat.BreakerState) lifeboat.BreakerState {
	if s == lifeboat.Active || s == lifeboat.Reducing {
		return s
	}
	return lifeboat.Halted
}

func because(r lifeboat.Request) string {
	if r.Note != "" {
		return r.By + " wants it so: " + r.Note
	}
	return r.By + " wants it so"
}

// until is the earliest time at which it may become less strict.
func (b *Breaker) until() time.Time {
	hold := time.Duration(b.rules.Hold)
	if b.fromHalt {
		hold = max(hold, time.Duration(b.rules.Stage))
	}
	return b.held.Add(hold)
}

// wasAway moves on what counts time: nobody could take anything back while lifeboat was away.
func (b *Breaker) wasAway(span time.Duration) {
	span = max(span, 0)
	b.held = b.held.Add(span)
	for i := range b.asks {
		b.asks[i].from = b.asks[i].from.Add(span)
	}
}

// Fits refuses a request for a state that there is none of, and one that comes too early. Who may ask is for the desk.
func (b *Breaker) Fits(at time.Time, r lifeboat.Request) error {
	to := lifeboat.BreakerState(r.Object)
	switch {
	case r.Verb != lifeboat.MoveBreaker:
		return nil
	case to != lifeboat.Active && known(to) != to:
		return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("the breaker has no state %q", r.Object), Money: "nothing was moved",
			Next: "ask for active, reducing or halted"}
	case b.state.Stricter(to) && at.Before(b.until()):
		return &lifeboat.Problem{Reason: "halted", What: fmt.Sprintf("the breaker stays %s until %s, whatever anybody says", b.state, b.until().UTC().Format("15:04:05 UTC")),
			Money: "nothing was moved", Next: "ask again then"}
	}
	return nil
}

// Terms are what it takes to make the breaker less strict now: a mandate at its word, else two persons where two could ask.
// One person alone needs a second factor, and waits.
func (b *Breaker) Terms() (approve.Terms, error) {
	name := b.plan.Authority.Loosen
	terms, err := approve.TermsOf(b.plan, name, b.by)
	if err != nil {
		return terms, err
	}
	if _, mandate := b.plan.Mandate(name); !mandate && len(terms.To) > 1 {
		terms.Need = 2
	}
	if terms.Need == 1 && terms.Factor == "" {
		terms.Factor = "any"
	}
	return terms, nil
}

// granted says who let it go, and from when on: the end of a wait or a stage, or the word of the last person needed.
func (b *Breaker) granted() (by string, from time.Time, ok bool) {
	if b.goOn != "" {
		return b.goOn, b.until(), true
	}
	terms, err := b.Terms()
	if err != nil {
		return "", from, false // nobody in the plan could let it go
	}
	counting := slices.DeleteFunc(slices.Clone(b.asks), func(a ask) bool { return !terms.Counts(a.By, a.Factor, approve.DigestRequest(a.Request)) })
	for _, a := range counting {
		if terms.Need == 1 {
			return a.By, a.from.Add(time.Duration(b.rules.Wait)), true
		}
		if together := with(counting, a); len(together) >= terms.Need {
			return strings.Join(together, ", "), a.from, true
		}
	}
	return "", from, false
}

// with lists who wants the same as a, within an hour before it.
func with(asks []ask, a ask) []string {
	var by []string
	for _, other := range asks {
		if other.Object == a.Object && !other.from.After(a.from) && a.from.Sub(other.from) <= togetherMax {
			by = append(by, other.By)
		}
	}
	return by
}

// loosen moves it one state on when its time has come. A time that nobody saw passing does not count.
func (b *Breaker) loosen(at time.Time) (lifeboat.BreakerMove, bool) {
	by, from, ok := b.granted()
	switch {
	case !ok || at.Before(from):
		return lifeboat.BreakerMove{}, false
	case at.Sub(from) > lateMax:
		return lifeboat.BreakerMove{To: b.state, By: "plan", Why: fmt.Sprintf("%s wanted it let go at %s, which was passed by %s unseen: the clock jumped or the machine slept; ask again",
			by, from.UTC().Format("15:04 UTC"), at.Sub(from).Round(time.Second))}, true
	case b.state == lifeboat.Reducing:
		return lifeboat.BreakerMove{To: lifeboat.Active, By: by, Why: by + " let it go"}, true
	}
	return lifeboat.BreakerMove{To: lifeboat.Reducing, By: by, Why: by + " let it go"}, true
}

// loosened folds a move to a less strict state. Where those who let it go want it active, it goes on after the stage. People have
// looked at what tripped it, so the limits count anew.
func (b *Breaker) loosened(e lifeboat.BreakerMove) {
	b.fromHalt = e.To == lifeboat.Reducing
	by := strings.Split(e.By, ", ")
	if b.fromHalt && slices.ContainsFunc(b.asks, func(a ask) bool { return a.Object == string(lifeboat.Active) && slices.Contains(by, a.By) }) {
		b.goOn = e.By
	}
	b.placed, b.failures = nil, 0
}
