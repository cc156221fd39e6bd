package plan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lifeboat"
)

const custodyPlan = `portfolio: {name: Keys, base_currency: USD}
people: [{name: Ada, role: owner, wallets: "0x1111111111111111111111111111111111111111"}, {name: Bo, role: signer}]
dependencies: [{name: Net, kind: chain, chain: {id: 1, nodes: ["https://a.example.org"]}}]
accounts:
  - {name: broker, kind: broker}
  - name: vault
    kind: safe
    chain: Net
    address: "0x9999999999999999999999999999999999999999"
    custody:
      signers:
        - {who: Ada, wallet: "0x1111111111111111111111111111111111111111", device: small one, kept: hardware wallet at home, seen: 2026-10-01}
        - {who: Bo, wallet: "0x2222222222222222222222222222222222222222", kept: office}
      threshold: 2
      backups: [{of: small one, where: bank safe, medium: steel, checked: 2026-06-01}, {of: Bo, where: mother, medium: paper}]
      restored: 2026-05-01
      modules: ["0x3333333333333333333333333333333333333333"]
      guards: "0x4444444444444444444444444444444444444444"
      policy: {seen_within: 60d, restore_within: 200d, checked_within: 100d, threshold_least: 2, alone: Ada}
holdings: [{symbol: USD, account: broker, quantity: 1}]
`

func TestLoadsCustody(t *testing.T) {
	p, _, err := loadText("plan.yaml", custodyPlan)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := p.Account("vault")
	c := a.Custody
	if len(c.Signers) != 2 || c.Signatures() != 2 || c.Backups[0].Medium != "steel" || c.Guards[0] != "0x4444444444444444444444444444444444444444" {
		t.Errorf("%+v", c)
	}
	if of := c.Of(c.Backups[1]); len(of) != 1 || of[0].Who != "Bo" {
		t.Errorf("a backup of Bo is of %v", of)
	}
	if err := compileSchema(t).Validate(asJSON(t, custodyPlan)); err != nil {
		t.Error(err)
	}
	rule := (Custody{}).Rule("safe")
	if rule.SeenWithin != Duration(90*day) || rule.RestoreWithin != Duration(365*day) || rule.CheckedWithin != Duration(365*day) || rule.ThresholdLeast != 2 || (Custody{}).Rule("wallet").ThresholdLeast != 1 {
		t.Errorf("what is left to be understood: %+v", rule)
	}
}

func TestCustodyIsHeldToWhatCanBe(t *testing.T) {
	const bo = `{who: Bo, wallet: "0x2222222222222222222222222222222222222222", kept: office}`
	for name, c := range map[string]struct{ old, new, want string }{
		"a broker":            {"{name: broker, kind: broker}", "{name: broker, kind: broker, custody: {signers: [{who: Bo}]}}", "custody is for accounts of kind safe or wallet, and broker is a broker"},
		"a role":              {"who: Bo,", "who: signer,", "is a role, and a key is one person's"},
		"nobody":              {"who: Bo,", "who: Dan,", `no person or role is called "Dan"`},
		"no wallet":           {bo, "{who: Bo}", "an owner of a Safe wants wallet"},
		"a wallet twice":      {"0x2222222222222222222222222222222222222222", "0x1111111111111111111111111111111111111111", "the same wallet stands at"},
		"another's wallet":    {"who: Ada,", "who: Bo,", "people says that this wallet is Ada's"},
		"two keys of a name":  {bo, bo + "\n        - " + `{who: Bo, wallet: "0x5555555555555555555555555555555555555555"}`, `another key is called "Bo"`},
		"which of two keys":   {bo, bo + "\n        - " + `{who: Bo, wallet: "0x5555555555555555555555555555555555555555", device: other}`, "Bo has 2 keys here; name the device"},
		"a backup of nothing": {"of: small one", "of: smal one", `no signer here and no device is called "smal one"; did you mean "small one"?`},
		"too high":            {"threshold: 2\n", "threshold: 3\n", "3 signatures are never together: there are 2 keys"},
		"no day":              {"seen: 2026-10-01", "seen: October", "seen wants a day such as 2026-10-01"},
		"no such day":         {"restored: 2026-05-01", "restored: 2026-02-30", "restored wants a day"},
		"a day too long ago":  {"checked: 2026-06-01", "checked: last June", "checked wants a day"},
		"a medium":            {"medium: paper", "medium: cloud", "medium wants steel, paper or device"},
		"a wallet's module":   {"kind: safe", "kind: wallet", "only a Safe has modules and guards"},
		"a mistyped guard":    {"0x4444444444444444444444444444444444444444", "0x44", "a guard wants an address"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(custodyPlan, c.old, c.new, 1)
			if text == custodyPlan {
				t.Fatal("nothing was replaced")
			}
			_, _, err := loadText("plan.yaml", text)
			var faults *Faults
			if !errors.As(err, &faults) {
				t.Fatalf("it passes: %v", err)
			}
			told := ""
			for _, f := range faults.List {
				told += f.String() + "\n"
			}
			if !strings.Contains(told, c.want) {
				t.Errorf("told:\n%swant: %s", told, c.want)
			}
		})
	}
}

// writtenPlan is loaded from a directory, as its owner's is: only there secrets are looked for.
func writtenPlan(t *testing.T, text string) (*Plan, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, err := Load(dir)
	return p, err
}

// TestCustodyKeepsNoSecret writes a phrase or a key into each field that takes an owner's words: none is read, and none is repeated.
func TestCustodyKeepsNoSecret(t *testing.T) {
	fields := []string{"who: Bo", "device: small one", "kept: office", "seen: 2026-10-01", "where: bank safe", "of: Bo", "checked: 2026-06-01", "medium: steel",
		"restored: 2026-05-01", "alone: Ada", `wallet: "0x2222222222222222222222222222222222222222"`, `guards: "0x4444444444444444444444444444444444444444"`}
	for _, field := range fields {
		for kind, secret := range map[string]string{"phrase": phrase12, "long phrase": phrase24, "hex": "0x" + hexKey, "WIF": wif, "extended": xprv} {
			key, _, _ := strings.Cut(field, ": ")
			text := strings.Replace(custodyPlan, field, key+`: "`+secret+`"`, 1)
			if text == custodyPlan {
				t.Fatalf("%s: nothing was replaced", field)
			}
			p, err := writtenPlan(t, text)
			if problem, ok := errors.AsType[*lifeboat.Problem](err); !ok || problem.Reason != "plan-secret" || p != nil {
				t.Errorf("a %s under %s: %v", kind, key, err)
			}
			if err != nil && strings.Contains(err.Error(), secret[:12]) {
				t.Errorf("a %s under %s is repeated", kind, key)
			}
		}
	}
}
