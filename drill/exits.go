package drill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/plan"
	"lifeboat/prose"
)

// exits rehearse the step exit: whom it asks and how long they take is real, and nothing is on any chain. What it brings home is not
// traded, so the book stays as it is. What goes over a bridge is there when bridges usually are, and not before.
type exits struct {
	plan    *plan.Plan
	arrives map[lifeboat.Key]time.Time // :: exit over a bridge → when it has arrived
}

// exits lets the desk rehearse them.
func (d *rehearsal) exits(desk *venue.Desk) {
	rehearsed := exits{d.Options.Plan, map[lifeboat.Key]time.Time{}}
	for _, kind := range []string{"exit-plan", "exit-apply"} {
		desk.Perform(kind, rehearsed)
	}
}

// Perform plans an exit with as many signatures as its mandate asks for, since nobody can ask the Safe, and carries it out at once; over
// a bridge it leaves at once.
func (e exits) Perform(ctx context.Context, at time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	var o plan.ExitOrder
	if err := json.Unmarshal(t.Spec, &o); err != nil {
		return lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: "what it was told cannot be read"}, nil
	}
	r := lifeboat.Receipt{Key: key, Status: lifeboat.Performed}
	does := fmt.Sprintf("%s, from %s (%s) to %s on %s", strings.Join(o.Do, ", then "), o.Account, o.Wallet, o.Receiver, o.Chain)
	crossing, over := e.plan.Crossing(o.Exit)
	if over && o.Beyond != nil {
		does += fmt.Sprintf(" over a bridge to %s, in %s (%s)", o.Beyond.Chain, prose.Span(crossing.Takes), crossing.Why)
	}
	switch {
	case t.Kind == "exit-apply" && over:
		if e.arrives[key].IsZero() {
			e.arrives[key] = at.Add(crossing.Takes)
		}
		return e.Ask(ctx, at, key, t)
	case t.Kind == "exit-apply":
		r.Output = "rehearsed: " + does
		return r, nil
	}
	m, _ := e.plan.Mandate(o.By)
	hash := sha256.Sum256(t.Spec)
	r.Output = "rehearsed, with no chain behind it: " + does
	r.Facts = map[string]string{"hash": "0x" + hex.EncodeToString(hash[:]), plan.FactThreshold: strconv.Itoa(max(1, m.Need))}
	return r, nil
}

// Ask says whether what went over a bridge has arrived; all else is over when it is performed.
func (e exits) Ask(_ context.Context, at time.Time, key lifeboat.Key, _ lifeboat.Task) (lifeboat.Receipt, error) {
	arrives, over := e.arrives[key]
	switch {
	case !over:
		return lifeboat.Receipt{}, lifeboat.ErrAbsent
	case at.Before(arrives):
		return lifeboat.Receipt{Key: key, Status: lifeboat.Accepted, Why: "rehearsed: it has left, and is on the other chain at " + arrives.UTC().Format("2006-01-02 15:04")}, nil
	}
	return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, Why: "rehearsed: it has arrived over the bridge"}, nil
}
