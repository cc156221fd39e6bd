package plan

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "4h": 4 * time.Hour, "3d": 72 * time.Hour, "2w": 336 * time.Hour,
		"1h30m": 90 * time.Minute, "1h 30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "0s": 0, " 30 m ": 30 * time.Minute,
	} {
		got, err := ParseDuration(text)
		if err != nil || time.Duration(got) != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
		again, err := ParseDuration(got.String())
		if err != nil || again != got {
			t.Errorf("%q is written %q, which is %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "30", "m", "4H", "-5m", "5 minutes", "1h30", "200000w", "99999999999999999999s", "1e3s"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	for want, d := range map[string]time.Duration{"24h": 24 * time.Hour, "36h": 36 * time.Hour, "2d": 48 * time.Hour, "13w": 91 * 24 * time.Hour, "1h0m1s": 0} {
		if got := Duration(d).String(); d > 0 && got != want {
			t.Errorf("%v is written %s", d, got)
		}
	}
}

func TestRatios(t *testing.T) {
	for text, want := range map[string]Ratio{"15%": 0.15, "15 %": 0.15, "0.15": 0.15, "100%": 1, "1": 1, "0": 0, "0.1%": 0.001, "7%": 0.07} {
		if got, err := ParseRatio(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, float64(got), err)
		}
	}
	for _, text := range []string{"", "15", "1.01", "101%", "-5%", "-0.1", "%", "15%%", "half", "NaN", "Inf", "1e-1"} {
		if got, err := ParseRatio(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	if Ratio(0.15).String() != "15%" || Ratio(0.005).String() != "0.5%" || Ratio(0.4-0.02).String() != "38%" {
		t.Error(Ratio(0.15), Ratio(0.005), Ratio(0.4-0.02))
	}
}

func TestMoney(t *testing.T) {
	for text, want := range map[string][2]string{
		"5000": {"5000", ""}, "$5,000": {"5000", "USD"}, "5000 USD": {"5000", "USD"}, "$ 5,000.50 USD": {"5000.5", "USD"},
		"1_000_000": {"1000000", ""}, "0.1": {"0.1", ""}, "12 EUR": {"12", "EUR"}, "100000000000000000000.000000000000000001": {"100000000000000000000.000000000000000001", ""},
	} {
		got, currency, err := parseMoney(text)
		if err != nil || got.String() != want[0] || currency != want[1] {
			t.Errorf("%q is %s %q, %v", text, got, currency, err)
		}
	}
	for _, text := range []string{"", "$", "5,00", "$5 EUR", "-5", "5e3", "USD 5", "1,000,00", "0x10", strings.Repeat("9", 100)} {
		if got, _, err := parseMoney(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

func TestSentences(t *testing.T) {
	for text, want := range map[string]Rebalance{
		"Reduce equity exposure by 25% and increase cash holdings to 40%.": {Reduce: "equity", By: 0.25, RaiseCashTo: 0.4},
		"reduce equities by 25 % and raise cash to 40 %":                   {Reduce: "equities", By: 0.25, RaiseCashTo: 0.4},
		"cut SPY by 10%":                        {Reduce: "SPY", By: 0.1},
		"Sell the bond holdings by 12.5 %":      {Reduce: "bond", By: 0.125},
		"reduce real estate exposure by 5%":     {Reduce: "real estate", By: 0.05},
		"increase cash to 100%":                 {RaiseCashTo: 1},
		"raise cash to 40%, then cut ETH by 5%": {Reduce: "ETH", By: 0.05, RaiseCashTo: 0.4},
	} {
		if got, ok := ParseSentence(text); !ok || got != want {
			t.Errorf("%q is %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "defensive", "reduce equities", "reduce equities by 25", "reduce equities by 250%",
		"raise cash to 40% and raise cash to 50%", "reduce a by 1% and reduce b by 2%", "raise bonds to 40%", "reduce equities by 0%",
		"reduce equities by 25% and raise cash to 40% and sell all", "do not reduce equities by 25%"} {
		if got, ok := ParseSentence(text); ok {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestHash(t *testing.T) {
	one := "# a remark\nportfolio: {name: A}\npeople:\n  - name: Ada\n    reaction: 60m\n"
	same := "people: [{reaction: 1h, \"name\": 'Ada'}]\nportfolio:\n  name: A\n  base_currency: USD\n"
	other := "people: [{reaction: 2h, name: Ada}]\nportfolio: {name: A}\n"
	var hashes []string
	for _, text := range []string{one, same, other} {
		p, _, err := loadText("a.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, p.Hash())
	}
	if hashes[0] != hashes[1] || hashes[0] == hashes[2] || len(hashes[0]) != 64 {
		t.Error(hashes)
	}
}

func TestPinned(t *testing.T) {
	p, _, err := Load("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := p.Playbook(p.Triggers[0].Playbook)
	content, hash := p.PlaybookContent(b)
	pinned, err := Unpin(content)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := pinned.Model("defensive_model_v1"); !ok || m.Targets[1] != (Target{"bonds", 0.4}) || len(pinned.Models) != 1 {
		t.Errorf("%+v", pinned.Models)
	}
	if pinned.Classes["SPY"] != "equities" || pinned.Classes["USD"] != "cash" {
		t.Errorf("%+v", pinned)
	}
	if again, sum := p.PlaybookContent(pinned.Playbook); string(again) != string(content) || sum != hash {
		t.Error("what was pinned pins to something else")
	}
	// The journal holds the content inside another document, which must not change a byte of it.
	wrapped, _ := json.Marshal(struct{ C json.RawMessage }{content})
	if !strings.Contains(string(wrapped), string(content)) {
		t.Error("the journal would change the content")
	}
	p.Models[0].Targets[0].Weight = 0.3
	if _, other := p.PlaybookContent(b); other == hash {
		t.Error("another weight, the same hash")
	}
}

func TestRegister(t *testing.T) {
	p, _, err := Load("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Person("trustee")) != 1 || p.Person("trustee")[0].Name != "Bob" || len(p.Person("Ada")) != 1 || p.Person("nobody") != nil || p.Person("") != nil {
		t.Error("people are not found by name and role")
	}
	if p.Class("SPY") != "equities" || p.Class("USD") != "cash" || p.Class("X") != "" || !p.IsFractional("USD") || !p.Tradable("broker") || p.Tradable("x") {
		t.Error("the register answers wrongly")
	}
	if got := strings.Join(p.Symbols(), " "); got != "SPY IEF" {
		t.Error(got)
	}
}

func FuzzParsers(f *testing.F) {
	for _, seed := range []string{"1h30m", "15 %", "$5,000 USD", "Reduce equity exposure by 25% and increase cash holdings to 40%.", "notify('x')", printedRule} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDuration(text); err == nil {
			if again, err := ParseDuration(d.String()); time.Duration(d)%time.Second == 0 && (err != nil || again != d) || d < 0 {
				t.Errorf("%q is %v, again %v, %v", text, d, again, err)
			}
		}
		if r, err := ParseRatio(text); err == nil && !(r >= 0 && r <= 1) {
			t.Errorf("%q is %v", text, float64(r))
		}
		if m, _, err := parseMoney(text); err == nil && m.IsNegative() {
			t.Errorf("%q is %s", text, m)
		}
		if r, ok := ParseSentence(text); ok && (r.Reduce == "") != (r.By == 0) {
			t.Errorf("%q is %+v", text, r)
		}
		parseCall(text)
		ClassName(text)
	})
}
