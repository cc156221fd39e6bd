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

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/app"
	"lifeboat/plan"
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
	every     time.Duration
	tick      func() // what happens on the chain so often while a test waits
	keys      string // directory of the keys that pay for gas
}

// newTreasury has supplied 10 WETH; with a loan, it owes 12,000 USDC for them.
func newTreasury(t *testing.T, bed *testbed.Bed, loan bool) *treasury {
	w := &treasury{Bed: bed, t: t, aave: bed.Aave(), safe: bed.Safe(bed.Accounts[1:4], 2), relayer: bed.Accounts[5], bot: bed.Accounts[6], dir: t.TempDir(), data: t.TempDir(),
		every: 500 * time.Millisecond, tick: func() { bed.Mine(1) }}
	bed.Mint(w.aave.WETH, w.safe.Address, testbed.Ether(10))
	w.safe.Batch(w.aave.WETH.Do("approve", w.aave.Pool.Address, testbed.Ether(10)),
		w.aave.Pool.Do("supply", w.aave.WETH.Address, testbed.Ether(10), w.safe.Address, uint16(0)))
	if loan {
		w.safe.Exec(w.aave.Pool.Do("borrow", w.aave.USDC.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), w.safe.Address), testbed.OperationCall)
		bed.Mint(w.aave.USDC, w.safe.Address, testbed.Units(500, 6))
	}
	w.keys = t.TempDir()
	for name, who := range map[string]testbed.Account{"relayer": w.relayer, "bot": w.bot} {
		if err := os.WriteFile(filepath.Join(w.keys, name), []byte(hex.EncodeToString(crypto.FromECDSA(who.Key))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// write a plan, with what stands for what in it.
func (w *treasury) write(text string, more ...string) {
	w.t.Helper()
	written := strings.NewReplacer(append(more, "KEYS", w.keys, "CHAINID", w.ChainID.String(), "NODES", fmt.Sprintf("%q", w.WS), "QUORUM", "1",
		"POOL", w.aave.Pool.Address.Hex(), "SAFE", w.safe.Address.Hex(), "RELAYER", w.relayer.Hex(), "MULTISEND", w.safe.MultiSend.Address.Hex(),
		"WETHTOKEN", w.aave.WETH.Address.Hex(), "USDCTOKEN", w.aave.USDC.Address.Hex(),
		"ADA", w.safe.Owners[0].Hex(), "BO", w.safe.Owners[1].Hex(), "CY", w.safe.Owners[2].Hex())...).Replace(text)
	if err := os.WriteFile(filepath.Join(w.dir, "plan.yaml"), []byte(written), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// leavesAt writes the plan of the treasury that leaves at a condition, without a bot.
func (w *treasury) leavesAt(condition, via string) {
	w.t.Helper()
	w.write(treasuryPlan, "CONDITION", condition, "VIA", via, "ROLES", "")
}

// until waits for something, while the chain goes on: nothing on a chain happens between blocks.
func (w *treasury) until(d *app.Daemon, what string, is func(api.Status) bool) api.Status {
	w.t.Helper()
	patience := time.Now().Add(2 * time.Minute)
	for next := time.Now().Add(w.every); time.Now().Before(patience); time.Sleep(50 * time.Millisecond) {
		if s := d.Status(); is(s) {
			return s
		}
		if time.Now().After(next) {
			w.tick()
			next = time.Now().Add(w.every)
		}
	}
	w.story()
	w.t.Fatalf("never came: %s", what)
	return api.Status{}
}

// story logs what the daemon decided and did, for whoever reads why a test failed.
func (w *treasury) story() {
	w.t.Helper()
	for at, e := range journalOf(w.t, w.data) {
		switch e := e.(type) {
		case lifeboat.Receipt:
			w.t.Logf("%s %s %s %s", at.Format(time.TimeOnly), e.Key, e.Status, e.Why)
		case lifeboat.Refused, lifeboat.Decision, lifeboat.StepFinished, lifeboat.RunFinished:
			w.t.Logf("%s %+v", at.Format(time.TimeOnly), e)
		}
	}
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

// agree lets Bo and Cy, two of the three owners, sign a question.
func (w *treasury) agree(d *app.Daemon, q api.Question) {
	w.t.Helper()
	for i, person := range []string{"Bo", "Cy"} {
		if err := w.signs(d, q, w.safe.Owners[1+i], person); err != nil {
			w.t.Fatal(err)
		}
	}
}

// exits of the plan that was written, as a command has them when no daemon runs.
func (w *treasury) exits() (*plan.Plan, *app.Exits) {
	w.t.Helper()
	p, err := app.LoadPlan(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	exits, end, err := app.ExitsAlone(w.t.Context(), p, w.dir, w.data, nil, lifeboat.WallClock{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(end)
	return p, exits
}

// signsKit puts the signature of a key under a kit.
func (w *treasury) signsKit(exits *app.Exits, hash common.Hash, by testbed.Account) error {
	w.t.Helper()
	signature, err := crypto.Sign(hash[:], by.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := exits.Sign(w.t.Context(), hash, signature)
	if err == nil && signed.By != by.Address {
		w.t.Errorf("%s signed, and it says %s", by.Hex(), signed.By.Hex())
	}
	return err
}

// arm prepares the kit of a step and lets Ada and Bo sign it beforehand.
func (w *treasury) arm(exits *app.Exits, step app.ExitStep) (hash string) {
	w.t.Helper()
	kit, err := exits.Prepare(w.t.Context(), step, false)
	for _, owner := range w.safe.Owners[:2] {
		if err == nil {
			err = w.signsKit(exits, common.HexToHash(kit.Hash), owner)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return kit.Hash
}

func calm(s api.Status) bool {
	return len(s.Triggers) > 0 && s.Triggers[0].State == "calm" && len(s.Triggers[0].NoData) == 0
}
