package app_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/testbed"
)

// treasuryPlan is a Safe of two in three owners with a loan in an Aave market, watched and left by itself when its health falls.
const treasuryPlan = `
portfolio: {name: Treasury, base_currency: USD, calendar: 24/7}
people:
  - {name: Ada, role: owner, wallets: ["ADA"]}
  - {name: Bo, role: signer, wallets: ["BO"]}
  - {name: Cy, role: signer, wallets: ["CY"]}
mandates:
  - {name: signers, by: signer, need: 2, factor: wallet}
dependencies:
  - {name: Testnet, kind: chain, chain: {id: CHAINID, nodes: [NODES], quorum: QUORUM, confirmations: 1, gas_ceiling: 1000 gwei}}
  - {name: Lend, kind: protocol, contract: {adapter: aave-v3, chain: Testnet, address: "POOL"}}
accounts:
  - name: vault
    kind: safe
    chain: Testnet
    address: "SAFE"
    safe:
      relayer: {kind: secret, address: "RELAYER", secret: "file:KEYS/relayer"}
      trusted: ["MULTISEND"]ROLES
holdings:
  - {symbol: WETH, account: vault, quantity: 10, class: crypto, price: 2000, token: "WETHTOKEN"}
  - {symbol: USDC, account: vault, quantity: 12500, class: stablecoin, price: 1, token: "USDCTOKEN"}
triggers:
  - {name: Health is low, tier: 3, condition: CONDITION, playbook: leave}
playbooks:
  - name: leave
    rto: 30m
    steps:
      - {name: out, timeout: 10m, exit: {account: vault, protocol: Lend, do: [repay, withdraw], assets: [WETH, USDC], VIA}}
`

// A treasury is that Safe on a chain, its market, and whoever else has a loan there.
type treasury struct {
	*testbed.Bed
	t         *testing.T
	aave      *testbed.Aave
	safe      *testbed.Safe
	relayer   testbed.Account
	bot       testbed.Account
	dir, data string // of the plan, and of the daemon
	keys      string // directory of the keys that pay for gas
}

func newTreasury(t *testing.T, bed *testbed.Bed) *treasury {
	w := &treasury{Bed: bed, t: t, aave: bed.Aave(), safe: bed.Safe(bed.Accounts[1:4], 2), relayer: bed.Accounts[5], bot: bed.Accounts[6], dir: t.TempDir(), data: t.TempDir()}
	bed.Mint(w.aave.WETH, w.safe.Address, testbed.Ether(10))
	w.safe.Batch(w.aave.WETH.Do("approve", w.aave.Pool.Address, testbed.Ether(10)),
		w.aave.Pool.Do("supply", w.aave.WETH.Address, testbed.Ether(10), w.safe.Address, uint16(0)),
		w.aave.Pool.Do("borrow", w.aave.USDC.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), w.safe.Address))
	bed.Mint(w.aave.USDC, w.safe.Address, testbed.Units(500, 6))
	w.keys = t.TempDir()
	for name, who := range map[string]testbed.Account{"relayer": w.relayer, "bot": w.bot} {
		if err := os.WriteFile(filepath.Join(w.keys, name), []byte(hex.EncodeToString(crypto.FromECDSA(who.Key))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.write(treasuryPlan, "CONDITION", "health_factor.vault < 1.1", "VIA", "via: owners, by: signers", "ROLES", "")
	return w
}

// write a plan, with what stands for what in it.
func (w *treasury) write(text string, more ...string) {
	w.t.Helper()
	written := strings.NewReplacer(append(more, "KEYS", w.keys, "CHAINID", w.ChainID.String(), "NODES", fmt.Sprintf("%q", w.URL), "QUORUM", "1",
		"POOL", w.aave.Pool.Address.Hex(), "SAFE", w.safe.Address.Hex(), "RELAYER", w.relayer.Hex(), "MULTISEND", w.safe.MultiSend.Address.Hex(),
		"WETHTOKEN", w.aave.WETH.Address.Hex(), "USDCTOKEN", w.aave.USDC.Address.Hex(),
		"ADA", w.safe.Owners[0].Hex(), "BO", w.safe.Owners[1].Hex(), "CY", w.safe.Owners[2].Hex())...).Replace(text)
	if err := os.WriteFile(filepath.Join(w.dir, "plan.yaml"), []byte(written), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// until waits for something, with a block a second meanwhile: nothing on a chain happens between blocks.
func (w *treasury) until(d *app.Daemon, what string, is func(api.Status) bool) api.Status {
	w.t.Helper()
	patience := time.Now().Add(time.Minute)
	for next := time.Now(); time.Now().Before(patience); time.Sleep(50 * time.Millisecond) {
		if s := d.Status(); is(s) {
			return s
		}
		if time.Now().After(next) {
			w.Mine(1)
			next = time.Now().Add(500 * time.Millisecond)
		}
	}
	for at, e := range journalOf(w.t, w.data) {
		switch e := e.(type) {
		case lifeboat.Receipt:
			w.t.Logf("%s %s %s %s", at.Format(time.TimeOnly), e.Key, e.Status, e.Why)
		case lifeboat.Refused, lifeboat.Decision, lifeboat.StepFinished, lifeboat.RunFinished:
			w.t.Logf("%s %+v", at.Format(time.TimeOnly), e)
		}
	}
	w.t.Fatalf("never came: %s", what)
	return api.Status{}
}

// signs a question as the owner's wallet would, over the typed data that the API gives for it.
func (w *treasury) signs(d *app.Daemon, q api.Question, owner testbed.Account, person string) error {
	tx, err := approve.SafeTx(q.Proposal)
	if err != nil {
		w.t.Fatal(err)
	}
	hash := tx.Hash()
	if onChain := w.safe.Hash(testbed.Call{To: tx.To, Value: tx.Value, Data: tx.Data}, uint8(tx.Operation), new(big.Int).SetUint64(tx.Nonce)); onChain != hash {
		w.t.Fatalf("the Safe calls it %s, and the owners would sign %s", onChain, hash)
	}
	signature, err := crypto.Sign(hash[:], owner.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	signature[64] += 27
	_, err = d.Say(w.t.Context(), lifeboat.Answer{Question: q.Key, By: person, Yes: true, Content: q.Content}, &api.Proof{Kind: "wallet", Signature: "0x" + hex.EncodeToString(signature)})
	return err
}

func calm(s api.Status) bool {
	return len(s.Triggers) > 0 && s.Triggers[0].State == "calm" && len(s.Triggers[0].NoData) == 0
}

// A price falls, the health factor of the Safe's loan with it; two owners sign what was planned, shown and simulated, and the Safe is out.
// A user beside it, with the same loan and no plan, is liquidated.
func TestOutOfAave(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		w := newTreasury(t, bed)
		neighbour := bed.Accounts[7]
		bed.Mint(w.aave.WETH, neighbour.Address, testbed.Ether(10))
		w.aave.Supply(neighbour, w.aave.WETH, testbed.Ether(10))
		w.aave.Borrow(neighbour, w.aave.USDC, testbed.Units(12_000, 6))
		d, stop := running(t, lifeboat.WallClock{}, w.dir, w.data)
		w.until(d, "a calm board", calm)

		w.aave.PriceTo(w.aave.WETH, 1500)
		fell := time.Now()
		asked := w.until(d, "the owners' question", func(s api.Status) bool { return len(s.Questions) == 1 && s.Questions[0].Proposal != nil })
		q := asked.Questions[0]
		for _, say := range []string{"repay", "withdraw", "10 WETH", "Lend", "health"} {
			if !strings.Contains(q.Text, say) {
				t.Errorf("the question does not say %q:\n%s", say, q.Text)
			}
		}
		if err := w.signs(d, q, bed.Accounts[8], "Bo"); err == nil {
			t.Error("a stranger's signature was taken for Bo's")
		}
		for i, person := range []string{"Bo", "Cy"} {
			if err := w.signs(d, q, w.safe.Owners[1+i], person); err != nil {
				t.Fatal(err)
			}
		}
		w.until(d, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
		left := time.Since(fell)
		stop()

		if p := w.aave.Position(w.safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
			t.Errorf("the Safe still has %+v", p)
		}
		if got := bed.Balance(w.aave.WETH, w.safe.Address); got.Cmp(testbed.Ether(10)) != 0 {
			t.Errorf("the Safe has %s WETH", got)
		}
		w.aave.PriceTo(w.aave.WETH, 1400)
		if r := w.aave.Liquidate(neighbour.Address, w.aave.WETH, w.aave.USDC, testbed.Units(6_000, 6)); r.Status != 1 {
			t.Error("the neighbour was not liquidated")
		}
		w.tells(left)
	})
}

// tells how long each stage took, from the journal alone.
func (w *treasury) tells(left time.Duration) {
	w.t.Helper()
	var fired, asked, signed, done time.Time
	performed := 0
	for at, e := range journalOf(w.t, w.data) {
		switch e := e.(type) {
		case lifeboat.Firing:
			fired = at
		case lifeboat.Intent:
			if e.Message != nil && e.Message.Proposal != nil {
				asked = at
			}
		case lifeboat.Answer:
			signed = at
		case lifeboat.Receipt:
			if e.Status == lifeboat.Performed && e.Facts["transaction"] != "" {
				performed, done = performed+1, at
				w.t.Logf("the run tells:\n%s", e.Output)
			}
		}
	}
	if performed != 1 {
		w.t.Errorf("%d exits were carried out", performed)
	}
	w.t.Logf("%s after the price fell it was over: planned, simulated and asked %s after the firing, signed %s later, on the chain %s after that",
		left.Round(time.Millisecond), asked.Sub(fired).Round(time.Millisecond), signed.Sub(asked).Round(time.Millisecond), done.Sub(signed).Round(time.Millisecond))
}
