package app_test

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/act/custody"
	"lifeboat/app"
	"lifeboat/testbed"
)

const keysPlan = `
portfolio: {name: Keys, base_currency: USD, calendar: 24/7}
people: [{name: Ada, role: owner}, {name: Bo}, {name: Cy}]
dependencies: [{name: Testnet, kind: chain, chain: {id: CHAINID, nodes: ["NODE"], quorum: 1}}]
accounts:
  - {name: lost, kind: safe, chain: Testnet, address: "NOSAFE", custody: {signers: [{who: Ada, wallet: "ADA"}]}}
  - name: vault
    kind: safe
    chain: Testnet
    address: "SAFE"
    custody:
      threshold: 2
      restored: 2026-05-01
      handlers: ["HANDLER"]
      signers:
        - {who: Ada, wallet: "ADA", seen: 2026-11-01}
        - {who: Bo, wallet: "BO", seen: 2026-11-01}
        - {who: Cy, wallet: "CY", seen: 2026-11-01}
      backups: [{of: Ada, where: bank, checked: 2026-06-01}, {of: Bo, where: mother, checked: 2026-06-01}, {of: Cy, where: office, checked: 2026-06-01}]
holdings: [{symbol: USD, account: vault, quantity: 1}]
`

// TestCustodyOnChain: what the owners of a real Safe change on its chain is found against the plan, and an address at which there is
// no Safe does not hide it.
func TestCustodyOnChain(t *testing.T) {
	bed := testbed.Start(t, testbed.Simulated)
	owners := bed.Accounts[1:4]
	s := bed.Safe(owners, 2)
	dir := t.TempDir()
	text := strings.NewReplacer("CHAINID", bed.ChainID.String(), "NODE", bed.WS, "NOSAFE", bed.Accounts[7].Hex(), "HANDLER", s.Handler.Address.Hex(), "SAFE", s.Address.Hex(),
		"ADA", owners[0].Hex(), "BO", owners[1].Hex(), "CY", owners[2].Hex()).Replace(keysPlan)
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := app.LoadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	find := func() (lost, vault custody.Wallet) {
		t.Helper()
		var known custody.Known
		if err := app.ReadSafes(t.Context(), p, dir, nil, lifeboat.WallClock{}, &known); err != nil {
			t.Fatal(err)
		}
		r := custody.Of(p, time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), known)
		return r.Wallets[0], r.Wallets[1]
	}
	lost, vault := find()
	if len(vault.Findings) != 0 || vault.OnChain == nil || vault.OnChain.Threshold != 2 || len(vault.OnChain.Owners) != 3 {
		t.Errorf("as it should be: %+v %+v", vault.OnChain, vault.Findings)
	}
	if lost.OnChain != nil || !found(lost, "how the Safe stands could not be read") {
		t.Errorf("no Safe: %+v", lost)
	}
	s.Exec(s.Do("changeThreshold", big.NewInt(1)), testbed.OperationCall)
	bed.Mine(1)
	if _, vault = find(); !found(vault, "1 signatures move the Safe on its chain, and the plan says 2") || !found(vault, "1 of 3 owners are enough") {
		t.Errorf("the threshold was lowered: %+v", vault.Findings)
	}
	s.Threshold = 1
	stranger := bed.Accounts[6].Address
	s.Exec(s.Do("swapOwner", common.HexToAddress("0x1"), bySafe(bed, s)[0], stranger), testbed.OperationCall)
	bed.Mine(1)
	if _, vault = find(); !found(vault, fmt.Sprintf("%s is an owner of the Safe, and not by the plan", stranger)) || !found(vault, "should be an owner of the Safe and is none") {
		t.Errorf("an owner was put in another's place: %+v", vault.Findings)
	}
}

// bySafe are the owners in the Safe's own order, in which they are linked.
func bySafe(bed *testbed.Bed, s *testbed.Safe) []common.Address {
	return bed.Ask(s.Contract, "getOwners")[0].([]common.Address)
}

func found(w custody.Wallet, text string) bool {
	return slices.ContainsFunc(w.Findings, func(f custody.Finding) bool { return strings.Contains(f.Text, text) })
}

func TestSignaturesOfWallets(t *testing.T) {
	first, wallet := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), common.HexToAddress("0x1111111111111111111111111111111111111111")
	s := app.Signatures{}
	s.Apply(first.Add(time.Hour), lifeboat.Answer{By: "Ada", Yes: true, Factor: &lifeboat.Factor{Kind: "wallet", ID: wallet.Hex()}})
	s.Apply(first, lifeboat.Answer{By: "Ada", Factor: &lifeboat.Factor{Kind: "wallet", ID: wallet.Hex()}})
	s.Apply(first.Add(2*time.Hour), lifeboat.Answer{By: "Ada", Yes: true, Factor: &lifeboat.Factor{Kind: "totp", ID: wallet.Hex()}})
	s.Apply(first.Add(2*time.Hour), lifeboat.Answer{By: "Ada", Yes: true})
	if len(s) != 1 || !s[wallet].Equal(first.Add(time.Hour)) {
		t.Errorf("%v", s)
	}
}
