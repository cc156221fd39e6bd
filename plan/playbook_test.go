package plan

import (
	"slices"
	"testing"
)

// TestForOneHolding: names are put into texts as they are, also those that JSON would have to escape.
func TestForOneHolding(t *testing.T) {
	f := ForEach{Of: "holdings", Do: []Step{
		{Name: "look at {symbol}", Verify: &Verify{That: "weight({symbol}) < 5%"}},
		{Name: "sell", Order: &Order{Account: "{account}", Symbol: "{symbol}", Fraction: 0.5}, Compensate: []Step{{Manual: &Manual{Text: "Buy {symbol} back."}}}},
	}}
	steps := f.For("BRK.B", `the "old" one\`)
	if got := []string{steps[0].Name, steps[0].Verify.That, steps[1].Order.Symbol, steps[1].Order.Account, steps[1].Compensate[0].Manual.Text}; !slices.Equal(got,
		[]string{"look at BRK.B", "weight(BRK.B) < 5%", "BRK.B", `the "old" one\`, "Buy BRK.B back."}) {
		t.Errorf("got %q", got)
	}
	if f.Do[1].Order.Symbol != "{symbol}" {
		t.Error("the steps themselves were changed")
	}
}

// TestPinnedWithWhatItNames: a run keeps the playbooks that its steps name, and theirs in turn, each once.
func TestPinnedWithWhatItNames(t *testing.T) {
	p := &Plan{Playbooks: []Playbook{
		{Name: "a", Steps: []Step{{Do: []Step{{Playbook: "b"}, {Playbook: "c"}}}}},
		{Name: "b", Steps: []Step{{If: &If{Then: []Step{{Playbook: "c"}}}}}},
		{Name: "c", Steps: []Step{{Notify: &Notify{}}}},
		{Name: "d"},
	}}
	content, _ := p.PlaybookContent(p.Playbooks[0])
	pinned, err := Unpin(content)
	if err != nil {
		t.Fatal(err)
	}
	if names := nameAll(pinned.Playbooks, func(b Playbook) string { return b.Name }); !slices.Equal(names, []string{"b", "c"}) {
		t.Errorf("pinned %q", names)
	}
}
