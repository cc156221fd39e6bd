package decide

import (
	"fmt"

	"lifeboat"
)

// Allow says whether anybody with authority stands behind an intent. Every act passes here before it is written.
func (d *Desk) Allow(i lifeboat.Intent) error {
	if i.Run == "" {
		if i.Act == lifeboat.SendMessage {
			return nil // a question of this desk's own
		}
		return denied("nobody decided the %s %s", i.Act, i.Key)
	}
	r := d.run(i.Run)
	switch {
	case r == nil:
		return denied("there is no run %s", i.Run)
	case r.status != lifeboat.Running:
		return denied("run %s is %s", i.Run, r.status)
	case r.By == "":
		return denied("nobody started run %s", i.Run)
	case i.Act == lifeboat.PlaceOrder && !d.plan.Tradable(i.Order.Account):
		return denied("the plan does not let lifeboat trade in account %q", i.Order.Account)
	}
	return nil
}

func denied(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "denied", What: fmt.Sprintf(format, args...), Money: "nothing was sent"}
}
