package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/drill/scenario"
	"lifeboat/prose"
	"lifeboat/risk"
	"lifeboat/watch/feed/tape"
)

// measure turns what happened into the contract of a result.
func (d *rehearsal) measure() Result {
	r := Result{
		Scenario: Custom, Title: "The owner's own history", Plan: d.Options.Plan.Portfolio.Name, PlanHash: d.Options.Plan.Hash(),
		From: d.From, To: d.To, Firings: []Firing{}, Decisions: []Decision{}, Runs: []Run{}, Orders: []Order{},
		Incidents: []Incident{}, Gaps: []Gap{}, Uncovered: d.uncovered(), Failures: []string{},
		Warnings: slices.Concat([]string{}, d.Tape.Warnings, d.doubts), JournalDigest: d.Options.Journal.Digest(), Curve: d.curve, Made: d.now,
	}
	if s := d.Scenario; s != nil {
		r.Scenario, r.Title, r.Notes = s.Name, s.Title, told(*s)
	}
	for _, e := range d.story.told {
		r.add(e.at, e.Event)
	}
	for _, i := range d.Desk.Incidents() {
		r.Incidents = append(r.Incidents, Incident{ID: i.ID, Opened: i.Opened, Closed: closed(i.Closed), Tier: i.Tier, Triggers: i.Triggers})
	}
	r.Outcome = outcome(d.curve)
	r.Times = d.times(r)
	r.Reflex = d.reflex()
	r.Failures = append(r.Failures, failures(r)...)
	r.Verdict = verdict(r, d.Options.Plan.Portfolio.BaseCurrency)
	if d.saysNothing(r) {
		r.Verdict = "This drill says nothing about the plan: the tape prices none of its holdings."
	}
	return r
}

// add folds one event into the result.
func (r *Result) add(at time.Time, e lifeboat.Event) {
	switch e := e.(type) {
	case lifeboat.Firing:
		r.Firings = append(r.Firings, Firing{at, e.Trigger, e.Tier, e.Severity, e.State, e.Values, e.Sources})
	case lifeboat.Decision:
		r.Decisions = append(r.Decisions, Decision{at, e.Trigger, e.Playbook, e.Verdict, e.By, e.Why, e.Run})
	case lifeboat.Gap:
		r.gap(at, e)
	case lifeboat.RunStarted:
		r.Runs = append(r.Runs, Run{ID: e.Run, Playbook: e.Playbook, Trigger: e.Trigger, Started: at, Status: lifeboat.Running, Budget: budget(e.Content), Steps: []Step{}})
	case lifeboat.StepStarted:
		r.step(at, e, r.run(e.Run))
	case lifeboat.StepFinished:
		s := r.run(e.Run).step(e.Step)
		s.Status, s.Why, s.Finished = e.Status, e.Why, &at
	case lifeboat.RunFinished:
		run := r.run(e.Run)
		run.Status, run.Why, run.Finished = e.Status, e.Why, &at
		for i := range run.Steps { // it was superseded in the middle of steps
			if s := &run.Steps[i]; s.Finished == nil {
				s.Status, s.Finished = e.Status, &at
			}
		}
	case lifeboat.Intent:
		if o := e.Order; o != nil {
			r.Orders = append(r.Orders, Order{Time: at, Venue: "paper", Account: o.Account, Symbol: o.Symbol, Side: o.Side,
				Ordered: o.Quantity, Arrival: o.Arrival, ClientOrderID: o.ID, Run: e.Run})
		}
	case lifeboat.Receipt:
		r.receipt(e)
	case lifeboat.Refused:
		r.Failures = append(r.Failures, fmt.Sprintf("an act of run %s was refused: %s", e.Run, e.Why))
	}
}

func (r *Result) step(at time.Time, e lifeboat.StepStarted, run *Run) {
	s := run.step(e.Step)
	if s == nil {
		run.Steps = append(run.Steps, Step{Place: e.Step, Name: e.Name, Kind: e.Kind, Started: at})
		s = &run.Steps[len(run.Steps)-1]
	}
	s.Attempts, s.Status, s.Finished = e.Attempt, lifeboat.Running, nil
}

// step at a place in the run; nil when it has not begun.
func (r *Run) step(place string) *Step {
	for i := range r.Steps {
		if r.Steps[i].Place == place {
			return &r.Steps[i]
		}
	}
	return nil
}

func (r *Result) receipt(e lifeboat.Receipt) {
	i := slices.IndexFunc(r.Orders, func(o Order) bool { return o.ClientOrderID == e.Key })
	if i < 0 {
		return
	}
	o := &r.Orders[i]
	o.Status, o.Quantity, o.Price = e.Status, e.Filled, e.Price
	o.SlippageBps = lifeboat.SlippageBps(lifeboat.Order{Side: o.Side, Arrival: o.Arrival}, e)
	if !e.FilledAt.IsZero() {
		o.FilledAt = &e.FilledAt
	}
}

func (r *Result) gap(at time.Time, e lifeboat.Gap) {
	if e.State == lifeboat.GapOpened {
		r.Gaps = append(r.Gaps, Gap{Series: string(e.Series), Since: e.Since, Triggers: e.Triggers})
		return
	}
	for i := range r.Gaps {
		if g := &r.Gaps[i]; g.Series == string(e.Series) && g.Until == nil {
			g.Until = &at
		}
	}
}

func (r *Result) run(id string) *Run {
	return &r.Runs[slices.IndexFunc(r.Runs, func(run Run) bool { return run.ID == id })]
}

// outcome compares the two curves.
func outcome(curve []Point) Outcome {
	if len(curve) == 0 {
		return Outcome{}
	}
	var protected, unprotected []float64
	for _, p := range curve {
		protected, unprotected = append(protected, p.Protected), append(unprotected, p.Unprotected)
	}
	end := curve[len(curve)-1]
	o := Outcome{
		ValueStart: money(curve[0].Unprotected), ValueEnd: money(end.Protected), ValueEndUnprotected: money(end.Unprotected),
		Low: money(slices.Min(protected)), LowUnprotected: money(slices.Min(unprotected)),
		MaxDrawdown: worstFall(protected), MaxDrawdownUnprotected: worstFall(unprotected),
	}
	o.LossAvoided = o.ValueEnd.Sub(o.ValueEndUnprotected)
	return o
}

// worstFall is 0 for a curve too short or too worthless to fall.
func worstFall(values []float64) float64 {
	depth, err := risk.MaxDrawdown(values)
	if err != nil {
		return 0
	}
	return depth
}

func money(v float64) decimal.Decimal { return decimal.NewFromFloat(v).Round(2) }

// times measures detect, decide and act on the first run that traded, else on the first run, else on the first firing.
func (d *rehearsal) times(r Result) Times {
	run := r.decisive()
	fired := slices.IndexFunc(r.Firings, func(f Firing) bool {
		return f.State == lifeboat.Fired && (run == nil || f.Trigger == run.Trigger)
	})
	if fired < 0 {
		return Times{}
	}
	firing := r.Firings[fired]
	t := Times{Detect: seconds(d.signalAt(firing.Time), firing.Time)}
	if run == nil {
		if i := slices.IndexFunc(r.Decisions, func(x Decision) bool { return x.Trigger == firing.Trigger }); i >= 0 {
			t.Decide = seconds(firing.Time, r.Decisions[i].Time)
		}
		return t
	}
	decided := run.Started
	for _, s := range run.Steps {
		if s.Kind == "approve" && s.Status == lifeboat.Done {
			decided = *s.Finished
		}
	}
	t.Decide = seconds(firing.Time, decided)
	if run.Finished != nil {
		t.Act = seconds(decided, *run.Finished)
	}
	return t
}

// decisive is the run by which the plan is measured; nil when none was started.
func (r *Result) decisive() *Run {
	for _, o := range r.Orders {
		if o.Quantity.IsPositive() {
			return r.run(o.Run)
		}
	}
	if len(r.Runs) > 0 {
		return &r.Runs[0]
	}
	return nil
}

// signalAt is when the disaster could first be seen: what the scenario says, else the portfolio's peak before the firing.
func (d *rehearsal) signalAt(firing time.Time) time.Time {
	if d.Scenario != nil {
		return d.Scenario.Signal.At
	}
	peak := Point{At: firing}
	for _, p := range d.curve {
		if p.At.After(firing) {
			break
		}
		if p.Unprotected > peak.Unprotected {
			peak = p
		}
	}
	return peak.At
}

func seconds(from, to time.Time) *float64 {
	s := to.Sub(from).Seconds()
	return &s
}

// reflex works out the sale at the first fright, for a scenario that names one and a portfolio that holds it.
func (d *rehearsal) reflex() *Reflex {
	if d.Scenario == nil || d.Scenario.Reflex == nil {
		return nil
	}
	symbol, below := d.Scenario.Reflex.Symbol, d.Scenario.Reflex.Below
	if plays := Cast(d.Options.Plan, d.Scenario)[symbol]; plays != "" {
		symbol = plays
	}
	held := decimal.Zero
	for _, p := range d.start {
		if p.Symbol == symbol {
			held = held.Add(p.Quantity)
		}
	}
	at, price := d.firstBelow(symbol, d.Scenario.Reflex.Source, below)
	if held.IsZero() || at.IsZero() {
		return nil
	}
	end, _, _ := d.Signals.Price(symbol, d.now)
	cost := held.Mul(decimal.NewFromFloat(end - price)).Round(2)
	return &Reflex{Symbol: symbol, Below: below, Time: at, Price: decimal.NewFromFloat(price), Cost: cost}
}

// firstBelow is the first price below a limit, of one source or of any: what an owner with one screen would have seen.
func (d *rehearsal) firstBelow(symbol, source string, below float64) (time.Time, float64) {
	for _, in := range d.Tape.Between(d.From, d.To).Instants {
		for _, r := range in.Readings {
			from := source == "" || r.Source == source
			if r.Series == lifeboat.Series(symbol) && from && r.Quality == lifeboat.Good && r.Value < below {
				return in.At, r.Value
			}
		}
	}
	return time.Time{}, 0
}

// uncovered lists holdings without a price on the tape: they stand still at the price the plan notes.
func (d *rehearsal) uncovered() []string {
	names := []string{}
	for _, h := range d.Options.Plan.Holdings {
		covered := slices.ContainsFunc(d.Tape.Series, func(s tape.SeriesInfo) bool { return string(s.Name) == h.Symbol })
		if !covered && h.Symbol != d.Options.Plan.Portfolio.BaseCurrency && !slices.Contains(names, h.Symbol) {
			names = append(names, h.Symbol)
		}
	}
	return names
}

// saysNothing reports a tape that prices nothing of what the plan holds: holding through it is no merit.
func (d *rehearsal) saysNothing(r Result) bool {
	held := slices.ContainsFunc(d.Options.Plan.Symbols(), func(s string) bool { return s != d.Book.Currency() && !slices.Contains(r.Uncovered, s) })
	return !held && len(r.Uncovered) > 0
}

// failures are the steps and orders that did not do what the playbook wanted.
func failures(r Result) []string {
	var all []string
	for _, run := range r.Runs {
		for _, s := range run.Steps {
			if s.Status == lifeboat.Failed || s.Status == lifeboat.TimedOut || s.Status == lifeboat.Skipped {
				all = append(all, fmt.Sprintf("run %s, step %q %s: %s", run.ID, s.Name, s.Status, s.Why))
			}
		}
		if run.Finished == nil {
			all = append(all, fmt.Sprintf("run %s had not ended when the tape did", run.ID))
		}
	}
	return all
}

// verdict is the drill in one or two sentences.
func verdict(r Result, currency string) string {
	filled := slices.DeleteFunc(slices.Clone(r.Orders), func(o Order) bool { return o.Quantity.IsZero() })
	if len(filled) == 0 {
		text := "The plan held: no order was placed."
		if len(r.Runs) > 0 {
			text = "The plan acted, but no order was filled."
		}
		if x := r.Reflex; x != nil && x.Cost.IsPositive() {
			text += fmt.Sprintf(" Selling %s at the first price below %.4g would have cost %s %s.", x.Symbol, x.Below, prose.Grouped(x.Cost.StringFixed(0)), currency)
		}
		return text
	}
	o := r.Outcome
	saved, word := o.LossAvoided, "better"
	if saved.IsNegative() {
		saved, word = saved.Neg(), "worse"
	}
	symbols := []string{}
	for _, f := range filled {
		if !slices.Contains(symbols, f.Symbol) {
			symbols = append(symbols, f.Symbol)
		}
	}
	return fmt.Sprintf("The plan acted: %s in %s. Its worst drawdown was %.1f%% where doing nothing had %.1f%%; it ended %s %s %s than doing nothing.",
		prose.Count(len(filled), "order"), strings.Join(symbols, ", "), 100*o.MaxDrawdown, 100*o.MaxDrawdownUnprotected, prose.Grouped(saved.StringFixed(0)), currency, word)
}

// told is what the reader of a report should know of the scenario.
func told(s scenario.Scenario) []string {
	notes := []string{s.WhatHappened, "First signal, " + s.Signal.At.Format("2006-01-02 15:04Z") + ": " + s.Signal.Text}
	if s.NoReturn != nil {
		notes = append(notes, "Point of no return, "+s.NoReturn.At.Format("2006-01-02 15:04Z")+": "+s.NoReturn.Text)
	}
	notes = append(notes, "What was right: "+s.RightResponse)
	notes = append(notes, s.Notes...)
	for _, source := range s.Sources {
		var series []string
		for _, name := range source.Series {
			series = append(series, string(name))
		}
		notes = append(notes, fmt.Sprintf("%s: %s (%s; %s)", strings.Join(series, ", "), source.Origin, source.Terms, source.Changed))
	}
	return notes
}

func closed(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
