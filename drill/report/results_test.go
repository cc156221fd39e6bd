package report

import (
	"time"

	"lifeboat"
	"lifeboat/drill"
)

// exit is a drill in which the plan sold in time. The figures are made up, in the proportions of March 2020.
func exit() drill.Result {
	return drill.Result{
		Scenario: "covid-2020", Title: "The crash of March 2020", Plan: "Retirement, brokerage",
		PlanHash: "5f1c9a0e4c7b2d11", JournalDigest: "b7e23ec29af22b0b4e41da31e868d57226121c84",
		From: at("2020-01-02T21:00:00Z"), To: at("2020-06-30T20:00:00Z"),
		Verdict: "The plan sold into the fall from 9 March and ended 36,900 above doing nothing; its worst drawdown was 12.9 % instead of 24.4 %.",
		Firings: []drill.Firing{
			{Time: at("2020-02-27T21:00:00Z"), Trigger: "Watch: VIX or drawdown", Tier: 1, Severity: "WARNING", State: lifeboat.Fired,
				Values: map[string]float64{"portfolio_drawdown": 0.0813, "VIX": 39.16}},
			{Time: at("2020-03-09T20:00:00Z"), Trigger: "Significant Correction", Tier: 2, Severity: "HIGH", State: lifeboat.Fired,
				Values: map[string]float64{"portfolio_drawdown": 0.1524, "spy_200d_ma_breach": 1}},
			{Time: at("2020-03-12T20:00:00Z"), Trigger: "Systemic event", Tier: 3, Severity: "CRITICAL", State: lifeboat.Fired,
				Values: map[string]float64{"spx_drawdown": 0.2674, "VIX": 75.47}, Sources: []string{"cboe", "nyse"}},
			{Time: at("2020-06-05T20:00:00Z"), Trigger: "Watch: VIX or drawdown", Tier: 1, Severity: "WARNING", State: lifeboat.Cleared,
				Values: map[string]float64{"portfolio_drawdown": 0.0712, "VIX": 24.52}},
		},
		Decisions: []drill.Decision{
			{Time: at("2020-02-27T21:00:00Z"), Trigger: "Watch: VIX or drawdown", Verdict: lifeboat.Hold, By: "plan", Why: "the trigger only watches"},
			{Time: at("2020-03-09T20:00:00Z"), Trigger: "Significant Correction", Playbook: "defensive", Verdict: lifeboat.Start, By: "plan", Why: "the owner allowed it in advance", Run: "r1"},
			{Time: at("2020-03-12T20:00:00Z"), Trigger: "Systemic event", Playbook: "to cash", Verdict: lifeboat.Ask, By: "plan", Why: "the owner must say yes first"},
			{Time: at("2020-03-12T20:20:00Z"), Trigger: "Systemic event", Playbook: "to cash", Verdict: lifeboat.Start, By: "Ada", Why: "Ada said yes", Run: "r2"},
		},
		Runs: []drill.Run{
			{ID: "r1", Playbook: "defensive", Trigger: "Significant Correction", Started: at("2020-03-09T20:00:00Z"), Finished: soon("2020-03-10T20:00:00Z"),
				Status: lifeboat.Done, Why: "every step is done", Budget: 4 * 3600, Steps: []drill.Step{
					{Name: "pre-flight", Kind: "check", Started: at("2020-03-09T20:00:00Z"), Finished: soon("2020-03-10T13:30:00Z"), Status: lifeboat.Done, Why: "the market opened", Attempts: 1},
					{Name: "to the defensive model", Kind: "rebalance", Started: at("2020-03-10T13:30:00Z"), Finished: soon("2020-03-10T20:00:00Z"), Status: lifeboat.Done, Why: "2 orders filled", Attempts: 1, Budget: 3600},
				}},
			{ID: "r2", Playbook: "to cash", Trigger: "Systemic event", Started: at("2020-03-12T20:20:00Z"), Status: lifeboat.Running, Budget: 24 * 3600, Steps: []drill.Step{
				{Name: "sell the rest", Kind: "order", Started: at("2020-03-12T20:20:00Z"), Status: lifeboat.Running, Attempts: 2},
			}},
		},
		Orders: []drill.Order{
			{Time: at("2020-03-10T13:30:00Z"), FilledAt: soon("2020-03-10T20:00:00Z"), Venue: "paper", Account: "broker", Symbol: "SPY", Side: lifeboat.Sell,
				Ordered: amountOf("900"), Quantity: amountOf("900"), Price: amountOf("287.91"), Arrival: amountOf("288.42"), Status: lifeboat.Filled,
				ClientOrderID: "lb-0a1b2c3d4e5f60718293a4b5", SlippageBps: 17.68, Run: "r1"},
			{Time: at("2020-03-10T13:30:00Z"), FilledAt: soon("2020-03-10T20:00:00Z"), Venue: "paper", Account: "broker", Symbol: "T10Y", Side: lifeboat.Buy,
				Ordered: amountOf("1200"), Quantity: amountOf("1200"), Price: amountOf("127.10"), Arrival: amountOf("127.05"), Status: lifeboat.Filled,
				ClientOrderID: "lb-1a1b2c3d4e5f60718293a4b5", SlippageBps: 3.94, Run: "r1"},
			{Time: at("2020-03-13T13:30:00Z"), Venue: "paper", Account: "broker", Symbol: "QQQ", Side: lifeboat.Sell,
				Ordered: amountOf("1500"), Quantity: amountOf("640"), Price: amountOf("183.2"), Arrival: amountOf("184.95"), Status: lifeboat.PartialFill,
				ClientOrderID: "lb-2a1b2c3d4e5f60718293a4b5", SlippageBps: 94.62, Run: "r2"},
		},
		Outcome: drill.Outcome{
			ValueStart: amountOf("1000000"), ValueEnd: amountOf("993120.40"), ValueEndUnprotected: amountOf("956210.15"),
			MaxDrawdown: 0.129, MaxDrawdownUnprotected: 0.2442, LossAvoided: amountOf("36910.25"),
			Low: amountOf("893400"), LowUnprotected: amountOf("775100.5"),
		},
		Times:     drill.Times{Detect: seconds(14*86400 + 82800), Decide: seconds(0), Act: seconds(86400)},
		Incidents: []drill.Incident{{ID: "i1", Opened: at("2020-02-27T21:00:00Z"), Tier: 3, Triggers: []string{"Watch: VIX or drawdown", "Significant Correction", "Systemic event"}}},
		Gaps:      []drill.Gap{{Series: "DGS10", Since: at("2020-04-09T20:00:00Z"), Until: soon("2020-04-13T20:00:00Z"), Triggers: []string{"Yield shock"}}},
		Uncovered: []string{"GLD", "house"},
		Warnings:  []string{"2 of 3 orders were larger than a tenth of the bar's volume."},
		Failures:  []string{"run r2, step \"sell the rest\": the order filled 640 of 1500 and the drill ended"},
		Events: []drill.Told{
			{At: at("2020-02-27T21:00:00Z"), Text: "Watch: VIX or drawdown fired (tier 1)"},
			{At: at("2020-03-09T20:00:00Z"), Text: "Significant Correction fired (tier 2); playbook defensive started by plan"},
		},
		Notes: []string{"SPY, QQQ: QuantConnect/Lean, Apache-2.0.", "T10Y is computed from DGS10."},
		Made:  at("2020-06-30T20:00:00Z"),
		Curve: crash(),
	}
}

// crash is a curve of 26 weeks.
func crash() []drill.Point {
	with := []float64{1000, 1008, 1014, 1019, 1009, 1021, 1026, 1022, 968, 942, 911, 894, 901, 893.4, 912, 921, 926, 931, 934, 940, 951, 957, 968, 979, 985, 993.1}
	without := []float64{1000, 1008, 1014, 1019, 1009, 1021, 1025.5, 1022, 968, 925, 842, 775.1, 801, 788, 836, 858, 861, 872, 869, 881, 899, 908, 929, 961, 948, 956.2}
	curve := make([]drill.Point, len(with))
	for i := range curve {
		curve[i] = drill.Point{At: at("2020-01-02T21:00:00Z").AddDate(0, 0, 7*i), Protected: with[i] * 1000, Unprotected: without[i] * 1000}
	}
	return curve
}

// hold is a drill in which doing nothing was right.
func hold() drill.Result {
	curve := make([]drill.Point, 33)
	for i := range curve {
		value := []float64{41_250, 41_180, 41_010, 40_700, 40_820}[i%5] - float64(i)*20
		curve[i] = drill.Point{At: at("2025-10-10T18:00:00Z").Add(time.Duration(i) * 15 * time.Minute), Protected: value, Unprotected: value}
	}
	return drill.Result{
		Scenario: "usde-2025", Title: "The night on which one venue lied about USDe", Plan: "DeFi, one wallet", PlanHash: "aa", JournalDigest: "bb",
		From: at("2025-10-10T18:00:00Z"), To: at("2025-10-11T02:00:00Z"),
		Verdict: "The plan held, and that was right: one venue printed 0.65 and the other never left its peg.",
		Firings: []drill.Firing{{Time: at("2025-10-10T21:37:00Z"), Trigger: "One venue off its peg", Tier: 1, Severity: "WARNING", State: lifeboat.Fired,
			Values: map[string]float64{"peg(USDE@binance)": 0.83}, Sources: []string{"binance"}}},
		Decisions: []drill.Decision{{Time: at("2025-10-10T21:37:00Z"), Trigger: "One venue off its peg", Verdict: lifeboat.Hold, By: "plan", Why: "the trigger only watches"}},
		Outcome: drill.Outcome{ValueStart: amountOf("41250"), ValueEnd: amountOf("40370"), ValueEndUnprotected: amountOf("40370"),
			MaxDrawdown: 0.027, MaxDrawdownUnprotected: 0.027, Low: amountOf("40100"), LowUnprotected: amountOf("40100")},
		Times:  drill.Times{Detect: seconds(19 * 60)},
		Reflex: &drill.Reflex{Symbol: "USDE", Below: 0.95, Time: at("2025-10-10T21:35:00Z"), Price: amountOf("0.9303"), Cost: amountOf("1344.25")},
		Curve:  curve,
	}
}

// quiet is a drill in which nothing happened and hardly anything was known.
func quiet() drill.Result {
	return drill.Result{
		Scenario: "custom", Title: "Own history", Plan: "Savings", From: at("2024-01-02T21:00:00Z"), To: at("2024-01-03T21:00:00Z"),
		Verdict: "Nothing fired.", Gaps: []drill.Gap{{Series: "GLD"}},
	}
}
