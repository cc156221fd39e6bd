// Package app joins the stages into one flow: it is the one place where calendars, signals, triggers, decisions, runs,
// venues and channels are chosen by what the plan says. Live, sandbox and drill are built by the same [Build]; only
// what is passed in differs.
//
// It holds no rules of its own: what fires, what is decided and what a step does is said in watch and act.
package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/act/audit"
	"lifeboat/act/canary"
	"lifeboat/act/decide"
	"lifeboat/act/decide/breaker"
	"lifeboat/act/exit"
	"lifeboat/act/play"
	"lifeboat/act/venue/paper"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/talk/escalate"
	"lifeboat/watch/feed/guard"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
	"lifeboat/watch/trigger"
)

// Parts are what live, sandbox and drill choose differently.
type Parts struct {
	Plan *plan.Plan
	// Sources of every series that readings will come for; a series with one unnamed source has [""].
	Sources map[lifeboat.Series][]string
	// Calendar for every series, when a tape has one; nil chooses by what the plan says of each holding.
	Calendar *session.Calendar
	// Calendars of the tape's series that differ from it.
	Calendars  map[string]*session.Calendar
	StaleAfter func(s lifeboat.Series, source string) time.Duration // in market time
	// Quorum is how many fresh sources a series takes; one when nil, as of a tape, which has no other.
	Quorum func(s lifeboat.Series) int
	// Bands say what readings can be, for whoever guards them before the flow; nil takes what the plan's feeds say.
	Bands   func(s lifeboat.Series, source string) guard.Band
	From    time.Time // nothing fires before
	Journal lifeboat.Journal
	Hands   lifeboat.Hands
	// Nag says that people are told again until somebody acknowledges. In a drill they react when they do.
	Nag bool
	// Trials says that the plan's canaries make theirs. In a drill there is nothing remote that they could measure.
	Trials bool
	// Pinned are the playbooks of runs that a journal left open; their expressions may no longer stand in the plan.
	Pinned []json.RawMessage
}

// System is the stages, joined.
type System struct {
	Plan    *plan.Plan
	Book    *lifeboat.Book
	Signals *signal.Engine
	Watch   *trigger.Watch
	Desk    *decide.Desk
	Breaker *breaker.Breaker
	Player  *play.Player
	Audit   *audit.Audit
	// Canaries are nil where none makes trials.
	Canaries *canary.Stage
	// Outlooks are nil where no playbook leaves anything on a chain.
	Outlooks *exit.Outlooks
	Ladder   *escalate.Ladder // nil where nobody nags
	Flow     *lifeboat.Flow
	// Asked are the expressions on the board beside those of the triggers: what the steps of playbooks ask, of the plan's
	// and of the pinned ones.
	Asked []string
}

// Build joins the stages for a plan.
func Build(p Parts) (*System, error) {
	book := lifeboat.NewBook(p.Plan.Portfolio.BaseCurrency)
	calendars, err := newCalendars(p.Plan, p.Calendar, p.Calendars)
	if err != nil {
		return nil, err
	}
	engine := newEngine(p, book, calendars)
	env := Env(p.Plan, p.Sources)
	board := rule.NewBoard(engine, calendars.portfolio)
	watch, err := trigger.New(p.Plan.Triggers, env, board, p.From)
	if err != nil {
		return nil, err
	}
	view := &view{signals: engine, calendars: calendars, conditions: map[string]*rule.Cond{}}
	if err := view.compile(p.Plan, p.Pinned, env, board); err != nil {
		return nil, err
	}
	held := breaker.New(p.Plan, book, func(symbol string, at time.Time) (float64, bool) {
		price, _, _ := view.Quote(symbol, at) // an old price is good enough for a share of the book: a silent feed must not trip anything
		return price, price > 0
	})
	desk := decide.New(p.Plan)
	desk.Breaker = held
	player := play.New(view, book, p.Plan, held)
	auditor := audit.New(p.Plan, book)
	system := &System{
		Plan: p.Plan, Book: book, Signals: engine, Watch: watch, Desk: desk, Breaker: held, Player: player, Audit: auditor, Asked: view.asked,
		Flow: &lifeboat.Flow{
			Journal: p.Journal, Book: book, Hands: p.Hands, Allow: desk.Allow,
			Stages: []lifeboat.Stage{auditor, watch, held, desk, player},
		},
	}
	if p.Nag {
		system.Ladder = escalate.New(p.Plan)
		system.Flow.Stages = append(system.Flow.Stages, system.Ladder)
	}
	if p.Trials {
		system.Canaries, err = canary.NewStage(p.Plan, desk.Owners(), func() bool { return held.State() == lifeboat.Active })
		if err != nil {
			return nil, err
		}
	}
	if len(ExitSteps(p.Plan, "")) > 0 {
		system.Outlooks = exit.NewOutlooks(desk.Owners())
		system.Flow.Stages = append(system.Flow.Stages, system.Outlooks)
	}
	if system.Canaries != nil {
		system.Flow.Stages = append(system.Flow.Stages, system.Canaries)
	}
	return system, nil
}

// newEngine makes the signals of a plan.
func newEngine(p Parts, book *lifeboat.Book, c *calendars) *signal.Engine {
	return signal.New(signal.Config{
		Book: book, Calendar: c.portfolio, Calendars: c.bySeries, Benchmark: p.Plan.Portfolio.Benchmark,
		Class: p.Plan.Class, Group: groups(p.Plan), Prices: prices(p.Plan), Sources: p.Sources, StaleAfter: p.StaleAfter, Quorum: p.Quorum,
	})
}

// Env is what the plan's expressions may name.
func Env(p *plan.Plan, sources map[lifeboat.Series][]string) rule.Env {
	env := rule.Env{Symbols: p.Symbols(), Signals: p.Signals, Benchmark: p.Portfolio.Benchmark, Classes: plan.Classes()}
	for _, f := range p.Feeds {
		env.Series = append(env.Series, f.Series)
	}
	for _, s := range sorted(sources) {
		if symbol, column := s.Column(); column == "" {
			env.Series = append(env.Series, symbol)
		}
	}
	return env
}

// Loaded is the event with which a plan comes into force.
func Loaded(p *plan.Plan, mode string) lifeboat.PlanLoaded {
	loaded := lifeboat.PlanLoaded{Name: p.Portfolio.Name, Hash: p.Hash(), Mode: mode, Positions: Positions(p)}
	if mode == live {
		loaded.Venues, loaded.Chains = venuesOf(p), chainsOf(p)
	}
	return loaded
}

// Positions the plan registers.
func Positions(p *plan.Plan) []lifeboat.Position {
	var positions []lifeboat.Position
	for _, h := range p.Holdings {
		positions = append(positions, lifeboat.Position{Account: h.Account, Symbol: h.Symbol, Quantity: h.Quantity})
	}
	return positions
}

// groups that a position belongs to, by kind: what the owner wrote of the holding, and of the account that it lies in.
func groups(p *plan.Plan) func(kind string, position lifeboat.Position) string {
	custodians := map[string]string{} // :: account → who holds it
	for _, a := range p.Accounts {
		custodians[a.Name] = cmp.Or(a.At, a.Name)
	}
	return func(kind string, position lifeboat.Position) string {
		if kind == "custodian" {
			return custodians[position.Account]
		}
		for _, h := range p.Holdings {
			if h.Account != position.Account || h.Symbol != position.Symbol {
				continue
			}
			return map[string]string{"sector": h.Sector, "chain": h.Chain, "protocol": h.Protocol}[kind]
		}
		return ""
	}
}

// prices the owner noted, for holdings that nothing quotes.
func prices(p *plan.Plan) map[string]float64 {
	prices := map[string]float64{}
	for _, h := range p.Holdings {
		if !h.Price.IsZero() {
			prices[h.Symbol] = h.Price.InexactFloat64()
		}
	}
	return prices
}

// PaperAccount configures the simulated broker of one account: what it holds, when its symbols trade, and what the
// spread costs.
func PaperAccount(p *plan.Plan, account string, calendar func(symbol string) *session.Calendar) paper.Config {
	return paper.Config{
		Account: account, Currency: p.Portfolio.BaseCurrency, Positions: Positions(p), Calendar: calendar,
		Fractional: p.IsFractional, HalfSpread: func(symbol string) float64 { return halfSpreads[p.Class(symbol)] },
	}
}

// Holds says why nothing more may begin of a task that is under way; "" when it may.
func (s *System) Holds(task lifeboat.Intent) string {
	var p *lifeboat.Problem
	if errors.As(s.Breaker.Holds(task), &p) {
		return p.What
	}
	if by := s.Player.Paused(task.Run); by != "" {
		return fmt.Sprintf("%s paused the run", by)
	}
	return ""
}

// halfSpreads are what half the distance between bid and ask usually is, as a fraction of the price: one hundredth of a
// percent for the funds that trade most, more for coins. They are round figures for practice, not a measurement.
var halfSpreads = map[string]float64{
	"equities": 0.0001, "bonds": 0.0001, "commodities": 0.0002, "real-estate": 0.0005, "crypto": 0.0005, "stablecoin": 0.0002, "other": 0.001,
}
