package custody

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/act/safe"
	"lifeboat/plan"
)

var (
	now    = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	ada    = common.HexToAddress("0x1111111111111111111111111111111111111111")
	bo     = common.HexToAddress("0x2222222222222222222222222222222222222222")
	cy     = common.HexToAddress("0x3333333333333333333333333333333333333333")
	roles  = common.HexToAddress("0x4444444444444444444444444444444444444444")
	guard  = common.HexToAddress("0x5555555555555555555555555555555555555555")
	module = common.HexToAddress("0x6666666666666666666666666666666666666666")
)

// sound is a Safe with which nothing is wrong.
const sound = `
portfolio: {name: Treasury, base_currency: USD}
people: [{name: Ada, role: owner}, {name: Bo}, {name: Cy}]
dependencies: [{name: Net, kind: chain, chain: {id: 1, nodes: ["https://a.example.org"]}}]
accounts:
  - name: vault
    kind: safe
    chain: Net
    address: "0x9999999999999999999999999999999999999999"
    safe: {roles: {module: "0x4444444444444444444444444444444444444444", role: exit, key: {kind: clef, url: "http://127.0.0.1:8550", address: "0x7777777777777777777777777777777777777777"}}}
    custody:
      threshold: 2
      restored: 2026-05-01
      guards: ["0x5555555555555555555555555555555555555555"]
      signers:
        - {who: Ada, wallet: "0x1111111111111111111111111111111111111111", kept: desk at home, seen: 2026-11-01}
        - {who: Bo, wallet: "0x2222222222222222222222222222222222222222", seen: 2026-10-01}
        - {who: Cy, wallet: "0x3333333333333333333333333333333333333333", device: old phone, seen: 2026-09-15}
      backups:
        - {of: Ada, where: bank safe, medium: steel, checked: 2026-06-01}
        - {of: Bo, where: Bo's mother, medium: paper, checked: 2026-06-01}
        - {of: old phone, where: office, medium: device, checked: 2026-06-01}
holdings: [{symbol: USD, account: vault, quantity: 1}]
`

// stands is that Safe on its chain, as it should be.
func stands() safe.State {
	return safe.State{Version: "1.4.1", Owners: []common.Address{cy, ada, bo}, Threshold: 2, Modules: []common.Address{roles}, Guard: guard,
		Implementation: safe.Implementations[0].Address}
}

func register(t *testing.T, text string, k Known) Register {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, err := plan.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Of(p, now, k)
}

// spares of the Safe: Ada has one on a card.
var spares = "spares: [{who: Ada, device: cold card, wallet: \"" + module.Hex() + "\", seen: 2026-11-02}]"

func TestFindings(t *testing.T) {
	type state = func(*safe.State)
	for name, c := range map[string]struct {
		replace []string // in the plan: old, new
		chain   state    // nil when the chain is not read
		signed  map[common.Address]time.Time
		want    []string // what each finding begins with; ! for an urgent one
	}{
		"sound":                {},
		"sound, and on chain":  {chain: func(*safe.State) {}},
		"not seen":             {replace: []string{"seen: 2026-10-01", "seen: 2026-08-01"}, want: []string{"the key of Bo was last seen to sign on 2026-08-01, 119 days ago; the plan wants it within 90 days"}},
		"seen, longer allowed": {replace: []string{"seen: 2026-10-01", "seen: 2026-08-01", "threshold: 2", "threshold: 2\n      policy: {seen_within: 120d}"}},
		"never seen":           {replace: []string{", seen: 2026-09-15", ""}, want: []string{"the key of Cy on old phone was never seen to sign"}},
		"signed since":         {replace: []string{", seen: 2026-09-15", ""}, signed: map[common.Address]time.Time{cy: now.Add(-time.Hour)}},
		"another has signed":   {replace: []string{", seen: 2026-09-15", ""}, signed: map[common.Address]time.Time{ada: now}, want: []string{"the key of Cy on old phone was never"}},
		"signed long ago":      {replace: []string{", seen: 2026-09-15", ""}, signed: map[common.Address]time.Time{cy: now.AddDate(-1, 0, 0)}, want: []string{"the key of Cy on old phone was last seen to sign on 2025-11-28, 365 days ago"}},
		"seen in the future":   {replace: []string{"seen: 2026-10-01", "seen: 2027-10-01"}, want: []string{"the key of Bo was last seen to sign on 2027-10-01, a day that is still to come"}},
		"restore overdue":      {replace: []string{"restored: 2026-05-01", "restored: 2025-05-01"}, want: []string{"a key was last brought back from a backup as a test on 2025-05-01"}},
		"never restored":       {replace: []string{"restored: 2026-05-01", "restored:"}, want: []string{"no key was ever brought back"}},
		"no backup":            {replace: []string{"        - {of: Bo, where: Bo's mother, medium: paper, checked: 2026-06-01}\n", ""}, want: []string{"no backup of the key of Bo is written down"}},
		"backup not checked":   {replace: []string{"medium: steel, checked: 2026-06-01", "medium: steel"}, want: []string{"nobody has looked at the backup of the key of Ada at bank safe"}},
		"backup long not checked": {replace: []string{"medium: steel, checked: 2026-06-01", "medium: steel, checked: 2024-06-01"},
			want: []string{"the backup of the key of Ada at bank safe was last looked at on 2024-06-01"}},
		"both backups at one place": {replace: []string{"      backups:\n", "      backups:\n        - {of: Ada, where: \"Bank  Safe\", checked: 2026-06-01}\n"},
			want: []string{"two backups of the key of Ada are at one place, bank safe"}},
		"backup where the key is":           {replace: []string{"where: bank safe", "where: Desk at home"}, want: []string{"the only backup of the key of Ada is where the key is, desk at home"}},
		"backups of enough keys together":   {replace: []string{"where: Bo's mother", "where: Bank safe"}, want: []string{"!backups of 2 keys are at one place, Bank safe"}},
		"a person alone":                    {replace: []string{"who: Cy", "who: Ada", "who: Ada", "who: Ada, device: new phone", "of: Ada", "of: new phone"}, want: []string{"!Ada has 2 keys, enough to move what is there alone"}},
		"a person alone, as the plan wants": {replace: []string{"who: Cy", "who: Ada", "who: Ada", "who: Ada, device: new phone", "of: Ada", "of: new phone", "threshold: 2", "threshold: 2\n      policy: {alone: Ada}"}},
		"threshold below policy":            {replace: []string{"threshold: 2", "threshold: 2\n      policy: {threshold_least: 3}"}, want: []string{"!2 of 3 keys are enough to move what is there, and the plan wants 3 at least"}},
		"threshold of one, no policy": {replace: []string{"threshold: 2", "threshold: 1"},
			want: []string{"!1 of 3 keys are enough", "!Ada has 1 key", "!Bo has 1 key", "!Cy has 1 key"}},
		"no custody": {replace: []string{sound[strings.Index(sound, "    custody:"):strings.Index(sound, "holdings:")], ""}, want: []string{"the plan does not say who has the keys"}},

		"threshold lowered on chain": {chain: func(s *safe.State) { s.Threshold = 1 },
			want: []string{"!1 signatures move the Safe on its chain, and the plan says 2", "!1 of 3 owners are enough to move the Safe"}},
		"threshold raised on chain": {chain: func(s *safe.State) { s.Threshold = 3 }, want: []string{"3 signatures move the Safe on its chain", "all 3 owners have to sign"}},
		"threshold below policy on chain": {chain: func(*safe.State) {}, replace: []string{"threshold: 2", "threshold: 2\n      policy: {threshold_least: 3}"},
			want: []string{"!2 of 3 owners are enough to move the Safe, and the plan wants 3 at least"}},
		"an owner too many":   {chain: func(s *safe.State) { s.Owners = append(s.Owners, module) }, want: []string{"!" + module.Hex() + " is an owner of the Safe, and not by the plan"}},
		"an owner too few":    {chain: func(s *safe.State) { s.Owners = append([]common.Address{module}, s.Owners[1:]...) }, want: []string{"!" + module.Hex() + " is an owner", "old phone (" + cy.Hex() + ") should be an owner of the Safe and is none"}},
		"a spare, never seen": {replace: []string{"restored:", strings.Replace(spares, ", seen: 2026-11-02", "", 1) + "\n      restored:"}, want: []string{"the spare of Ada on cold card was never seen to sign"}},
		"a spare that is nobody's wallet": {replace: []string{"restored:", spares + "\n      restored:", "{name: Ada, role: owner}", "{name: Ada, role: owner, wallets: [\"" + ada.Hex() + "\"]}"},
			want: []string{"the spare of Ada on cold card is not among the wallets of Ada"}},
		"a spare among her wallets": {replace: []string{"restored:", spares + "\n      restored:", "{name: Ada, role: owner}", "{name: Ada, role: owner, wallets: [\"" + strings.ToLower(module.Hex()) + "\"]}"}},
		"a spare in an owner's place": {replace: []string{"restored:", spares + "\n      restored:"}, chain: func(s *safe.State) { s.Owners = append([]common.Address{module}, s.Owners[1:]...) },
			want: []string{"cold card (" + module.Hex() + "), which the plan keeps as a spare, is an owner", "old phone (" + cy.Hex() + ") should be an owner of the Safe and is none"}},
		"a module too many":      {chain: func(s *safe.State) { s.Modules = append(s.Modules, module) }, want: []string{"!the module " + module.Hex()}},
		"a module that is named": {chain: func(s *safe.State) { s.Modules = append(s.Modules, module) }, replace: []string{"restored:", "modules: \"" + module.Hex() + "\"\n      restored:"}},
		"the roles module gone":  {chain: func(s *safe.State) { s.Modules = nil }, want: []string{"the module roles (" + roles.Hex() + ") is in the plan and not enabled"}},
		"another guard":          {chain: func(s *safe.State) { s.Guard = module }, want: []string{"!the guard " + module.Hex()}},
		"no custody, and on chain": {chain: func(s *safe.State) { s.Guard, s.Modules = common.Address{}, append(s.Modules, module) },
			replace: []string{sound[strings.Index(sound, "    custody:"):strings.Index(sound, "holdings:")], ""}, want: []string{"the plan does not say who has the keys", "!the module " + module.Hex()}},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer(c.replace...).Replace(sound)
			if len(c.replace) > 0 && text == sound {
				t.Fatal("nothing was replaced")
			}
			k := Known{Signed: c.signed}
			if c.chain != nil {
				s := stands()
				c.chain(&s)
				k.Safes = map[string]safe.State{"vault": s}
			}
			var got []string
			for _, f := range register(t, text, k).Findings() {
				got = append(got, map[bool]string{true: "!"}[f.Urgent]+f.Text)
			}
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("found:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// A wallet of one person is not told that one person is enough; a broker is no matter of keys.
func TestWalletsOfOnePerson(t *testing.T) {
	r := register(t, `
portfolio: {name: Cold, base_currency: USD}
people: [{name: Ada}]
accounts:
  - {name: broker, kind: broker}
  - {name: cold, kind: wallet, address: bc1qexample, custody: {signers: [{who: Ada, seen: 2026-11-01}], backups: [{of: Ada, where: bank, checked: 2026-06-01}], restored: 2026-05-01}}
holdings: [{symbol: USD, account: broker, quantity: 1}]
`, Known{})
	if len(r.Wallets) != 1 || len(r.Findings()) != 0 || r.Wallets[0].Threshold != 1 {
		t.Errorf("%+v", r)
	}
}

func TestWhatCouldNotBeReadIsFound(t *testing.T) {
	r := register(t, sound, Known{Unread: map[string]string{"vault": "too few nodes answer"}})
	if got := fmt.Sprint(r.Findings()); got != "[{false how the Safe stands could not be read: too few nodes answer}]" {
		t.Error(got)
	}
}
