package evm

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
)

// An address that is two accounts: what is said of it is said of both, at the same time and once each; what is asked by an account's
// own name is not doubled.
func TestOneAddressTwoAccounts(t *testing.T) {
	fake, c, _ := net(t, 1)
	text := strings.Replace(testPlan, "dependencies:", `  - {name: loan, kind: safe, chain: Ethereum, protocol: Save, address: "0x1111111111111111111111111111111111111111"}
dependencies:
  - {name: Save, kind: protocol, contract: {adapter: erc-4626, chain: Ethereum, address: "0x1313131313131313131313131313131313131313"}}`, 1)
	w := run(t, loaded(t, text), c, nil)
	fake.Mine()
	w.value("safe_changed.loan", 0)
	fake.Mine(logged(t, vault, "EnabledModule(address indexed module)", drainer))
	for _, series := range []string{"safe_changed.vault", "safe_changed.loan"} {
		if r := w.value(series, 1); r.Why != "vault: the module Drainer may act for it without its owners" {
			t.Errorf("%s: %s", series, r.Why)
		}
	}
	said := map[lifeboat.Series]int{}
	w.source.both(func(readings []lifeboat.Reading, _ []error) {
		for _, r := range readings {
			said[r.Series]++
		}
	})([]lifeboat.Reading{{Series: "cover.vault.Save"}, {Series: "allowance.vault.Save"}, {Series: "health_factor.vaults"}}, nil)
	if len(said) != 4 || said["cover.loan.Save"] != 1 {
		t.Errorf("said: %v", said)
	}
}

func TestAbout(t *testing.T) {
	for series, want := range map[string]string{"health_factor.loan": "health_factor ", "cover.loan.Aave.WETH": "cover .Aave.WETH", "cover.loans.Aave": "", "loan": "", "reorg.Ethereum": ""} {
		kind, rest, ok := about(series, "loan")
		if got := kind + " " + rest; ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %t", series, got, ok)
		}
	}
	if n := len(twins([]Account{{Name: "a", Address: common.Address{1}}, {Name: "b", Address: common.Address{2}}}, nil)); n != 0 {
		t.Errorf("%d twins at two addresses", n)
	}
}
