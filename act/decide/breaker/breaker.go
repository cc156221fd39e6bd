// Package breaker holds acts back when something is wrong: with the markets, with a venue, with lifeboat, or in the eyes of
// a person. It is the last question before every act, and it knows three states.
//
//   - active lets everything pass that somebody with authority stands behind;
//   - reducing lets cancellations pass, tasks, and orders that only make a position smaller;
//   - halted lets messages and cancellations pass, and acts that a person approved since the halt began.
//
// Breaker is a [lifeboat.Stage]. Its state is the last BreakerMove of the journal and nothing else, so that a restart or
// another machine finds it where it was. What trips it – a trigger of the plan, a limit, a person, the kill file – makes it
// stricter at once and never less strict. Loosening is a matter of persons and of time ([Breaker.Terms] and loosen.go). It must
// stand before the desk and the player in the flow, so that a trip is in the journal before they are asked what follows.
//
// It does not look at who decided an act, which is the desk's, and not at accounts in quarantine, which the flow holds back.
package breaker

import (
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// Breaker of a portfolio.
type Breaker struct {
	plan  *plan.Plan
	rules plan.Breaker
	book  *lifeboat.Book
	price func(symbol string, at time.Time) (float64, bool)

	state    lifeboat.BreakerState // exactly as the journal says
	since    time.Time
	why      string
	by       string    // who made it as strict as it is
	held     time.Time // since, moved on by the time that lifeboat was away
	fromHalt bool      // it is reducing on the way from halted to active

	fired map[string]bool        // triggers that have not cleared
	trips []lifeboat.BreakerMove // what calls for a stricter state and was not answered yet
	asks  []ask                  // of persons who want it less strict, one for each
	goOn  string                 // who wants it active once it was reducing for long enough; "" for nobody

	placed   []placed // orders of the last day
	failures int      // orders in a row that failed

	open   []*openOrder
	tasks  map[lifeboat.Key]bool // of the open ones, those that were open when it last became stricter
	now    time.Time             // of the last event: what a yes is old by
	claims []lifeboat.Order      // let pass, and not in the journal yet
	runs   map[string]*run       // open ones
}

type openOrder struct {
	lifeboat.Order
	filled   decimal.Decimal
	before   bool // it was open when the halt began
	canceled bool // its cancellation is in the journal
}

// New makes a breaker that is active until the journal says otherwise. price is what a symbol of the tradable book is worth.
func New(p *plan.Plan, book *lifeboat.Book, price func(symbol string, at time.Time) (float64, bool)) *Breaker {
	return &Breaker{plan: p, rules: p.BreakerRules(), book: book, price: price, state: lifeboat.Active, why: "nothing has tripped it",
		fired: map[string]bool{}, tasks: map[lifeboat.Key]bool{}, runs: map[string]*run{}}
}

// State is where the journal says that it stands.
func (b *Breaker) State() lifeboat.BreakerState { return b.state }

// Since when it stands there; zero when it never moved.
func (b *Breaker) Since() time.Time { return b.since }

// Why it stands there.
func (b *Breaker) Why() string { return b.why }

// Apply takes in one journalled event.
func (b *Breaker) Apply(at time.Time, e lifeboat.Event) {
	b.now = at
	b.claims = nil // what was let pass is in the journal now, or never will be
	switch e := e.(type) {
	case lifeboat.BreakerMove:
		b.moved(at, e)
	case lifeboat.Firing:
		b.heard(e)
	case lifeboat.Request:
		b.requested(at, e)
	case lifeboat.PlanLoaded: // what fired under an older plan and has cleared does not trip under this one
		b.trips = slices.DeleteFunc(b.trips, func(m lifeboat.BreakerMove) bool { return m.Trigger != "" && !b.fired[m.Trigger] })
	case lifeboat.Resumed:
		b.wasAway(at.Sub(e.Since))
	case lifeboat.Intent:
		b.intended(at, e)
	case lifeboat.Receipt:
		b.received(e)
	case lifeboat.Reconciled:
		b.found(e)
	default:
		b.ran(e)
	}
}

// moved is the one place where the state changes.
func (b *Breaker) moved(at time.Time, e lifeboat.BreakerMove) {
	b.goOn = ""
	if e.To.Stricter(b.state) {
		b.tightened(e)
	} else if b.state.Stricter(e.To) {
		b.loosened(e)
	}
	b.state, b.since, b.held, b.why = e.To, at, at, e.Why
	b.asks = nil
	b.trips = slices.DeleteFunc(b.trips, func(m lifeboat.BreakerMove) bool { return m.Trigger == e.Trigger || !m.To.Stricter(e.To) })
}

// tightened folds a move to a stricter state: what was approved and placed before it was approved and placed without knowing of it.
func (b *Breaker) tightened(e lifeboat.BreakerMove) {
	b.by, b.fromHalt = e.By, false
	for _, o := range b.open {
		o.before = true
	}
	for key := range b.tasks {
		b.tasks[key] = true
	}
	for _, r := range b.runs {
		r.wanted = false
		for _, q := range r.questions {
			q.yes = false
		}
	}
}

// Next says that it moves, or which open orders a halt cancels.
func (b *Breaker) Next(at time.Time) []lifeboat.Event {
	if move, tripped := b.trip(at); tripped {
		return b.tell(at, move)
	}
	if move, loosened := b.loosen(at); loosened {
		return b.tell(at, move)
	}
	return b.cancels()
}

// Due is when a wait or a stage ends.
func (b *Breaker) Due() time.Time {
	_, due, _ := b.granted()
	return due
}

// cancels asks for the end of every order that was open when the halt began and adds risk.
func (b *Breaker) cancels() []lifeboat.Event {
	if b.state != lifeboat.Halted || !*b.rules.CancelOpen {
		return nil
	}
	var events []lifeboat.Event
	for _, o := range b.open {
		if !o.before || o.canceled || b.reduces(o.left()) {
			continue
		}
		events = append(events, lifeboat.Intent{Key: lifeboat.NewKey("breaker", "cancel", o.ID), Act: lifeboat.CancelOrder, Cancel: o.ID, Account: o.Account})
	}
	return events
}

// tell says a move to the journal and to the owner.
func (b *Breaker) tell(at time.Time, move lifeboat.BreakerMove) []lifeboat.Event {
	events := []lifeboat.Event{move}
	if to := b.plan.Owners(); len(to) > 0 {
		text := fmt.Sprintf("The breaker is %s, by %s: %s. %s", move.To, move.By, move.Why, b.consequence(at, move))
		events = append(events, lifeboat.Intent{Key: lifeboat.NewKey("breaker", at.UnixNano(), move.To), Act: lifeboat.SendMessage,
			Message: &lifeboat.Message{To: to, Text: text, Tier: lifeboat.Emergency, Subject: "The breaker is " + string(move.To)}})
	}
	return events
}

// consequence of a move, as the owner must know it.
func (b *Breaker) consequence(at time.Time, move lifeboat.BreakerMove) string {
	until := at.Add(time.Duration(b.rules.Hold)).UTC().Format("15:04 UTC")
	switch move.To {
	case lifeboat.Active:
		return "Everything passes again that somebody with authority stands behind." + b.released()
	case lifeboat.Reducing:
		return fmt.Sprintf("Cancellations pass, and orders that only make a position smaller; nothing that adds risk does, at least until %s.", until) + b.released()
	}
	text := fmt.Sprintf("Nothing automatic passes, at least until %s; what a person approves from now on does.", until)
	if *b.rules.CancelOpen {
		text += " Open orders that add risk are cancelled."
	}
	if b.rules.OnHalt != "" {
		text += fmt.Sprintf(" Playbook %q starts; only its reductions pass.", b.rules.OnHalt)
	}
	if n := len(b.tasks); n > 0 {
		text += fmt.Sprintf(" Under way: %s; what has not left waits, what is out goes on to its end.", prose.Count(n, "task"))
	}
	return text + " lifeboat breaker show says how it is let go."
}

// released says of what it held that which had not left.
func (b *Breaker) released() string {
	held := 0
	for _, before := range b.tasks {
		if before && b.state == lifeboat.Halted {
			held++
		}
	}
	if held == 0 {
		return ""
	}
	return fmt.Sprintf(" Under way: %s; what waited of that goes on.", prose.Count(held, "task"))
}

// intended folds an order, its cancellation, or a question put to people.
func (b *Breaker) intended(at time.Time, i lifeboat.Intent) {
	switch {
	case i.Act == lifeboat.PerformTask:
		b.tasks[i.Key] = false
	case i.Order != nil:
		b.open = append(b.open, &openOrder{Order: *i.Order})
		b.count(at, *i.Order)
	case i.Cancel != "":
		if o := b.openOrder(i.Cancel); o != nil {
			o.canceled = true
		}
	case i.Message != nil:
		b.asked(i)
	}
}

// received folds how far an order has come. One that nobody can be asked about stays open: it may still fill.
func (b *Breaker) received(r lifeboat.Receipt) {
	if r.Status.Final() {
		delete(b.tasks, r.Key)
	}
	o := b.openOrder(r.Key)
	if o == nil {
		return
	}
	b.judge(r)
	o.filled = decimal.Max(o.filled, r.Filled)
	if r.Status.Final() {
		b.open = slices.DeleteFunc(b.open, func(other *openOrder) bool { return other == o })
	}
}

// found takes in orders of a part of the journal that was lost.
func (b *Breaker) found(e lifeboat.Reconciled) {
	for _, s := range e.Strange {
		if !s.Receipt.Status.Final() {
			b.open = append(b.open, &openOrder{Order: s.Order, filled: s.Receipt.Filled, before: true})
		}
	}
}

func (b *Breaker) openOrder(key lifeboat.Key) *openOrder {
	if i := slices.IndexFunc(b.open, func(o *openOrder) bool { return o.ID == key }); i >= 0 {
		return b.open[i]
	}
	return nil
}

// left of an order is what may still fill.
func (o *openOrder) left() lifeboat.Order {
	rest := o.Order
	rest.Quantity = o.Quantity.Sub(o.filled)
	return rest
}
