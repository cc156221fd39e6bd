package play

import (
	"encoding/json"
	"fmt"
	"time"

	"lifeboat/plan"
)

// exitFor is how long signatures of an exit count. They do not go stale by themselves: what they were given for is tried once more
// before it is sent, and the chain takes them once. But what a person meant yesterday is asked again.
const exitFor = 24 * time.Hour

// exitPhases of an exit: it is planned and simulated, signed where its owners stand behind it, and then brought to the chain.
func exitPhases(e plan.Exit) *phases {
	ph := &phases{plan: "exit-plan", apply: "exit-apply", by: e.By, ask: "Carry out this exit?", spec: exitSpec(e)}
	if e.Via == "owners" {
		ph.ask, ph.signed, ph.lasts = "Sign this exit with your wallet? Compare the hash with what the wallet shows.", true, exitFor
	}
	return ph
}

// exitSpec resolves what the step names when it is planned. Carrying it out keeps to what was planned, whatever the plan in force
// says by then.
func exitSpec(e plan.Exit) func(pinned) (json.RawMessage, error) {
	return func(p pinned) (json.RawMessage, error) {
		var o plan.ExitOrder
		var err error
		if p.first == nil {
			o, err = p.plan.ExitOrder(e)
		} else {
			err = json.Unmarshal(p.first, &o)
		}
		if err != nil {
			return nil, err
		}
		return spec(struct {
			plan.ExitOrder
			pinned
		}{o, p}), nil
	}
}

// exitTold is an exit in one phrase, with the addresses: repay and withdraw USDC in Lend, from vault (0x…) on Ethereum, with the
// signatures of its owners.
func exitTold(o plan.ExitOrder) string {
	text := fmt.Sprintf("%s, from %s (%s) on %s", o.Told(), o.Account, o.Wallet, o.Chain)
	if o.Beyond != nil {
		text += fmt.Sprintf(", received at %s on %s", o.Receiver, o.Beyond.Chain)
	} else if o.To != o.Account {
		text += ", received at " + o.Receiver
	}
	return text + map[string]string{"owners": ", with the signatures of " + o.By, "role": ", by the bot in the role " + o.Role,
		"presigned": ", as its owners presigned it"}[o.Via]
}
