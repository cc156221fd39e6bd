package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lifeboat"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// loadText loads one file beside nothing else.
func loadText(name, text string) (*Plan, *Places, error) {
	return load([]file{{name: name, text: []byte(text), plan: true}}, ".")
}

func faultsOf(t *testing.T, err error) []Fault {
	t.Helper()
	faults, ok := errors.AsType[*Faults](err)
	if !ok {
		t.Fatalf("no faults but %v", err)
	}
	return faults.List
}

func TestLoadsWhatPeopleWrite(t *testing.T) {
	p, _, err := Load("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	content, _ := json.MarshalIndent(p, "", "  ")
	golden(t, "testdata/good.golden", string(content)+"\n")
}

func TestSaysWhatIsWrong(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	if len(files) == 0 {
		t.Fatal("no bad plans")
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = loadText(filepath.Base(name), string(text))
		if lifeboat.KindOf(err) != lifeboat.Invalid {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden(t, strings.TrimSuffix(name, ".yaml")+".golden", err.Error()+"\n")
	}
}

// What the source document prints must load exactly as it stands there.
const (
	printedTrigger = `{ "tier": "2", "name": "Significant Correction", "condition": "portfolio_drawdown >= 0.15 AND spy_200d_ma_breach == true", "action": "execute_rebalance_to_model('defensive_model_v1')" }`
	printedRule    = `IF daily_return < -0.07 AND volume_spike > 2.0 THEN severity = CRITICAL`
	printedAction  = `Reduce equity exposure by 25% and increase cash holdings to 40%.`
	around         = "portfolio: {name: A}\nmodels: [{name: defensive_model_v1, weights: {cash: 100%}}]\n"
)

func TestLoadsThePrintedTrigger(t *testing.T) {
	for name, c := range map[string]struct{ file, text string }{
		"as a JSON file":         {"t.json", printedTrigger},
		"as a YAML file":         {"t.yaml", printedTrigger},
		"with tabs":              {"t.json", strings.ReplaceAll(strings.ReplaceAll(printedTrigger, `, "`, ",\n\t\""), "{ ", "{\n\t")},
		"as a list":              {"t.json", "[\n" + printedTrigger + "\n]"},
		"under triggers in JSON": {"t.json", `{"triggers": [` + printedTrigger + `]}`},
		"under triggers in YAML": {"t.yaml", "triggers:\n  - " + printedTrigger},
	} {
		p, _, err := load([]file{{name: "a.yaml", text: []byte(around), plan: true}, {name: c.file, text: []byte(c.text), plan: true}}, ".")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := p.Triggers[0]
		if got.Name != "Significant Correction" || got.Tier != lifeboat.Action || got.Severity != "HIGH" ||
			got.Condition != "portfolio_drawdown >= 0.15 AND spy_200d_ma_breach == true" {
			t.Errorf("%s: %+v", name, got)
		}
		b, ok := p.Playbook(got.Playbook)
		if !ok || b.Name != "execute_rebalance_to_model('defensive_model_v1')" || len(b.Steps) < 2 || b.Steps[1].Rebalance.Model != "defensive_model_v1" {
			t.Errorf("%s: the action became %+v", name, b)
		}
	}
}

func TestLoadsThePrintedRule(t *testing.T) {
	for name, c := range map[string]struct{ file, text string }{
		"as a file":          {"t.yaml", printedRule + "\n"},
		"as a JSON file":     {"t.json", `"` + printedRule + `"`},
		"in a list":          {"t.yaml", "triggers:\n- " + printedRule},
		"in a list alone":    {"t.yaml", "- " + printedRule},
		"as a key":           {"t.yaml", "triggers:\n- rule: " + printedRule},
		"over several lines": {"t.yaml", "triggers:\n- rule: >\n    IF daily_return < -0.07\n    AND volume_spike > 2.0\n    THEN severity = CRITICAL\n"},
		"in small letters":   {"t.yaml", "if daily_return < -0.07 AND volume_spike > 2.0 then Severity == critical"},
	} {
		p, places, err := load([]file{{name: "a.yaml", text: []byte(around), plan: true}, {name: c.file, text: []byte(c.text), plan: true}}, ".")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := p.Triggers[0]
		if got.Condition != "daily_return < -0.07 AND volume_spike > 2.0" || got.Severity != "CRITICAL" || got.Tier != lifeboat.Emergency || got.Name != got.Condition {
			t.Errorf("%s: %+v", name, got)
		}
		at := places.At("triggers[0].condition", strings.Index(got.Condition, "volume"))
		line := []rune(strings.Split(c.text, "\n")[at.Line-1])
		if !strings.HasPrefix(string(line[at.Column-1:]), "volume_spike") {
			t.Errorf("%s: volume_spike is said to stand at %d:%d", name, at.Line, at.Column)
		}
	}
}

func TestTwoRulesOfOneText(t *testing.T) {
	p, _, err := loadText("a.yaml", "portfolio: {name: A}\ntriggers:\n- "+printedRule+"\n- "+printedRule)
	if err != nil || p.Triggers[0].Name == p.Triggers[1].Name {
		t.Fatal(p, err)
	}
}

func TestActionsBecomePlaybooks(t *testing.T) {
	register := around + `
accounts: [{name: a, kind: broker, venue: paper}, {name: b, kind: wallet}]
holdings: [{symbol: SPY, account: @, quantity: 1, class: equities}]
triggers: [{name: t, tier: 2, condition: x, action: "` + printedAction + `"}]
`
	p, _, err := loadText("a.yaml", strings.Replace(register, "@", "a", 1))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := p.Playbook(printedAction)
	if r := b.Steps[1].Rebalance; r.Reduce != "equities" || r.By != 0.25 || r.RaiseCashTo != 0.4 {
		t.Errorf("the sentence became %+v", r)
	}
	if b.Steps[2].Verify == nil || b.Steps[2].Verify.That != "cash_weight >= 38%" {
		t.Errorf("it is verified by %+v", b.Steps[2])
	}
	// What lies where only people act cannot come to the target, so nothing is verified of the whole.
	p, _, err = loadText("a.yaml", strings.Replace(register, "@", "b", 1))
	if b, _ = p.Playbook(printedAction); err != nil || len(b.Steps) != 3 {
		t.Errorf("%v: %+v", err, b.Steps)
	}
}

func TestDefaults(t *testing.T) {
	p, _, err := loadText("a.yaml", `
portfolio: {name: A}
accounts: [{name: w, kind: wallet, criticality: 2}]
holdings: [{symbol: ETH, account: w, quantity: 1, class: crypto, rto: 2h}, {symbol: USD, account: w, quantity: 1}]
feeds: [{series: ETH, url: "https://api.example.org/eth?key=${KEY}", path: $.p, every: 2m}]
people: [{name: Ada}]
playbooks: [{name: p, steps: [manual: Call]}]
`)
	if err != nil {
		t.Fatal(err)
	}
	if q := p.Portfolio; q.BaseCurrency != "USD" || q.TimeZone != "UTC" || q.Calendar != "24/7" || q.Benchmark != "SPY" {
		t.Errorf("%+v", q)
	}
	if a := p.Accounts[0]; a.Venue != "manual" || a.RTO.String() != "4h" || a.RPO.String() != "4h" {
		t.Errorf("%+v", a)
	}
	if h := p.Holdings[0]; h.Criticality != 3 || h.RTO.String() != "2h" || h.RPO.String() != "2h" || !p.IsFractional("ETH") {
		t.Errorf("%+v", h)
	}
	if f := p.Feeds[0]; f.Source != "api.example.org" || f.Format != "json" || f.StaleAfter.String() != "10m" {
		t.Errorf("%+v", f)
	}
	if s := p.Playbooks[0].Steps[0]; s.Manual.Who != "Ada" || s.Name != "manual" || s.OnFailure != "stop" || s.Timeout.String() != "24h" {
		t.Errorf("%+v", s)
	}
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDirectories(t *testing.T) {
	good := "portfolio: {name: A}\n"
	large := good + strings.Repeat("# the same line again and again and again\n", 250_000)
	many := map[string]string{}
	for i := range 5 {
		many[string(rune('a'+i))+".yaml"] = strings.Repeat("# x\n", 250_000)
	}
	for name, c := range map[string]struct {
		files  map[string]string
		reason lifeboat.Reason
		says   string
	}{
		"nothing there":      {nil, "plan-empty", "no YAML or JSON"},
		"nothing in it":      {map[string]string{"a.yaml": "# only a remark\n", "b.json": ""}, "plan-empty", "no YAML or JSON"},
		"no plan file":       {map[string]string{"README.md": "portfolio"}, "plan-empty", "no YAML or JSON"},
		"ten megabytes":      {map[string]string{"a.yaml": large}, "plan-too-large", "the plan file a.yaml is 10."},
		"large together":     {many, "plan-too-large", "together"},
		"hidden ones":        {map[string]string{"a.yaml": good, ".git/b.yaml": "x", ".c/d.yaml": "x", ".e.yaml": "x"}, "", ""},
		"other files":        {map[string]string{"a.yml": good, "b/c.json": `{"people": []}`, "notes.txt": "x: ["}, "", ""},
		"a secret elsewhere": {map[string]string{"a.yaml": good, "notes.md": "1\n\n  " + phrase12}, "plan-secret", "notes.md:3:3: here stands a seed phrase"},
		"a secret, hidden":   {map[string]string{"a.yaml": good, ".env": "KEY=" + hexKey}, "plan-secret", ".env:1:5: here stands a private key"},
	} {
		_, _, err := Load(write(t, c.files))
		if c.reason == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		problem, ok := errors.AsType[*lifeboat.Problem](err)
		if !ok || problem.Reason != c.reason || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		} else if problem.Money == "" || problem.Next == "" {
			t.Errorf("%s: %+v does not say where the money stands and what to do", name, problem)
		}
	}
}

func TestNoDirectory(t *testing.T) {
	file := filepath.Join(write(t, map[string]string{"a": ""}), "a")
	for _, dir := range []string{"testdata/nowhere", file} {
		if _, _, err := Load(dir); lifeboat.KindOf(err) != lifeboat.NotFound {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestLinks(t *testing.T) {
	dir := write(t, map[string]string{"..data/a.yaml": "portfolio: {name: A}\n"})
	if err := os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(dir); err != nil { // as Kubernetes mounts configuration
		t.Error(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(dir); lifeboat.KindOf(err) != lifeboat.Invalid {
		t.Errorf("a link out of the directory: %v", err)
	}
}

// TestSecretsAreNotEchoed puts secrets where other faults would quote them.
func TestSecretsAreNotEchoed(t *testing.T) {
	for _, text := range []string{
		"portfolio: {name: " + phrase12 + ", x: [", // broken YAML on the line of the secret
		"accounts: [{name: a, kind: " + hexKey + "}]",
		phrase12 + ": 1\n" + wif + ": 2\n",
	} {
		_, _, err := Load(write(t, map[string]string{"a.yaml": text, "b.yaml": "portfolio: 5"}))
		content, _ := json.Marshal(err)
		said := err.Error() + string(content)
		for _, word := range append(strings.Fields(phrase12), hexKey, wif) {
			if strings.Contains(said, word) {
				t.Errorf("%q is echoed in %s", word, said)
			}
		}
		for _, f := range faultsOf(t, err) {
			if f.Line == 0 || !strings.HasPrefix(f.Message, "here stands") {
				t.Errorf("beside the secrets it says %s", f)
			}
		}
	}
}

// TestOneBadFileDoesNotHideAnother: what the unreadable file may hold is not missed, what others say is checked.
func TestOneBadFileDoesNotHideAnother(t *testing.T) {
	_, _, err := Load(write(t, map[string]string{"a.yaml": "portfolio: [", "b.yaml": "accounts: [{name: a, kind: bnak, owner: Ada}]"}))
	list := faultsOf(t, err)
	if len(list) != 2 || list[0].File != "a.yaml" || list[1].File != "b.yaml" || list[1].Suggestion != "bank" {
		t.Error(err)
	}
}

func TestAliasesDoNotExplode(t *testing.T) {
	bomb := "portfolio: {name: A}\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n"
	for i := 1; i < 12; i++ {
		last := "*x" + string(rune('0'+(i-1)%10))
		bomb += "x" + string(rune('0'+i%10)) + ": &x" + string(rune('0'+i%10)) + " [" + strings.Repeat(last+", ", 9) + last + "]\n"
	}
	if _, _, err := loadText("a.yaml", bomb); lifeboat.KindOf(err) != lifeboat.Invalid {
		t.Error(err)
	}
	for _, deep := range []string{strings.Repeat("[", 20_000), strings.Repeat("- ", 20_000), strings.Repeat("{a: ", 20_000), strings.Repeat("? ", 20_000), strings.Repeat("!a ", 20_000), strings.Repeat("- a\n", 20_000), "[" + strings.Repeat("a, ", 20_000) + "a]"} {
		if _, _, err := loadText("a.yaml", deep); lifeboat.KindOf(err) != lifeboat.Invalid {
			t.Error(err)
		}
	}
	var stairs strings.Builder
	for i := range 1000 {
		stairs.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	if _, _, err := loadText("a.yaml", stairs.String()); lifeboat.KindOf(err) != lifeboat.Invalid {
		t.Error(err)
	}
}

// A data directory within the plan's is not read as part of the plan: the token in it looks like a private key.
func TestDataDirectoryIsNotRead(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "lifeboat-data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(dir, "plan.yaml"):        "portfolio: {name: Tiny}\n",
		filepath.Join(data, "daemon.json"):     `{"token":"` + strings.Repeat("0123456789abcdef", 4) + `"}`,
		filepath.Join(data, "lifeboat.lock"):   "",
		filepath.Join(data, "not-a-plan.yaml"): "nonsense: [",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p, _, err := Load(dir); err != nil || p.Portfolio.Name != "Tiny" {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(filepath.Join(data, "lifeboat.lock")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(dir); err == nil {
		t.Error("without the mark it was not read either: the test proves nothing")
	}
}
