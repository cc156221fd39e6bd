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
)

// exits rehearse the step exit: whom it asks and how long they take is real, and nothing is on any chain. What it brings home is not
// traded, so the book stays as it is.
type exits struct{ plan *plan.Plan }

// exits lets the desk rehearse them.
func (d *rehearsal) exits(desk *venue.Desk) {
	for _, kind := range []string{"exit-plan", "exit-apply"} {
		desk.Perform(kind, exits{d.Options.Plan})
	}
}

// Perform plans an exit with as many signatures as its mandate asks for, since nobody can ask the Safe, and carries it out at once.
func (e exits) Perform(_ context.Context, _ time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	var o plan.ExitOrder
	if err := json.Unmarshal(t.Spec, &o); err != nil {
		return lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: "what it was told cannot be read"}, nil
	}
	r := lifeboat.Receipt{Key: key, Status: lifeboat.Performed}
	does := fmt.Sprintf("%s, from %s (%s) to %s on %s", strings.Join(o.Do, ", then "), o.Account, o.Wallet, o.Receiver, o.Chain)
	if t.Kind == "exit-apply" {
		r.Output = "rehearsed: " + does
		return r, nil
	}
	m, _ := e.plan.Mandate(o.By)
	hash := sha256.Sum256(t.Spec)
	r.Output = "rehearsed, with no chain behind it: " + does
	r.Facts = map[string]string{"hash": "0x" + hex.EncodeToString(hash[:]), plan.FactThreshold: strconv.Itoa(max(1, m.Need))}
	return r, nil
}

// Ask is never needed: what is performed is over.
func (exits) Ask(context.Context, time.Time, lifeboat.Key, lifeboat.Task) (lifeboat.Receipt, error) {
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}
