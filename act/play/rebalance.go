package play

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// rebalance moves the accounts line by line: a line is one symbol in one account. Where venues are real, or limits, a buffer or
// slices are set, each line goes on whatever becomes of the others: what is held back, halted or rejected keeps nobody else, and
// a purchase waits only for the cash that it needs itself. At the end it says exactly what could not be done. Elsewhere the step
// is a plain [trade].
func rebalance(p *Player, at time.Time, r *run, n *node) said {
	if !p.careful(n) {
		return trade(p, at, r, n)
	}
	b, waiting := p.bill(at, r, n)
	if waiting != "" && len(n.open()) == 0 {
		return waits("%s", waiting)
	}
	b.reckon()
	switch deadline := n.deadline(); {
	case !deadline.IsZero() && !at.Before(deadline) && len(n.open()) == 0:
		return b.timeIsUp()
	case len(b.formed) > 0 && p.othersOpen(n, ""):
		return waits("for other orders in the same holdings to end: sizes cannot be known before")
	case len(b.formed) > 0:
		if s, ready := p.permitted(at, r, n); !ready {
			return s
		}
	}
	if len(b.events) > 0 {
		return acts(b.events...)
	}
	if why := b.waiting(); why != "" {
		return waits("%s", why)
	}
	return b.closed()
}

// careful reports a rebalance that is carried out line by line.
func (p *Player) careful(n *node) bool {
	step := n.step.Rebalance
	return step.Participation > 0 || step.CashBuffer > 0 || p.limited(step.Limit > 0) || slices.ContainsFunc(p.accounts(), p.isRemote)
}

// limited reports limits that may hold back one line and not another. A collar holds limit orders only, and how old a
// venue's word may be concerns real venues, which are careful anyway.
func (p *Player) limited(priced bool) bool {
	if p.plan.Limits == nil {
		return false
	}
	rules := *p.plan.Limits
	rules.StatementAge = 0
	if !priced {
		rules.Collar = 0
	}
	return rules != (plan.Limits{})
}

// A bill is all that a rebalance has to trade, and where each line of it stands.
type bill struct {
	*Player
	at       time.Time
	run      *run
	node     *node
	lines    []*line // sales first
	floor    map[string]decimal.Decimal
	unpriced []string
	formed   []lifeboat.Order // now
	events   []lifeboat.Event
}

// A line is one symbol in one account.
type line struct {
	move     // the next order
	left     decimal.Decimal
	price    float64 // the last one
	orders   []*act  // of this attempt, oldest first
	standing standing
	why      string // it stands where it does
	kind     string // of failure, for one that has failed
}

// standing of a line.
type standing int

const (
	settled standing = iota // nothing more is to be done, or can be
	ready                   // an order can be formed
	open                    // one is at the venue
	held                    // it waits
	fault                   // it has failed; the others go on
)

// bill adds up what is to be traded, and what was.
func (p *Player) bill(at time.Time, r *run, n *node) (*bill, string) {
	b := &bill{Player: p, at: at, run: r, node: n, floor: map[string]decimal.Decimal{}}
	var sells, buys []move
	priced := 0
	for _, s := range p.shifts(at, r, n) {
		b.floor[s.name] = decimal.NewFromFloat(s.floor)
		b.unpriced = append(b.unpriced, s.unpriced...)
		priced += len(s.symbols)
		sells, buys = append(sells, s.sells...), append(buys, s.buys...)
	}
	waiting := ""
	if approved, gated := p.frozen(r, n); gated {
		sells, buys, b.unpriced = b.rest(approved.sells), b.rest(approved.buys), nil
	} else if priced == 0 && len(b.unpriced) > 0 {
		waiting = "for a fresh price of " + list(b.unpriced)
	}
	for _, m := range append(sells, buys...) {
		if !n.turned(m) {
			price, _, _ := p.view.Quote(m.symbol, at)
			b.lines = append(b.lines, &line{move: m, left: m.quantity, price: price})
		}
	}
	b.enter()
	return b, waiting
}

// rest of what was approved, without what this attempt has filled of it.
func (b *bill) rest(approved []move) []move {
	var left []move
	for _, m := range approved {
		if m.quantity = m.quantity.Sub(filled(b.node.acts, m.account, m.symbol, m.side)); m.quantity.IsPositive() {
			left = append(left, m)
		}
	}
	return left
}

// turned reports that the step has traded a symbol the other way already: nothing is bought back that was sold, or sold again.
func (n *node) turned(m move) bool {
	return slices.ContainsFunc(n.all(), func(a *act) bool {
		return a.Order != nil && a.Order.Account == m.account && a.Order.Symbol == m.symbol && a.Order.Side != m.side &&
			(a.receipt.Filled.IsPositive() || !a.final())
	})
}

// enter puts the orders of this attempt to their lines, and makes lines of those of which nothing is left to trade.
func (b *bill) enter() {
	for _, a := range b.node.orders("") {
		i := slices.IndexFunc(b.lines, func(l *line) bool {
			return l.account == a.Order.Account && l.symbol == a.Order.Symbol && l.side == a.Order.Side
		})
		if i < 0 {
			i = len(b.lines)
			b.lines = append(b.lines, &line{move: move{account: a.Order.Account, symbol: a.Order.Symbol, side: a.Order.Side}})
		}
		b.lines[i].orders = append(b.lines[i].orders, a)
	}
}

func (b *bill) sliced() bool { return b.node.step.Rebalance.Participation > 0 }

// reckon says where each line stands, and forms what can be sent.
func (b *bill) reckon() {
	for _, l := range b.lines {
		b.look(l)
	}
	b.size()
	b.form()
}

// look says where a line stands before anybody asks for the cash.
func (b *bill) look(l *line) {
	if len(l.orders) == 0 {
		l.standing = ready
	} else if last := l.orders[len(l.orders)-1]; !last.final() {
		b.underWay(l, last)
	} else {
		b.ended(l, last)
	}
	if why, no := b.run.refused[b.key(l)]; no && l.standing == ready {
		l.fail(refused, "refused: "+why)
	}
	if l.standing == ready && !l.quantity.IsPositive() {
		l.standing = settled
	}
	if l.standing == ready && b.sliced() {
		b.slice(l)
	}
}

func (l *line) fail(kind, why string) { l.standing, l.kind, l.why = fault, kind, why }

func (l *line) hold(why string) { l.standing, l.why = held, why }

// underWay looks at a line with an order at the venue. What a slice has not filled when the next one is due goes into that.
func (b *bill) underWay(l *line, last *act) {
	l.standing = open
	cancel := lifeboat.NewKey("cancel", last.Key)
	if !b.sliced() || b.at.Before(b.next(last)) || last.receipt.Lost || b.node.act(cancel) != nil {
		return
	}
	if _, no := b.run.refused[cancel]; no {
		return
	}
	b.events = append(b.events, lifeboat.Intent{Key: cancel, Act: lifeboat.CancelOrder, Run: b.run.Run, Step: b.node.path, Cancel: last.Key, Account: last.Order.Account})
}

// next is when the slice after one is due.
func (b *bill) next(a *act) time.Time {
	return a.at.Add(time.Duration(b.node.step.Rebalance.SliceEvery))
}

// ended looks at a line whose last order has ended.
func (b *bill) ended(l *line, last *act) {
	why := fmt.Sprintf("%s with %s of %s filled%s", last.receipt.Status, last.receipt.Filled, last.Order.Quantity, prose.After(": ", last.receipt.Why))
	ours := b.node.act(lifeboat.NewKey("cancel", last.Key)) != nil
	switch status := last.receipt.Status; {
	case status == lifeboat.OrderRejected, status == lifeboat.Canceled && !ours, status == lifeboat.Expired && !b.sliced(), status == lifeboat.Canceled && !b.sliced():
		l.fail("rejected", why)
	case !b.sliced() && l.quantity.IsPositive() && l.side == lifeboat.Buy:
		l.why = "the cash did not reach farther"
	case !b.sliced():
		l.why = "the price moved while it filled"
	case l.quantity.IsPositive() && b.at.Before(b.next(last)):
		l.hold("the next slice is due at " + instant(b.next(last)))
	default:
		l.standing = ready
	}
}

// slice cuts an order to the share of the volume that is usually traded until the next one.
func (b *bill) slice(l *line) {
	step, session := b.node.step.Rebalance, b.view.Session(l.symbol, b.at)
	volume, known := b.view.Volume(l.symbol)
	switch {
	case !known && l.side == lifeboat.Sell:
		return // it makes smaller what nobody can see
	case !known:
		l.hold("the volume of " + l.symbol + " is not known, so no slice of it")
		return
	}
	part := 1.0
	if session > 0 {
		part = min(1, time.Duration(step.SliceEvery).Hours()/session.Hours())
	}
	most := decimal.Zero
	if share := volume * float64(step.Participation) * part; share > 0 {
		most = b.lots(l.symbol, decimal.NewFromFloat(share), lifeboat.Buy)
	}
	if !most.IsPositive() {
		l.hold(fmt.Sprintf("%s of the volume of %s in %s is less than one unit", percent(float64(step.Participation)), l.symbol, span(time.Duration(step.SliceEvery))))
		return
	}
	l.quantity = decimal.Min(l.quantity, most)
}

// reserve is by how much more than the last price a purchase may cost.
func (b *bill) reserve() decimal.Decimal {
	return decimal.NewFromFloat(max(buyReserve, 1+float64(b.node.limit())))
}

func (b *bill) cost(l *line) decimal.Decimal {
	cost := l.quantity.Mul(decimal.NewFromFloat(l.price)).Mul(b.reserve())
	if l.frozen != nil {
		o := *l.frozen
		o.Quantity = l.quantity
		return decimal.Max(cost, reserved(o))
	}
	return cost
}

// size gives each account's purchases the cash that is there above the buffer. While sales may still bring more, each waits for
// what it needs; when none may, they share what there is. Less than was approved is within a yes; more never is.
func (b *bill) size() {
	for account, floor := range b.floor {
		var buys []*line
		cost := decimal.Zero
		for _, l := range b.lines {
			if l.account == account && l.side == lifeboat.Buy && l.standing == ready {
				buys, cost = append(buys, l), cost.Add(b.cost(l))
			}
		}
		cash := b.uncommitted(account).Sub(floor)
		if selling := b.selling(account); selling || cost.LessThanOrEqual(cash) {
			b.inTurn(buys, cash)
		} else {
			b.share(buys, cash, cost)
		}
	}
}

// selling reports sales in an account that may still bring cash.
func (b *bill) selling(account string) bool {
	return slices.ContainsFunc(b.lines, func(l *line) bool {
		return l.account == account && l.side == lifeboat.Sell && (l.standing == ready || l.standing == open || l.standing == held)
	})
}

// inTurn lets each purchase have what it needs, or wait for it. A slice takes less rather than wait.
func (b *bill) inTurn(buys []*line, cash decimal.Decimal) {
	for _, l := range buys {
		if cost := b.cost(l); cost.GreaterThan(cash) && b.sliced() {
			b.fit(l, cash, cost)
		}
		cost := b.cost(l)
		if cost.GreaterThan(cash) || !l.quantity.IsPositive() {
			l.hold("it waits for the cash of the sales")
			continue
		}
		cash = cash.Sub(cost)
	}
}

func (b *bill) share(buys []*line, cash, cost decimal.Decimal) {
	for _, l := range buys {
		if b.fit(l, cash, cost); !l.quantity.IsPositive() {
			l.standing, l.why = settled, "the cash does not reach"
		}
	}
}

// fit shrinks a purchase to its part of the cash.
func (b *bill) fit(l *line, cash, cost decimal.Decimal) {
	if !cash.IsPositive() || !cost.IsPositive() {
		l.quantity = decimal.Zero
		return
	}
	l.quantity = b.lots(l.symbol, l.quantity.Mul(cash).DivRound(cost, 18), lifeboat.Buy)
}

// key of a line's next order: the first one's is that of a plain trade, as it was approved.
func (b *bill) key(l *line) lifeboat.Key {
	if len(l.orders) == 0 {
		return b.run.key(b.node, l.account, l.symbol, l.side)
	}
	return b.run.key(b.node, l.account, l.symbol, l.side, len(l.orders))
}

// form makes the intents of the lines that pass the pre-flight.
func (b *bill) form() {
	for _, l := range b.lines {
		if l.standing != ready {
			continue
		}
		o, ok := b.order(b.at, l.move, b.node.limit())
		if !ok {
			l.hold("no fresh price of " + l.symbol)
			continue
		}
		o.ID = b.key(l)
		i := lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Run: b.run.Run, Step: b.node.path, Order: &o}
		if v, hindered := hinders(b.inspect(b.at, b.run, l.move, i, b.formed)); hindered && v.Kind != "" {
			l.fail(v.Kind, v.String())
			continue
		} else if hindered {
			l.hold(v.String())
			continue
		}
		b.events, b.formed = append(b.events, i), append(b.formed, o)
	}
}

// waiting says what the step waits for; "" when every line has ended.
func (b *bill) waiting() string {
	var reasons []string
	for _, l := range b.lines {
		if l.standing == held {
			reasons = append(reasons, fmt.Sprintf("to %s %s: %s", l.side, l.symbol, l.why))
		}
	}
	text := strings.Join(reasons, "; ")
	switch n := len(b.node.open()); {
	case n > 0:
		return fmt.Sprintf("for %s to be filled", prose.Count(n, "order")) + prose.After("; ", text)
	case text != "":
		return text
	}
	return ""
}

// timeIsUp ends what waits, and what might have been sent now.
func (b *bill) timeIsUp() said {
	for _, l := range b.lines {
		switch l.standing {
		case held:
			l.fail("timed-out", l.why)
		case ready:
			l.fail("timed-out", "the time was up")
		}
	}
	return b.closed()
}

// closed is the outcome of the attempt, with a statement of all that was not done.
func (b *bill) closed() said {
	kind, full, all := "", 0, b.node.orders("")
	var undone []string
	for _, l := range b.lines {
		if l.kind != "" && (kind == "" || kind == refused) { // another attempt may help those that nobody refused
			kind = l.kind
		}
		if l.kind != "" || l.left.IsPositive() {
			undone = append(undone, b.told(l))
		}
	}
	for _, a := range all {
		if a.receipt.Status == lifeboat.Filled {
			full++
		}
	}
	rest := prose.After("; left undone: ", strings.Join(undone, "; ")) + moves{unpriced: b.unpriced}.left()
	switch {
	case kind != "":
		return over(failed(kind, "%d of %d orders filled%s", full, len(all), rest))
	case len(all) == 0 && len(undone) == 0:
		return over(done("nothing to trade: the accounts are where the playbook wants them%s", rest))
	case full == len(all):
		return over(done("%s filled%s", prose.Count(len(all), "order"), rest))
	}
	return over(done("%d of %d orders filled%s", full, len(all), rest))
}

// told is one line of the statement: what was wanted of a symbol, what was done of it, what is left, and why.
func (b *bill) told(l *line) string {
	traded := filled(b.node.all(), l.account, l.symbol, l.side)
	return fmt.Sprintf("%s %s in %s: wanted %s, done %s, left %s%s", l.side, l.symbol, l.account, traded.Add(l.left), traded, l.left, prose.After(" – ", l.why))
}

// nextSlice is when a rebalance may go on without news.
func nextSlice(p *Player, r *run, n *node) time.Time {
	if !p.careful(n) {
		return time.Time{}
	}
	next := freed(p, r, n)
	for _, a := range n.orders("") {
		if n.step.Rebalance.Participation > 0 {
			next = sooner(p.quietAt, next, a.at.Add(time.Duration(n.step.Rebalance.SliceEvery)))
		}
	}
	return next
}
