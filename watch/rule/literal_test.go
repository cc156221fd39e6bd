package rule_test

import (
	"testing"

	"lifeboat/watch/rule"
)

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		expr  string
		value float64 // put in the place of the last threshold
		found []rule.Literal
		with  string
	}{
		{"portfolio_drawdown >= 15% AND spy_200d_ma_breach == true", 0.12,
			[]rule.Literal{{22, 25, "15%", 0.15, "portfolio_drawdown", ">=", false}}, "portfolio_drawdown >= 12% AND spy_200d_ma_breach == true"},
		{"IF daily_return < -0.07 AND volume_spike > 2.0x THEN severity = CRITICAL", 2.5,
			[]rule.Literal{{19, 23, "0.07", 0.07, "daily_return", "<", true}, {43, 47, "2.0x", 2, "volume_spike", ">", false}},
			"IF daily_return < -0.07 AND volume_spike > 2.5x THEN severity = CRITICAL"},
		{"return(VIX, 5d) > 30%", 0.24, []rule.Literal{{18, 21, "30%", 0.3, "return(VIX, 5d)", ">", false}}, "return(VIX, 5d) > 24%"},
		{"0.97 > USDC", 0.9775, []rule.Literal{{0, 4, "0.97", 0.97, "USDC", "<", false}}, "0.9775 > USDC"},
		{"age(USDE) > 3h", 9000, []rule.Literal{{12, 14, "3h", 10800, "age(USDE)", ">", false}}, "age(USDE) > 2.5h"},
		{"age(USDE) > 1h30m", 4860, []rule.Literal{{12, 17, "1h30m", 5400, "age(USDE)", ">", false}}, "age(USDE) > 4860s"},
		{"value(cash) < $700,000", 560000, []rule.Literal{{14, 22, "$700,000", 700000, "value(cash)", "<", false}}, "value(cash) < $560000"},
		{"volume(SPY) > 2 * 100", 90, []rule.Literal{{14, 15, "2", 2, "", "", false}, {18, 21, "100", 100, "", "", false}}, "volume(SPY) > 2 * 90"},
		{"VIX > 30 for 3 of 5d", 25, []rule.Literal{{6, 8, "30", 30, "VIX", ">", false}}, "VIX > 25 for 3 of 5d"},
		{"2 of (VIX > 30, stale(SPY), crossed_below(SPY, 300, 5d))", 290,
			[]rule.Literal{{12, 14, "30", 30, "VIX", ">", false}, {47, 50, "300", 300, "SPY", "<", false}}, "2 of (VIX > 30, stale(SPY), crossed_below(SPY, 290, 5d))"},
		{"since(VIX > 30) < 36h", 3600, []rule.Literal{{12, 14, "30", 30, "VIX", ">", false}, {18, 21, "36h", 129600, "since(VIX > 30)", "<", false}}, "since(VIX > 30) < 1h"},
		{"abs(daily_return) > 5%", 0.04, []rule.Literal{{20, 22, "5%", 0.05, "abs(daily_return)", ">", false}}, "abs(daily_return) > 4%"},
		{"spy_200d_ma_breach", 1, nil, ""},
		{"drawdown(SPY >", 1, nil, ""},
	} {
		found := rule.Thresholds(c.expr)
		if len(found) != len(c.found) {
			t.Errorf("%s: found %+v, want %+v", c.expr, found, c.found)
			continue
		}
		for i, l := range found {
			if l != c.found[i] {
				t.Errorf("%s: found %+v, want %+v", c.expr, l, c.found[i])
			}
		}
		if n := len(found); n > 0 {
			if got := found[n-1].With(c.expr, c.value); got != c.with {
				t.Errorf("%s: with %v it is %q, want %q", c.expr, c.value, got, c.with)
			}
		}
	}
}
