package plan

import (
	"slices"
	"testing"
)

// TestRelayCautions: what a role permits does not go through a relay, and people are told.
func TestRelayCautions(t *testing.T) {
	const want = "what the role of vault permits does not go through the relay of Ethereum: there it counts who sends, so keep gas on the bot's key"
	p := onchain(t)
	if told := p.Cautions(); !slices.Contains(told, want) {
		t.Errorf("told %q", told)
	}
	for i := range p.Accounts {
		if p.Accounts[i].Safe != nil {
			p.Accounts[i].Safe.Roles = nil
		}
	}
	if told := p.Cautions(); slices.Contains(told, want) {
		t.Error("told of an account without a role")
	}
}

func TestFilled(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		`{"to":"{to}","n":{gas},"x":{"a":1}}`: `{"to":"T","n":7,"x":{"a":1}}`,
		"{to}{to}{other}{{to}}":               "TT{other}{T}",
	} {
		if got := Filled(text, map[string]string{"to": "T", "gas": "7"}); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
	if got := Filled("{to}", map[string]string{"to": "{gas}", "gas": "7"}); got != "{gas}" {
		t.Errorf("what was put in was filled once more: %q", got)
	}
}
