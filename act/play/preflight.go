package play

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// A Verdict is what one rule says of one order before it is formed. A rule that has nothing to look at passes and says why.
type Verdict struct {
	Rule   string `json:"rule"`
	Passes bool   `json:"passes"`
	Says   string `json:"says"`             // the numbers
	Remedy string `json:"remedy,omitempty"` // what would make it pass
	// Kind is "" where waiting may help. Where it cannot the step fails with it at once: refused for what the owner forbids,
	// which is not tried again, and unmet for what a person can change meanwhile.
	Kind string `json:"kind,omitempty"`
}

// String tells a refusal: the rule, the numbers, what would make it pass. The breaker speaks for itself.
func (v Verdict) String() string {
	if v.Rule == breakerRule {
		return v.Says
	}
	return v.Rule + ": " + v.Says + prose.After("; ", v.Remedy)
}

func passes(format string, args ...any) Verdict {
	return Verdict{Passes: true, Says: fmt.Sprintf(format, args...)}
}

// A rule looks at one order. It answers from journalled events and the view alone.
type rule struct {
	name string
	look func(p *Player, q inspection) Verdict
}

const (
	breakerRule = "breaker"
	unmet       = "unmet"
)

// rules in the order in which they are told. Those about a venue's word are silent where a venue is simulated, which says
// nothing and queues what it cannot fill; those about limits are silent where the owner set none.
var rules = []rule{
	{"market", marketRule},
	{"data age", ageRule},
	{"statement", statementRule},
	{"tradable", tradableRule},
	{"position", positionRule},
	{"order value", orderValueRule},
	{"day value", dayValueRule},
	{"playbook value", playbookValueRule},
	{"share of book", shareRule},
	{"price collar", collarRule},
	{"participation", participationRule},
	{"days to exit", exitRule},
	{"buying power", buyingPowerRule},
	{"cash after", cashAfterRule},
	{"wash trade", washRule},
	{"rate budget", rateRule},
	{breakerRule, func(p *Player, q inspection) Verdict {
		if why := p.held(q.intent); why != "" {
			return Verdict{Says: why}
		}
		return passes("it lets the order pass, and the account is not in quarantine")
	}},
}

// An inspection is of one order: what the rules look at beside it.
type inspection struct {
	lifeboat.Order
	intent lifeboat.Intent
	at     time.Time
	run    *run
	frozen bool             // a person approved its price: another can be asked for
	before []lifeboat.Order // of the same wave, which passed
	limits plan.Limits
	remote bool
	said   lifeboat.Statement // of its account; zero when there is none
}

// inspect asks every rule about an order.
func (p *Player) inspect(at time.Time, r *run, m move, i lifeboat.Intent, before []lifeboat.Order) []Verdict {
	account, _ := p.plan.Account(m.account)
	q := inspection{Order: *i.Order, intent: i, at: at, run: r, frozen: m.frozen != nil, before: before,
		limits: p.plan.LimitRules(), remote: account.Remote(), said: p.statements[m.account]}
	var all []Verdict
	for _, rule := range rules {
		v := rule.look(p, q)
		v.Rule = rule.name
		all = append(all, v)
	}
	return all
}

// hinders says what keeps an order from being formed; false when nothing does. What waiting cannot help comes first.
func hinders(all []Verdict) (Verdict, bool) {
	var worst Verdict
	var told []string
	for _, v := range all {
		switch {
		case v.Passes:
			continue
		case v.Kind != "":
			return v, true
		case worst.Rule == "":
			worst = v
		}
		told = append(told, v.String())
	}
	if len(told) > 1 { // all that it waits for, or a person would mend one thing after the other
		worst = Verdict{Rule: worst.Rule, Says: strings.TrimPrefix(strings.Join(told, "; "), worst.Rule+": ")}
	}
	return worst, len(told) > 0
}

// value of an order, at the price that makes it larger.
func value(o lifeboat.Order) decimal.Decimal {
	return o.Quantity.Mul(decimal.Max(o.Limit, o.Arrival))
}

func (p *Player) money(d decimal.Decimal) string {
	return prose.Grouped(d.StringFixed(2)) + " " + p.book.Currency()
}

func percent(share float64) string { return fmt.Sprintf("%.3g%%", 100*share) }

// marketRule wants the market open by the calendar and by the venue's own clock.
func marketRule(p *Player, q inspection) Verdict {
	open, turn := p.view.MarketOpen(q.Symbol, q.at), p.view.Turn(q.Symbol, q.at)
	switch {
	case !q.remote:
		return passes("a simulated venue keeps orders for the opening")
	case p.view.Session(q.Symbol, q.at) >= 24*time.Hour:
		return passes("%s is traded around the clock", q.Symbol)
	case q.said.Market == nil && open:
		return passes("open by the calendar, until %s; the venue does not say", instant(turn))
	case q.said.Market == nil:
		return Verdict{Says: "closed by the calendar", Remedy: "it opens at " + instant(turn)}
	}
	venue := *q.said.Market
	if !venue.Turns.IsZero() && !q.at.Before(venue.Turns) {
		venue.Open, venue.Turns = !venue.Open, time.Time{} // by its own timetable
	}
	word := map[bool]string{true: "open", false: "closed"}
	switch {
	case open != venue.Open:
		return Verdict{Says: fmt.Sprintf("the calendar says %s and the venue's own clock says %s: they disagree", word[open], word[venue.Open]),
			Remedy: "an unscheduled holiday or halt ends by itself; a clock or a calendar that is wrong must be mended"}
	case !open:
		return Verdict{Says: "closed by the calendar and by the venue's own clock", Remedy: "it opens at " + instant(turn)}
	}
	return passes("open by the calendar and by the venue's own clock, until %s", instant(turn))
}

func ageRule(p *Player, q inspection) Verdict {
	age, most := p.view.Age(q.Symbol, q.at), time.Duration(q.limits.DataAge)
	switch {
	case most == 0:
		return passes("no limit is set")
	case age > most:
		return Verdict{Says: fmt.Sprintf("%s was last priced %s of market time ago, above %s", q.Symbol, span(age), span(most)), Remedy: "its feed must speak again"}
	}
	return passes("%s was last priced %s of market time ago, within %s", q.Symbol, span(age), span(most))
}

// statementRule wants the venue's own word on the account, and not an old one.
func statementRule(p *Player, q inspection) Verdict {
	age, most := q.at.Sub(q.said.At), time.Duration(q.limits.StatementAge)
	switch {
	case !q.remote:
		return passes("a simulated venue states nothing")
	case q.said.At.IsZero():
		return Verdict{Says: "the venue has said nothing about " + q.Account + " yet", Remedy: "lifeboat serve asks it; look whether it can be reached"}
	case age > most:
		return Verdict{Says: fmt.Sprintf("what the venue said about %s is %s old, above %s", q.Account, span(age), span(most)), Remedy: "the venue must be reached again"}
	case age < -most:
		return Verdict{Says: fmt.Sprintf("the venue's word on %s is of %s, which is not yet", q.Account, instant(q.said.At)), Remedy: "one of the two clocks is wrong and must be set"}
	}
	return passes("the venue's word on %s is %s old, within %s", q.Account, span(age), span(most))
}

func tradableRule(p *Player, q inspection) Verdict {
	why, barred := q.said.Barred[q.Symbol]
	switch {
	case !q.remote:
		return passes("a simulated venue bars nothing")
	case q.said.Blocked != "":
		return Verdict{Says: fmt.Sprintf("the venue lets nothing trade in %s: %s", q.Account, q.said.Blocked), Remedy: "the venue must lift that; telephone its desk"}
	case barred:
		return Verdict{Says: fmt.Sprintf("%s cannot be traded now: %s", q.Symbol, cmp.Or(why, "the venue does not say why")), Remedy: "it goes when the venue lets it trade again"}
	}
	return passes("the venue bars neither %s nor %s", q.Account, q.Symbol)
}

// positionRule holds a sale to what the venue says is there and free.
func positionRule(p *Player, q inspection) Verdict {
	switch {
	case q.Side != lifeboat.Sell:
		return passes("it is a purchase")
	case !q.remote:
		return passes("a simulated venue looks itself")
	case q.said.At.IsZero():
		return Verdict{Says: "what the venue holds is not known: it has said nothing about " + q.Account + " yet", Remedy: "lifeboat serve asks it; look whether it can be reached"}
	}
	line, _ := q.said.Line(q.Symbol)
	free := line.Free
	for _, o := range p.since(q) {
		if o.Side == lifeboat.Sell && o.Symbol == q.Symbol {
			free = free.Sub(o.claims())
		}
	}
	for _, o := range q.before {
		if o.Account == q.Account && o.Symbol == q.Symbol && o.Side == lifeboat.Sell {
			free = free.Sub(o.Quantity)
		}
	}
	if q.Quantity.GreaterThan(free) {
		return Verdict{Says: fmt.Sprintf("%s %s are to be sold, and the venue has %s of which %s are free", q.Quantity, q.Symbol, line.Quantity, decimal.Max(free, decimal.Zero)),
			Remedy: "what claims the rest must end, or the register is wrong: compare it with the venue"}
	}
	return passes("%s of %s free %s", q.Quantity, free, q.Symbol)
}

// cap holds an amount to a limit.
func (p *Player) cap(what string, amount, most decimal.Decimal, remedy string) Verdict {
	switch {
	case most.IsZero():
		return passes("no limit is set")
	case amount.GreaterThan(most):
		return Verdict{Says: fmt.Sprintf("%s %s, above %s", what, p.money(amount), p.money(most)), Remedy: remedy, Kind: refused}
	}
	return passes("%s %s, within %s", what, p.money(amount), p.money(most))
}

func orderValueRule(p *Player, q inspection) Verdict {
	return p.cap("the order is worth", value(q.Order), q.limits.OrderValue, "a smaller order, or another limits.order_value")
}

// dayValueRule counts what was placed in the 24 hours before, in all accounts.
func dayValueRule(p *Player, q inspection) Verdict {
	most, own := q.limits.DayValue, value(q.Order)
	for _, o := range q.before {
		own = own.Add(value(o))
	}
	counted, day := own, p.lastDay(q.at)
	for _, o := range day {
		counted = counted.Add(o.worth())
	}
	v := p.cap("all orders of 24 hours come to", counted, most, "a smaller order, or another limits.day_value")
	if v.Passes || own.GreaterThan(most) {
		return v
	}
	left := counted
	for _, o := range day {
		if left = left.Sub(o.worth()); !left.GreaterThan(most) {
			return Verdict{Says: v.Says, Remedy: fmt.Sprintf("at %s enough of it is a day ago", instant(o.at.Add(dayLong)))}
		}
	}
	return v
}

func playbookValueRule(p *Player, q inspection) Verdict {
	total := value(q.Order)
	for _, o := range q.before {
		total = total.Add(value(o))
	}
	for _, n := range q.run.order {
		for _, a := range n.all() {
			if a.Order != nil {
				total = total.Add(placed{Order: *a.Order, receipt: a.receipt}.worth())
			}
		}
	}
	return p.cap("all orders of the run come to", total, q.limits.PlaybookValue, "a smaller playbook, or another limits.playbook_value")
}

func shareRule(p *Player, q inspection) Verdict {
	most, share := float64(q.limits.OrderShare), value(q.Order).InexactFloat64()/p.total(q.at)
	switch {
	case most == 0:
		return passes("no limit is set")
	case share > most+roundOff:
		return Verdict{Says: fmt.Sprintf("the order is %s of the tradable book, above %s", percent(share), percent(most)),
			Remedy: "a smaller order, or another limits.order_share", Kind: refused}
	}
	return passes("%s of the tradable book, within %s", percent(share), percent(most))
}

// roundOff is what prices lose to the tick, and shares to binary fractions, relative to the whole: a limit of 5% is within 5%.
const roundOff = 1e-5

// collarRule holds a limit price to the last one. Of an approved order the price may come back, or the yes be asked for anew.
func collarRule(p *Player, q inspection) Verdict {
	price, _, quality := p.view.Quote(q.Symbol, q.at)
	most := float64(q.limits.Collar)
	switch {
	case most == 0:
		return passes("no limit is set")
	case q.Type != lifeboat.Limit:
		return passes("a market order has no limit price")
	case quality != lifeboat.Good || price <= 0:
		return Verdict{Says: "there is no fresh price of " + q.Symbol + " to hold its limit against", Remedy: "its feed must speak again"}
	}
	off := math.Abs(q.Limit.InexactFloat64()/price - 1)
	if off <= most+roundOff {
		return passes("the limit %s is %s off the last price, within %s", q.Limit, percent(off), percent(most))
	}
	v := Verdict{Says: fmt.Sprintf("the limit %s is %s off the last price %.6g, above %s", q.Limit, percent(off), price, percent(most)),
		Remedy: "a limit of the step within limits.collar", Kind: refused}
	if q.frozen {
		v.Kind, v.Remedy = "", "the price must come back, or the yes expires and is asked for at another"
	}
	return v
}

func participationRule(p *Player, q inspection) Verdict {
	return p.volumeRule(q, float64(q.limits.Participation), 1, func(share, most, volume float64) Verdict {
		return Verdict{Says: fmt.Sprintf("the order is %s of an average day's volume, above %s", percent(share), percent(most)),
			Remedy: fmt.Sprintf("an order of at most %.6g, as participation and slice_every of a rebalance make them", most*volume), Kind: refused}
	}, func(share, most float64) Verdict {
		return passes("%s of an average day's volume, within %s", percent(share), percent(most))
	})
}

// usualShare of the volume that somebody who wants out may be.
const usualShare = 0.10

func exitRule(p *Player, q inspection) Verdict {
	return p.volumeRule(q, q.limits.DaysToExit, usualShare, func(days, most, volume float64) Verdict {
		return Verdict{Says: fmt.Sprintf("the order takes %.3g days at a tenth of the volume, above %g", days, most),
			Remedy: fmt.Sprintf("an order of at most %.6g", most*usualShare*volume), Kind: refused}
	}, func(days, most float64) Verdict {
		return passes("%.3g days at a tenth of the volume, within %g", days, most)
	})
}

// volumeRule compares an order with a share of the average volume. Where that is not known a sale passes: it makes smaller what
// nobody can see. A purchase does not.
func (p *Player) volumeRule(q inspection, most, share float64, above func(n, most, volume float64) Verdict, within func(n, most float64) Verdict) Verdict {
	volume, known := p.view.Volume(q.Symbol)
	switch {
	case most == 0:
		return passes("no limit is set")
	case !known && q.Side == lifeboat.Sell:
		return passes("the volume of %s is not known, and a sale makes the position smaller", q.Symbol)
	case !known:
		return Verdict{Says: "the volume of " + q.Symbol + " is not known", Remedy: "a feed of " + q.Symbol + ".volume"}
	case volume <= 0:
		return Verdict{Says: q.Symbol + " has no volume to be traded into", Remedy: "it must be traded again"}
	}
	if n := q.Quantity.InexactFloat64() / (share * volume); n > most*(1+roundOff) {
		return above(n, most, volume)
	} else {
		return within(n, most)
	}
}

// buyingPowerRule holds a purchase to what the venue says purchases may cost, less what went there since.
func buyingPowerRule(p *Player, q inspection) Verdict {
	switch {
	case q.Side != lifeboat.Buy:
		return passes("it is a sale")
	case !q.remote:
		return passes("a simulated venue looks itself")
	}
	cash, _ := q.said.Line(p.book.Currency())
	power := cash.Free
	if q.said.BuyingPower != nil {
		power = *q.said.BuyingPower
	}
	for _, o := range p.since(q) {
		if o.Side == lifeboat.Buy {
			power = power.Sub(reserved(o.Order))
		}
	}
	for _, o := range q.before {
		if o.Account == q.Account && o.Side == lifeboat.Buy {
			power = power.Sub(reserved(o))
		}
	}
	if cost := reserved(q.Order); cost.GreaterThan(power) {
		return Verdict{Says: fmt.Sprintf("the purchase may cost %s, and %s has a buying power of %s", p.money(cost), q.Account, p.money(power)),
			Remedy: "sales must bring cash first, or a smaller order"}
	} else {
		return passes("it may cost %s of a buying power of %s", p.money(cost), p.money(power))
	}
}

// reserved is what a purchase may cost at most; a venue holds as much back.
func reserved(o lifeboat.Order) decimal.Decimal {
	if o.Type == lifeboat.Limit {
		return o.Quantity.Mul(o.Limit)
	}
	return o.Quantity.Mul(o.Arrival).Mul(decimal.NewFromFloat(buyReserve))
}

func cashAfterRule(p *Player, q inspection) Verdict {
	least := q.limits.CashAfter
	switch {
	case q.Side != lifeboat.Buy:
		return passes("it is a sale")
	case least.IsZero():
		return passes("no limit is set")
	}
	left := p.uncommitted(q.Account)
	for _, o := range q.before {
		if o.Account == q.Account && o.Side == lifeboat.Buy {
			left = left.Sub(reserved(o))
		}
	}
	if left = left.Sub(reserved(q.Order)); left.LessThan(least) {
		return Verdict{Says: fmt.Sprintf("%s would be left in %s, below %s", p.money(left), q.Account, p.money(least)), Remedy: "sales must bring cash first, or a smaller order"}
	}
	return passes("%s are left in %s, at least %s", p.money(left), q.Account, p.money(least))
}

// uncommitted is the cash of an account less what its open purchases may still cost.
func (p *Player) uncommitted(account string) decimal.Decimal {
	cash := p.book.Quantity(account, p.book.Currency())
	for _, o := range p.placed {
		if o.Account == account && o.Side == lifeboat.Buy && !o.receipt.Status.Final() {
			rest := o.Order
			rest.Quantity = rest.Quantity.Sub(o.receipt.Filled)
			cash = cash.Sub(reserved(rest))
		}
	}
	return cash
}

// washRule keeps an owner from trading with themselves: with an order of lifeboat's, which ends, or with somebody's own.
func washRule(p *Player, q inspection) Verdict {
	for _, account := range p.accounts() {
		for _, o := range append(p.book.OpenOrders(account), q.before...) {
			if o.Symbol == q.Symbol && o.Side != q.Side {
				return Verdict{Says: fmt.Sprintf("the order to %s %s %s in %s is open (%s)", o.Side, o.Quantity, o.Symbol, o.Account, o.ID), Remedy: "it must end first"}
			}
		}
	}
	for _, account := range p.plan.Accounts {
		for _, o := range p.statements[account.Name].Foreign {
			if o.Symbol == q.Symbol && o.Side != q.Side {
				return Verdict{Says: fmt.Sprintf("somebody has an order open to %s %s %s in %s, and the two could fill each other", o.Side, o.Quantity, o.Symbol, account.Name),
					Remedy: "cancel that one at the venue, then have the step tried again", Kind: unmet}
			}
		}
	}
	return passes("nothing is open that could fill it from the other side")
}

// requestsKept of a venue's budget are for cancellations and for asking what became of orders.
const requestsKept = 5

func rateRule(p *Player, q inspection) Verdict {
	switch age := q.at.Sub(q.said.At); {
	case !q.remote || q.said.RequestsLeft == nil:
		return passes("the venue does not count")
	case age >= time.Minute:
		return passes("the minute in which the venue counted is over")
	}
	left := *q.said.RequestsLeft - len(p.since(q)) - len(q.before)
	if left <= requestsKept {
		return Verdict{Says: fmt.Sprintf("%d requests are left in this minute, and %d are kept for cancellations", max(0, left), requestsKept),
			Remedy: "the venue counts anew at " + instant(q.said.At.Add(time.Minute))}
	}
	return passes("%d requests are left in this minute", left)
}

// A placed order and the last that was heard of it.
type placed struct {
	lifeboat.Order
	at      time.Time
	receipt lifeboat.Receipt
}

// worth of an order that caps count: what it traded once it has ended, until then all that it may.
func (o placed) worth() decimal.Decimal {
	if o.receipt.Status.Final() {
		return o.receipt.Filled.Mul(o.receipt.Price)
	}
	return value(o.Order)
}

// claims is how much of its quantity an order takes or took.
func (o placed) claims() decimal.Decimal {
	if o.receipt.Status.Final() {
		return o.receipt.Filled
	}
	return o.Quantity
}

const dayLong = 24 * time.Hour

// place folds an order. Those that ended and are older than a day count no more.
func (p *Player) place(at time.Time, o lifeboat.Order, r lifeboat.Receipt) {
	p.placed = slices.DeleteFunc(p.placed, func(old *placed) bool { return old.receipt.Status.Final() && at.Sub(old.at) >= dayLong })
	p.placed = append(p.placed, &placed{Order: o, at: at, receipt: r})
}

func (p *Player) heard(r lifeboat.Receipt) {
	for _, o := range slices.Backward(p.placed) {
		if o.ID == r.Key && r.Status != lifeboat.Unknown {
			o.receipt = r
		}
	}
}

// lastDay is what was placed in the 24 hours before a time, oldest first.
func (p *Player) lastDay(at time.Time) []*placed {
	return slices.DeleteFunc(slices.Clone(p.placed), func(o *placed) bool { return at.Sub(o.at) >= dayLong })
}

// since are the orders in an account that its statement does not know of yet.
func (p *Player) since(q inspection) []*placed {
	return slices.DeleteFunc(slices.Clone(p.placed), func(o *placed) bool {
		known := slices.ContainsFunc(q.said.Placed, func(r lifeboat.Receipt) bool { return r.Key == o.ID })
		return o.Account != q.Account || known || o.receipt.Status.Final() && !o.at.After(q.said.At)
	})
}

// stated keeps the latest word of a venue on an account.
func (p *Player) stated(s lifeboat.Statement) {
	if !s.At.Before(p.statements[s.Account].At) {
		p.statements[s.Account] = s
	}
}

// freed is when a trade that the pre-flight holds back may pass without news: a market turns, or an order is a day old.
func freed(p *Player, _ *run, _ *node) time.Time {
	var next time.Time
	if slices.ContainsFunc(p.accounts(), p.isRemote) {
		next = p.nextTurn()
	}
	if p.plan.LimitRules().DayValue.IsPositive() {
		for _, o := range p.placed {
			next = sooner(p.quietAt, next, o.at.Add(dayLong))
		}
	}
	return next
}

// sooner of two times that are still to come; zero when neither is.
func sooner(now, a, b time.Time) time.Time {
	switch {
	case !b.After(now):
		return a
	case !a.After(now) || b.Before(a):
		return b
	}
	return a
}

func (p *Player) isRemote(account string) bool {
	a, _ := p.plan.Account(account)
	return a.Remote()
}
