package play

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// A Preview is what a playbook would send now, every rule's word on each order, and what else would hold it up. Nothing is sent.
type Preview struct {
	Playbook string     `json:"playbook"`
	At       time.Time  `json:"at"`
	Orders   []Examined `json:"orders,omitempty"`
	// Stops are sentences on what would hold the playbook up beside the rules: a check that does not pass, a missing price.
	Stops []string `json:"stops,omitempty"`
	// Notes are sentences on what follows later, or was not looked at.
	Notes []string `json:"notes,omitempty"`
}

// Examined is one order that would be formed, and what each rule says of it.
type Examined struct {
	lifeboat.Order
	Step     string    `json:"step"`
	Name     string    `json:"name"` // of the step
	Verdicts []Verdict `json:"verdicts"`
}

// Passes reports that nothing would hold the playbook up.
func (v Preview) Passes() bool {
	return len(v.Stops) == 0 && !slices.ContainsFunc(v.Orders, func(o Examined) bool { return !o.passes() })
}

func (e Examined) passes() bool {
	return !slices.ContainsFunc(e.Verdicts, func(v Verdict) bool { return !v.Passes })
}

// Preview goes through a playbook as if every step went well at once: each order that it forms is asked about, and then taken
// for filled at the last price, so that a later step sees what it left. It does not wait, ask people or call systems, and
// changes nothing of the player.
func (p *Player) Preview(at time.Time, b plan.Playbook) Preview {
	content, hash := p.plan.PlaybookContent(b)
	v := &preview{Player: p.beside(at), Preview: Preview{Playbook: b.Name, At: at}}
	v.run = newRun(at, lifeboat.RunStarted{Run: "preflight", Playbook: b.Name, Hash: hash, Content: content, By: "preflight"})
	v.through(v.run.main)
	return v.Preview
}

// A preview under way: a player of its own, over a book of its own.
type preview struct {
	*Player
	Preview
	run *run
}

// beside is a player that knows what this one does of accounts and orders, with no run open. What it is told stays with it.
func (p *Player) beside(at time.Time) *Player {
	book := lifeboat.NewBook(p.book.Currency())
	book.Apply(at, lifeboat.PlanLoaded{Positions: slices.Clone(p.book.Positions())})
	other := New(p.view, book, p.plan, p.gate)
	other.quarantine, other.statements = p.quarantine, p.statements
	for _, o := range p.placed {
		known := *o
		other.placed = append(other.placed, &known)
		if !o.receipt.Status.Final() {
			book.Apply(at, lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Order: &known.Order})
		}
	}
	return other
}

func (v *preview) stop(n *node, format string, args ...any) {
	v.Stops = append(v.Stops, n.label()+": "+fmt.Sprintf(format, args...))
}

func (v *preview) note(n *node, format string, args ...any) {
	v.Notes = append(v.Notes, n.label()+": "+fmt.Sprintf(format, args...))
}

// through goes through the steps inside one.
func (v *preview) through(n *node) {
	if n.broken != "" {
		v.stop(n, "%s", n.broken)
	}
	for _, inner := range n.inside {
		inner.status, inner.attempt, inner.began, inner.tried = lifeboat.Running, 1, v.At, v.At
		switch inner.kind {
		case "for_each":
			v.run.open(inner, lifeboat.StepStarted{Items: v.items(v.run, inner.step.ForEach.Of)})
		case "if":
			v.choose(inner)
		case "check":
			v.check(inner)
		case "order", "rebalance":
			v.trade(inner)
		case "exit":
			v.exit(inner)
		case "withdraw":
			v.withdraw(inner)
		}
		v.through(inner)
	}
}

func (v *preview) choose(n *node) {
	branch := v.branch(v.At, *n.step.If)
	if branch == "" {
		v.stop(n, "nobody can tell whether %s, so neither way was looked at", n.step.If.That)
		return
	}
	v.note(n, "it goes %s: %s", branch, n.step.If.That)
	v.run.open(n, lifeboat.StepStarted{Branch: branch})
}

// withdraw says what a step would ask for, by the book alone: fees and limits are the venue's, which nobody asks here.
func (v *preview) withdraw(n *node) {
	w := n.step.Withdraw
	order, err := v.plan.WithdrawOrder(*w)
	held := v.book.Quantity(w.Account, w.Symbol)
	amount := w.Amount
	if w.Fraction > 0 {
		amount = held.Mul(decimal.NewFromFloat(float64(w.Fraction)))
	}
	switch {
	case err != nil:
		v.stop(n, "%s", err)
	case !amount.IsPositive() || amount.GreaterThan(held):
		v.stop(n, "%s %s would leave %s, which holds %s", amount, w.Symbol, w.Account, held)
	default:
		v.note(n, "it would ask %s for a yes to %s %s from %s to %s (%s on %s), before the venue's fee", w.By, amount, w.Symbol, w.Account, w.To, order.Address, w.Network)
	}
}

func (v *preview) check(n *node) {
	if s := check(v.Player, v.At, v.run, n); s.out == nil {
		v.stop(n, "it would wait %s", s.waits)
	} else if s.out.status != lifeboat.Done {
		v.stop(n, "%s", s.out.why)
	}
}

// exit says what would be planned. Whether it would go through only a simulation can say, which takes a chain.
func (v *preview) exit(n *node) {
	o, err := v.plan.ExitOrder(*n.step.Exit)
	if err != nil {
		v.stop(n, "%s", err)
		return
	}
	v.note(n, "it would %s; it is simulated when the step begins, and was not here", exitTold(o))
}

// trade examines what a step would send now, sales first.
func (v *preview) trade(n *node) {
	wanted, waiting := v.reckons(v.At, v.run, n)
	if waiting != "" {
		v.stop(n, "it would wait %s", waiting)
		return
	}
	if v.othersOpen(n, n.symbol()) {
		v.stop(n, "it would wait for other orders in the same holdings to end")
	}
	if len(wanted.unpriced) > 0 {
		v.stop(n, "no fresh price of %s", list(wanted.unpriced))
	}
	if len(wanted.sells)+len(wanted.buys) == 0 {
		v.note(n, "%s", wanted.nothing)
	}
	for _, wave := range [][]move{wanted.sells, wanted.buys} {
		v.wave(n, wave)
	}
}

// wave examines orders that would be sent together, then takes them for filled.
func (v *preview) wave(n *node, wave []move) {
	var formed, whole []lifeboat.Order
	for _, m := range wave {
		entire := m.quantity
		if why := v.cut(n, &m); why != "" {
			v.stop(n, "%s", why)
			continue
		}
		o, ok := v.order(v.At, m, n.limit())
		if !ok {
			v.stop(n, "no fresh price of %s", m.symbol)
			continue
		}
		o.ID = v.run.key(n, m.account, m.symbol, m.side)
		i := lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Run: v.run.Run, Step: n.path, Order: &o}
		v.Orders = append(v.Orders, Examined{Order: o, Step: n.path, Name: n.step.Name, Verdicts: v.inspect(v.At, v.run, m, i, formed)})
		formed = append(formed, o)
		o.Quantity = entire
		whole = append(whole, o)
	}
	for _, o := range whole {
		v.fill(n, o)
	}
}

// cut makes an order of a sliced rebalance the first slice, and says why there is none.
func (v *preview) cut(n *node, m *move) (why string) {
	if n.kind != "rebalance" || n.step.Rebalance.Participation == 0 {
		return ""
	}
	b := bill{Player: v.Player, at: v.At, run: v.run, node: n}
	l := &line{move: *m, left: m.quantity, standing: ready}
	if b.slice(l); l.standing == held {
		return l.why
	}
	if l.quantity.LessThan(m.quantity) {
		v.note(n, "%s of %s %s now, the rest in slices every %s", l.quantity, m.quantity, m.symbol, span(time.Duration(n.step.Rebalance.SliceEvery)))
	}
	m.quantity = l.quantity
	return ""
}

// fill takes an order for filled.
func (v *preview) fill(n *node, o lifeboat.Order) {
	for _, e := range []lifeboat.Event{
		lifeboat.Intent{Key: o.ID, Act: lifeboat.PlaceOrder, Order: &o},
		lifeboat.Receipt{Key: o.ID, Account: o.Account, Status: lifeboat.Filled, Filled: o.Quantity, Price: o.Arrival},
	} {
		v.book.Apply(v.At, e)
		v.Apply(v.At, e)
	}
	n.acts = append(n.acts, &act{Intent: lifeboat.Intent{Key: o.ID, Order: &o, Step: n.path}, at: v.At,
		receipt: lifeboat.Receipt{Key: o.ID, Status: lifeboat.Filled, Filled: o.Quantity, Price: o.Arrival}})
}

// Drift says in sentences what a playbook would do otherwise than the last time: orders that came, went or changed their size
// by more than a hundredth, and rules that now hold back what they let pass, or the other way round.
func (v Preview) Drift(last Preview) []string {
	var changes []string
	say := func(format string, args ...any) {
		changes = append(changes, v.Playbook+": "+fmt.Sprintf(format, args...))
	}
	before := map[string]Examined{}
	for _, o := range last.Orders {
		before[o.place()] = o
	}
	for _, o := range v.Orders {
		old, was := before[o.place()]
		delete(before, o.place())
		switch {
		case !was:
			say("it now would %s", o.told())
		case differs(o.Quantity, old.Quantity):
			say("it would %s, and not %s as before", o.told(), old.Quantity)
		}
		if was {
			changes = append(changes, o.turns(v.Playbook, old)...)
		}
	}
	for _, o := range last.Orders {
		if _, gone := before[o.place()]; gone {
			say("it no longer would %s", o.told())
		}
	}
	for _, s := range without(v.Stops, last.Stops) {
		say("something new would hold it up: %s", s)
	}
	for _, s := range without(last.Stops, v.Stops) {
		say("it is no longer held up: %s", s)
	}
	return changes
}

func (e Examined) place() string {
	return strings.Join([]string{e.Step, e.Account, e.Symbol, string(e.Side)}, "\x00")
}

func (e Examined) told() string {
	return fmt.Sprintf("%s %s %s in %s (step %s)", e.Side, e.Quantity, e.Symbol, e.Account, e.Step)
}

// turns are the rules that have changed their mind about an order.
func (e Examined) turns(playbook string, last Examined) []string {
	var changes []string
	for _, now := range e.Verdicts {
		i := slices.IndexFunc(last.Verdicts, func(old Verdict) bool { return old.Rule == now.Rule })
		switch {
		case i < 0 || last.Verdicts[i].Passes == now.Passes:
		case now.Passes:
			changes = append(changes, fmt.Sprintf("%s: the rule %s lets it %s again", playbook, now.Rule, e.told()))
		default:
			changes = append(changes, fmt.Sprintf("%s: it could not %s any more: %s", playbook, e.told(), now))
		}
	}
	return changes
}

// driftMin is by which part of itself an amount must have changed for anybody to be told.
var driftMin = decimal.New(1, -2)

func differs(a, b decimal.Decimal) bool {
	return a.Sub(b).Abs().GreaterThan(decimal.Max(a, b).Mul(driftMin))
}

// without are the texts of one list that another does not have. Numbers move from day to day: they are not compared.
func without(these, those []string) []string {
	var rest []string
	for _, s := range these {
		if !slices.ContainsFunc(those, func(other string) bool { return wordsOf(other) == wordsOf(s) }) {
			rest = append(rest, s)
		}
	}
	return rest
}

func wordsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' || r == ',' {
			return -1
		}
		return r
	}, text)
}
