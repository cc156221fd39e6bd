package conformance

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/rule"
)

// A kit is what all invariants share: the plan, and what had to be found out about it to try anything.
type kit struct {
	ctx     context.Context
	plan    *plan.Plan
	start   time.Time
	twin    func(*app.System)
	added   []string
	notes   []string // of the invariant that is being tried
	sources map[lifeboat.Series][]string
	fed     func(lifeboat.Series, string) time.Duration
	calm    map[lifeboat.Series]float64            // a price for everything, at which no trigger that trips the breaker fires
	known   map[string]map[lifeboat.Series]float64 // :: trigger → a shock that makes it fire; nil when none was found
	sell    quantity                               // what lifeboat may sell; no units when there is nothing
	buy     quantity                               // what lifeboat may buy
	hold    time.Duration
	wait    time.Duration
	stage   time.Duration
	loosen  authority
}

// quantity of a symbol in an account.
type quantity struct {
	account, symbol string
	units, held     decimal.Decimal
}

func (q quantity) times(n int64) quantity {
	q.units = q.units.Mul(decimal.NewFromInt(n))
	return q
}

// authority is who must ask for something before it happens, worked out from the plan alone: the kit must not believe the
// code that it checks.
type authority struct {
	name    string // as the plan writes it
	people  []string
	need    int
	factor  string // "" when none is wanted
	waits   bool   // one person's word is enough, so it takes time as well
	besides bool   // whoever tripped it does not count
}

// What a plan means that does not say it; as docs/plan.md tells owners.
const (
	holdUsual  = 15 * time.Minute
	waitUsual  = time.Hour
	stageUsual = time.Hour
)

func newKit(ctx context.Context, p *plan.Plan, o Options) (*kit, error) {
	k := &kit{ctx: ctx, plan: p, start: start, twin: o.twin, hold: holdUsual, wait: waitUsual, stage: stageUsual,
		known: map[string]map[lifeboat.Series]float64{}}
	if b := p.Breaker; b != nil {
		k.hold = cmp.Or(time.Duration(b.Hold), k.hold)
		k.wait = cmp.Or(time.Duration(b.Wait), k.wait)
		k.stage = cmp.Or(time.Duration(b.Stage), k.stage)
	} else {
		k.add("the plan has no breaker section; holds for %s, a wait of %s and a stage of %s were used, which is what absent means", k.hold, k.wait, k.stage)
	}
	k.loosen = k.authorityToLoosen()
	if len(k.loosen.people) == 0 {
		k.add("nobody in the plan may loosen the breaker, so every halt was final")
	}
	if err := k.listSeries(); err != nil {
		return nil, err
	}
	k.findQuantities()
	if !slices.ContainsFunc(p.Triggers, func(t plan.Trigger) bool { return t.Breaker != "" }) {
		k.add("the plan has no trigger that trips the breaker; a person's halt or the kill file was used")
	}
	return k, nil
}

func (k *kit) add(format string, args ...any) {
	k.added = append(k.added, fmt.Sprintf(format, args...))
}
func (k *kit) note(format string, args ...any) {
	k.notes = append(k.notes, fmt.Sprintf(format, args...))
}

// authority that a name stands for; the owner when there is none, and the first person when nobody is the owner.
func (k *kit) authority(name string) authority {
	a := authority{name: cmp.Or(name, "owner"), need: 1}
	who := name
	if i := slices.IndexFunc(k.plan.Mandates, func(m plan.Mandate) bool { return m.Name == name }); i >= 0 {
		m := k.plan.Mandates[i]
		who, a.need, a.besides = m.By, max(1, m.Need), m.NotStarter
		if m.Factor != "none" {
			a.factor = m.Factor
		}
	}
	a.people = names(k.plan.Person(who))
	if who == "" {
		a.people = k.owners()
	}
	return a
}

func (k *kit) owners() []string {
	owners := names(slices.DeleteFunc(slices.Clone(k.plan.People), func(p plan.Person) bool { return !strings.EqualFold(p.Role, "owner") }))
	if len(owners) == 0 && len(k.plan.People) > 0 {
		owners = []string{k.plan.People[0].Name}
	}
	return owners
}

// authorityToLoosen takes a second person wherever there is one, unless a mandate of the plan says otherwise; and whoever
// may do it alone does it with a second factor, and waits.
func (k *kit) authorityToLoosen() authority {
	a := k.authority(k.plan.Authority.Loosen)
	mandate := slices.ContainsFunc(k.plan.Mandates, func(m plan.Mandate) bool { return m.Name == a.name })
	if !mandate && len(a.people) > 1 {
		a.need = 2
	}
	if a.waits = a.need == 1; a.waits && a.factor == "" {
		a.factor = "any"
	}
	return a
}

// listSeries finds out which series the triggers and holdings read, and a price of each at which nothing trips.
func (k *kit) listSeries() error {
	live := app.LiveParts(k.plan)
	k.sources, k.fed, k.calm = map[lifeboat.Series][]string{}, live.StaleAfter, map[lifeboat.Series]float64{}
	maps.Copy(k.sources, live.Sources)
	wanted := map[lifeboat.Series]bool{}
	for _, h := range k.plan.Holdings {
		if h.Symbol != k.plan.Portfolio.BaseCurrency {
			wanted[lifeboat.Series(h.Symbol)] = true
		}
	}
	board, err := app.Board(live)
	if err != nil {
		return err
	}
	env := app.Env(k.plan, live.Sources)
	for _, t := range k.plan.Triggers {
		cond, err := board.Compile(t.Condition, env, "")
		if err != nil {
			return fmt.Errorf("trigger %q: %w", t.Name, err)
		}
		for _, s := range cond.Series() {
			wanted[s] = true
		}
	}
	for _, s := range slices.Sorted(maps.Keys(wanted)) {
		if len(k.sources[s]) == 0 {
			k.sources[s] = []string{""}
			k.add("no feed of the plan brings %s; a simulated one was used", s)
		}
	}
	for s := range k.sources {
		k.calm[s] = k.usual(s)
	}
	for _, t := range k.plan.Triggers {
		k.calmDown(t)
	}
	return nil
}

// usual is a price for a series of which nothing is known but its name.
func (k *kit) usual(s lifeboat.Series) float64 {
	symbol, column := s.Column()
	if h, ok := k.plan.Holding(symbol); ok && column == "" && !h.Price.IsZero() {
		return h.Price.InexactFloat64()
	}
	switch {
	case column == "volume":
		return 1e7
	case k.plan.Class(symbol) == "stablecoin":
		return 1
	case tape.IsLevel(symbol):
		return 15
	}
	return 100
}

// calmDown moves the price of a series that a trigger compares with a number to its quiet side.
func (k *kit) calmDown(t plan.Trigger) {
	for _, l := range rule.Thresholds(t.Condition) {
		s := lifeboat.Series(l.Of)
		price, known := k.calm[s]
		if !known || l.Minus {
			continue
		}
		switch {
		case (l.Sign == "<" || l.Sign == "<=") && price <= l.Value:
			k.calm[s] = l.Value * 1.05
		case (l.Sign == ">" || l.Sign == ">=") && price >= l.Value:
			k.calm[s] = l.Value * 0.95
		}
	}
}

// parts of a system that hears what the daemon would, and the simulated series beside it.
func (k *kit) parts(p *plan.Plan) app.Parts {
	return app.Parts{Plan: p, Sources: k.sources, From: k.start, StaleAfter: func(s lifeboat.Series, source string) time.Duration {
		if fed := k.fed(s, source); fed > 0 {
			return fed
		}
		return time.Hour // of a simulated series
	}}
}

// findQuantities looks for something that lifeboat may sell, in small, and something it may buy.
func (k *kit) findQuantities() {
	for _, h := range k.plan.Holdings {
		if !k.plan.Tradable(h.Account) || h.Symbol == k.plan.Portfolio.BaseCurrency {
			continue
		}
		one := quantity{h.Account, h.Symbol, decimal.NewFromInt(1), h.Quantity}
		if k.buy.account == "" {
			k.buy = one
		}
		if k.sell.account == "" && h.Quantity.IsPositive() {
			k.sell = one
			k.sell.units = k.tenth(h.Symbol, h.Quantity)
		}
	}
	if k.buy.account == "" {
		k.add("the plan lets lifeboat trade nothing, so no order could be tried")
	} else if k.sell.account == "" {
		k.add("lifeboat holds nothing that it may sell, so no reduction could be tried")
	}
}

// tenth of a holding in what can be ordered; the least that can be when that is more.
func (k *kit) tenth(symbol string, held decimal.Decimal) decimal.Decimal {
	if k.plan.IsFractional(symbol) {
		return held.Div(decimal.NewFromInt(10)).Truncate(8)
	}
	return decimal.Max(held.Div(decimal.NewFromInt(10)).Floor(), decimal.NewFromInt(1))
}

// tripping are the plan's triggers that trip the breaker.
func (k *kit) tripping() []plan.Trigger {
	var found []plan.Trigger
	for _, t := range k.plan.Triggers {
		if t.Breaker != "" {
			found = append(found, t)
		}
	}
	return found
}
