package report

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/backtest"
)

// A lead says when, against what, and whether a silence was good or bad.
func TestLeadInWords(t *testing.T) {
	fired := time.Date(2022, 5, 10, 0, 0, 0, 0, time.UTC)
	hours := func(h float64) *float64 { s := h * 3600; return &s }
	for _, c := range []struct {
		lead backtest.Lead
		want string
	}{
		{backtest.Lead{Fired: &fired, LeadS: hours(1), Judged: backtest.InTime}, "fired 2022-05-10 00:00, 1 h before the point of no return"},
		{backtest.Lead{Fired: &fired, LeadS: hours(0), Judged: backtest.InTime}, "fired 2022-05-10 00:00, at the very point of no return"},
		{backtest.Lead{Fired: &fired, LeadS: hours(-3), Judged: backtest.Late}, "fired 2022-05-10 00:00, 3 h AFTER the point of no return"},
		{backtest.Lead{Fired: &fired, Judged: backtest.Alarmed}, "fired 2022-05-10 00:00, and holding was right"},
		{backtest.Lead{Judged: backtest.Silent}, "did not fire, and holding was right"},
		{backtest.Lead{Judged: backtest.NotSeen}, "blind: its condition was not known for most of the time to the point of no return"},
		{backtest.Lead{Judged: backtest.Never}, "never fired"},
	} {
		if got := lead(c.lead); got != c.want {
			t.Errorf("%+v: %q, want %q", c.lead, got, c.want)
		}
	}
}

// Money is told with a word for its sign, so that nobody has to know what minus a loss is.
func TestWorthInWords(t *testing.T) {
	play := backtest.Played{Money: &backtest.Money{ValueStart: decimal.NewFromInt(261_207), ValueEndIdle: decimal.NewFromInt(239_012),
		LossAvoided: decimal.NewFromInt(14_888), ExitCost: decimal.NewFromInt(6), Orders: 1}}
	if got, want := plainMoney(play, "USD"), "doing nothing lost 22,195 USD; the plan came out 14,888 USD better than doing nothing, with 1 order"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := worth(backtest.Cell{}, *play.Money, "USD"), "alone it came out 14,888 USD better than doing nothing, with 1 order, slippage cost 6 USD"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	play.Money.LossAvoided, play.Money.ExitCost = decimal.NewFromInt(-17_365), decimal.NewFromInt(-14)
	if got, want := worth(backtest.Cell{}, *play.Money, "USD"), "alone it came out 17,365 USD worse than doing nothing, with 1 order, slippage gained 14 USD"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Other thresholds stand in a table below the one as it is written, and those that come to the same in one line.
func TestMovesInWords(t *testing.T) {
	moved := func(instead string, fired int) backtest.Variant {
		return backtest.Variant{Written: "15%", Instead: instead, Fired: fired, Leads: []backtest.Lead{{Judged: backtest.InTime}}}
	}
	unmoved := moved("", 16)
	r := backtest.Result{Triggers: make([]backtest.Trigger, 1), Plays: []backtest.Played{{Cells: []backtest.Cell{
		{Unmoved: &unmoved, Variants: []backtest.Variant{moved("12%", 5), moved("$560000", 16), moved("18.75%", 3)}}}}}}
	want := []string{
		"other thresholds    fired  in time  too late  false alarms",
		"as it is written       16        1         0             0",
		"12% instead of 15%      5        1         0             0",
		"18.75% instead of 15%   3        1         0             0",
		"as often, and as often in time, with $560,000",
	}
	got := moves(r, 0)
	for i := range want { // the first column is as wide as its widest name
		if len(got) != len(want) || strings.Join(strings.Fields(got[i]), " ") != strings.Join(strings.Fields(want[i]), " ") {
			t.Fatalf("%q, want %q", got, want)
		}
		if i > 0 && i < len(want)-1 && len(got[i]) != len(got[0]) {
			t.Errorf("line %d is %d wide, the head %d: %q", i, len(got[i]), len(got[0]), got[i])
		}
	}
}
