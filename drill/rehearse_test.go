package drill_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/drill/scenario"
	"lifeboat/keep/journal"
	"lifeboat/plan"
)

// rehearse plays a scenario through one of the example plans.
func rehearse(t testing.TB, name, planDir string) drill.Result {
	t.Helper()
	s, err := scenario.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	table, err := drill.TapeOf(s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := app.LoadPlan(planDir, table.Names()...)
	if err != nil {
		var faults *plan.Faults
		if errors.As(err, &faults) {
			for _, f := range faults.List {
				t.Log(f)
			}
		}
		t.Fatal(err)
	}
	result, err := drill.Rehearse(t.Context(), drill.Options{
		Plan: p, Tape: table.Rename(drill.Cast(p, &s)), From: s.From, To: s.To, Scenario: &s, Journal: journal.Memory(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// day is one row of the table, read without any code of the product.
type day struct {
	date                string
	spy, spx, vix, owns float64
}

// table reads the scenario's own CSV and values the brokerage example's holdings at each close.
func table(t *testing.T, name string, quantities map[string]float64, cash float64) []day {
	t.Helper()
	s, err := scenario.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(s.Tape())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]float64{}
	var days []day
	for _, row := range rows[1:] {
		for i, cell := range row {
			if v, err := strconv.ParseFloat(cell, 64); err == nil {
				last[rows[0][i]] = v
			}
		}
		d := day{date: row[0], spy: last["SPY.close"], spx: last["SPX"], vix: last["VIX"], owns: cash}
		for symbol, quantity := range quantities {
			price, ok := last[symbol+".close"]
			if !ok {
				price = last[symbol]
			}
			d.owns += quantity * price
		}
		days = append(days, d)
	}
	return days
}

// TestCovidTiersFireOnTheDayTheDataSay works out, with nothing but the table and three lines of arithmetic, on which
// day the source document's three tiers are first satisfied, and holds the drill to it.
func TestCovidTiersFireOnTheDayTheDataSay(t *testing.T) {
	r := rehearse(t, "covid-2020", "../examples/brokerage")
	p, err := app.LoadPlan("../examples/brokerage")
	if err != nil {
		t.Fatal(err)
	}
	quantities, cash := map[string]float64{}, 0.0
	for _, h := range p.Holdings {
		if h.Symbol == "USD" {
			cash += h.Quantity.InexactFloat64()
		} else {
			quantities[h.Symbol] += h.Quantity.InexactFloat64()
		}
	}
	first := map[lifeboat.Tier]string{}
	note := func(tier lifeboat.Tier, date string) {
		if _, known := first[tier]; !known {
			first[tier] = date
		}
	}
	days := table(t, "covid-2020", quantities, cash)
	peak, top := 0.0, 0.0
	for i, d := range days {
		peak, top = max(peak, d.owns), max(top, d.spx)
		if d.date < "2020-01-02" {
			continue
		}
		sum := 0.0
		for _, before := range days[i-199 : i+1] {
			sum += before.spy
		}
		fall, breach := 1-d.owns/peak, d.spy < sum/200
		if fall >= 0.10 || d.vix > 30 {
			note(lifeboat.Watch, d.date)
		}
		if fall >= 0.15 && breach {
			note(lifeboat.Action, d.date)
		}
		if 1-d.spx/top >= 0.20 {
			note(lifeboat.Emergency, d.date)
		}
	}
	closing, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for trigger, tier := range map[string]lifeboat.Tier{"Watch": lifeboat.Watch, "Significant Correction": lifeboat.Action, "Broad market crash": lifeboat.Emergency} {
		i := slices.IndexFunc(r.Firings, func(f drill.Firing) bool { return f.Trigger == trigger && f.State == lifeboat.Fired })
		if i < 0 {
			t.Errorf("%s never fired; the data satisfy it on %s", trigger, first[tier])
			continue
		}
		local := r.Firings[i].Time.In(closing)
		if got := local.Format(time.DateOnly); got != first[tier] {
			t.Errorf("%s fired on %s; the data first satisfy it on %s", trigger, got, first[tier])
		}
		if got := local.Format(time.TimeOnly); got != "16:00:00" {
			t.Errorf("%s fired at %s New York time, want the close", trigger, got)
		}
		if r.Firings[i].Tier != tier {
			t.Errorf("%s is of tier %d, want %d", trigger, r.Firings[i].Tier, tier)
		}
	}
	if r.Outcome.MaxDrawdown >= r.Outcome.MaxDrawdownUnprotected {
		t.Errorf("worst drawdown %.4f with the plan, %.4f without", r.Outcome.MaxDrawdown, r.Outcome.MaxDrawdownUnprotected)
	}
	if len(r.Orders) == 0 || len(r.Runs) == 0 || r.Runs[len(r.Runs)-1].Status != lifeboat.Done {
		t.Errorf("%d orders, runs %+v: the plan should have acted", len(r.Orders), r.Runs)
	}
}

func TestSameTapeSameJournal(t *testing.T) {
	for _, name := range []string{"covid-2020", "gfc-2008"} {
		first := rehearse(t, name, "../examples/brokerage")
		for range 3 {
			if again := rehearse(t, name, "../examples/brokerage"); again.JournalDigest != first.JournalDigest {
				t.Errorf("%s: digest %s, then %s", name, first.JournalDigest, again.JournalDigest)
			}
		}
	}
}

// TestNoOrderSellsMoreThanIsHeld sums what was sold and bought over a whole drill.
func TestNoOrderSellsMoreThanIsHeld(t *testing.T) {
	p, err := app.LoadPlan("../examples/brokerage")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"covid-2020", "gfc-2008"} {
		held := map[string]float64{}
		for _, h := range p.Holdings {
			held[h.Symbol] += h.Quantity.InexactFloat64()
		}
		for _, o := range rehearse(t, name, "../examples/brokerage").Orders {
			quantity, price := o.Quantity.InexactFloat64(), o.Price.InexactFloat64()
			if o.Side == lifeboat.Sell {
				quantity = -quantity
			}
			held[o.Symbol] += quantity
			held["USD"] -= quantity * price
			if held[o.Symbol] < 0 || held["USD"] < 0 {
				t.Errorf("%s: after %s %s %s at %s the account holds %v", name, o.Side, o.Quantity, o.Symbol, o.Time, held)
			}
		}
	}
}
