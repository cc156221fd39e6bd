package app_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/custody"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// theftPlan is the treasury with a register of its keys, a spare, and a playbook for the day on which one is stolen.
var theftPlan = strings.NewReplacer(`
holdings:`, `
    custody:
      threshold: 2
      restored: 2026-05-01
      handlers: ["HANDLER"]
      policy: {seen_within: 3000d, restore_within: 3000d, checked_within: 3000d}
      signers:
        - {who: Ada, wallet: "ADA", seen: 2026-11-01}
        - {who: Bo, wallet: "BO", seen: 2026-11-01}
        - {who: Cy, wallet: "CY", seen: 2026-11-01}
      spares:
        - {who: Ada, device: cold card, wallet: "SPARE", seen: 2026-11-01}
      backups: [{of: Ada, where: bank, checked: 2026-06-01}, {of: Bo, where: mother, checked: 2026-06-01}, {of: Cy, where: office, checked: 2026-06-01}]
holdings:`, `wallets: ["ADA"]`, `wallets: ["ADA", "SPARE"]`).Replace(treasuryPlan) + `
  - name: a key is stolen
    rto: 30m
    steps:
      - {name: lock out, timeout: 10m, exit: {account: vault, do: [replace-owner, revoke-role], key: Ada, spare: cold card, via: owners, by: signers}}
authority: {runs: owner}
`

// TestStolenKey: Ada's key and the bot's are stolen. The other two owners sign what takes both out, in one transaction that was shown and
// simulated; then the chain refuses what the old key signs and what the old bot sends, the kit that Ada had signed is told as stale, and
// the register of keys says what is to be written anew.
func TestStolenKey(t *testing.T) {
	t.Parallel()
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		w := newTreasury(t, bed, true)
		roles, spare := w.aave.ExitRoles(w.safe, w.bot), bed.Accounts[8]
		bed.Send(bed.Admin(), roles.Contract, "transferOwnership", w.safe.Address)
		w.write(theftPlan, "CONDITION", "health_factor.vault < 1.1", "VIA", "via: presigned", "SPARE", spare.Hex(), "HANDLER", w.safe.Handler.Address.Hex(),
			"ROLES", fmt.Sprintf("\n      roles: {module: %q, role: exit-bot, key: {kind: secret, address: %q, secret: %q}}", roles.Address.Hex(), w.bot.Hex(), "file:"+filepath.Join(w.keys, "bot")))
		p, exits := w.exits()
		hash := w.arm(exits, app.ExitSteps(p, "leave")[0])
		harmless := w.aave.USDC.Do("approve", w.aave.Pool.Address, testbed.Units(0, 6))
		if _, err := bed.Try(w.bot.Address, roles.By(harmless, testbed.OperationCall)); err != nil {
			t.Fatalf("before, the bot's role permits it: %v", err)
		}

		d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
		w.until(d, "a look that finds all in order", func(s api.Status) bool {
			return len(s.Exits) == 2 && s.Exits[0].State == "armed" && s.Exits[1].State == "passes"
		})
		if _, err := d.Say(t.Context(), lifeboat.Request{Verb: lifeboat.StartPlaybook, Object: "a key is stolen", By: "Ada"}, nil); err != nil {
			t.Fatal(err)
		}
		asked := w.until(d, "the owners' question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Proposal != nil })
		for _, say := range []string{"the key of Ada on cold card, a spare (" + spare.Hex(), "the place of", "no owner", "2 owners have to sign, as before", "there are 3 owners", "the bot (" + w.bot.Hex()} {
			if q := asked.Questions[0].Text; !strings.Contains(q, say) {
				t.Errorf("the question does not say %q:\n%s", say, q)
			}
		}
		w.agree(d, asked.Questions[0])
		w.until(d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 && !isOwner(bed, w.safe, w.safe.Owners[0]) })
		stop()
		if !isOwner(bed, w.safe, spare) || len(bySafe(bed, w.safe)) != 3 {
			t.Errorf("the owners are %v", bySafe(bed, w.safe))
		}

		transfer := w.aave.USDC.Do("transfer", bed.Accounts[7].Address, testbed.Units(500, 6))
		for name, by := range map[string][]testbed.Account{"the old key": {w.safe.Owners[0], w.safe.Owners[1]}, "the new one": {spare, w.safe.Owners[1]}} {
			_, err := bed.Try(w.relayer.Address, w.safe.Signed(transfer, testbed.OperationCall, w.safe.Nonce(), by...))
			if refused := (*testbed.Revert)(nil); errors.As(err, &refused) != (name == "the old key") {
				t.Errorf("signed by %s, the chain says: %v", name, err)
			}
		}
		var refused *testbed.Revert
		if _, err := bed.Try(w.bot.Address, roles.By(harmless, testbed.OperationCall)); !errors.As(err, &refused) {
			t.Errorf("the old bot still acts: %v", err)
		}

		var known custody.Known
		if err := app.ReadSafes(t.Context(), p, w.dir, nil, lifeboat.WallClock{}, &known); err != nil {
			t.Fatal(err)
		}
		register := custody.Of(p, time.Now(), known)
		if v := register.Wallets[0]; len(v.Findings) != 2 || !found(v, "cold card ("+spare.Hex()+"), which the plan keeps as a spare, is an owner") || !found(v, "Ada ("+w.safe.Owners[0].Hex()+") should be an owner of the Safe and is none") {
			t.Errorf("the register says %+v", v.Findings)
		}

		d, stop = running(t, lifeboat.WallClock{}, w.dir, w.data)
		w.until(d, "the next look", func(s api.Status) bool {
			return len(s.Exits) == 2 && s.Exits[0].State == "stale" && s.Exits[1].State == "nothing"
		})
		stop()
		if !toldAll(t, w.data, hash, "is no owner of the Safe", "nonce") {
			t.Error("nobody was told that the kit which Ada had signed is stale")
		}
	})
}

func isOwner(bed *testbed.Bed, s *testbed.Safe, a testbed.Account) bool {
	return bed.Ask(s.Contract, "isOwner", a.Address)[0].(bool)
}

// toldAll says whether one message says all of this.
func toldAll(t *testing.T, data string, all ...string) bool {
	for _, e := range journalOf(t, data) {
		i, ok := e.(lifeboat.Intent)
		if !ok || i.Act != lifeboat.SendMessage {
			continue
		}
		says := true
		for _, text := range all {
			says = says && strings.Contains(i.Message.Text, text)
		}
		if says {
			return true
		}
	}
	return false
}
