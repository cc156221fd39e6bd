package simtest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/plan"
)

// The rules that no world may break. A fault begins with the name of its rule.
const (
	Kept       = "what was acknowledged is there"
	Written    = "an order leaves only after its intent was acknowledged"
	Asked      = "in doubt the venue is asked, never sent to again"
	Once       = "one order per key"
	Fenced     = "a process whose place was taken sends nothing"
	Compared   = "nothing leaves before the venue was compared"
	Released   = "nothing leaves beside orders that the journal does not know"
	Permitted  = "no order on an expired or absent yes"
	Halted     = "nothing automatic leaves while the breaker is halted"
	Balanced   = "the book holds what the venue holds"
	Settled    = "every run ends or says why it waits"
	ToldOfAll  = "the end of every order is in the journal"
	CannotSell = "nothing is sold that is not there"
)

// judge holds the world to the rules. It knows what was acknowledged and what went over the wire, and asks nobody.
type judge struct {
	w      *World
	faults []string
	known  knowledge
	copied chain // as of the last backup

	sent   map[lifeboat.Key]bool // by any process
	proof  map[lifeboat.Key]bool // of absence, heard by this process since it was sent last
	listed map[string]bool       // accounts whose orders this process has heard
}

// knowledge is what the acknowledged journal says, folded on its own.
type knowledge struct {
	intents  map[lifeboat.Key]written
	receipts map[lifeboat.Key]lifeboat.Receipt
	runs     map[string]*running
	yes      map[lifeboat.Key][]said // :: question → who said yes, when
	adopted  map[lifeboat.Key]bool   // strange orders that a comparison found
	released map[string]int          // :: account → requests for its release so far
	breaker  lifeboat.BreakerState
	halted   time.Time
	lost     int
	strange  int
	halts    int
}

type written struct {
	lifeboat.Intent
	at time.Time
}

type running struct {
	lifeboat.RunStarted
	at     time.Time
	steps  []plan.Step
	status lifeboat.Status
	step   lifeboat.StepStarted // the latest
}

type said struct {
	lifeboat.Answer
	at time.Time
}

func newJudge(w *World) *judge {
	j := &judge{w: w, sent: map[lifeboat.Key]bool{}}
	j.forget()
	return j
}

// forget is what a new process begins with.
func (j *judge) forget() {
	j.known = knowledge{
		intents: map[lifeboat.Key]written{}, receipts: map[lifeboat.Key]lifeboat.Receipt{}, runs: map[string]*running{},
		yes: map[lifeboat.Key][]said{}, adopted: map[lifeboat.Key]bool{}, released: map[string]int{}, breaker: lifeboat.Active,
	}
	j.proof, j.listed = map[lifeboat.Key]bool{}, map[string]bool{}
}

const faultsMax = 20

func (j *judge) fault(format string, args ...any) {
	if len(j.faults) < faultsMax {
		j.faults = append(j.faults, j.w.now.Format("02 15:04 ")+fmt.Sprintf(format, args...))
	}
}

func (j *judge) breaks(rule, format string, args ...any) { j.fault(rule+": "+format, args...) }

// reopened holds a journal to what was acknowledged, and folds it.
func (j *judge) reopened(entries []journal.Entry) {
	if err := j.w.chain.found(entries); err != nil {
		j.breaks(Kept, "%v", err)
	}
	j.forget()
	if err := replay(entries, j.apply); err != nil {
		j.fault("the journal cannot be read: %v", err)
	}
}

// restored takes back what was acknowledged. What a venue refused it does not list, and it moved nothing: to send that again
// under its key is no repetition.
func (j *judge) restored() {
	j.w.chain = j.copied
	for _, a := range j.w.desks {
		for _, o := range a.real.Orders() {
			if o.Receipt.Status == lifeboat.OrderRejected {
				delete(j.sent, o.Order.ID)
			}
		}
	}
}

// apply folds one acknowledged event.
func (j *judge) apply(at time.Time, e lifeboat.Event) {
	k := &j.known
	switch e := e.(type) {
	case lifeboat.Intent:
		k.intents[e.Key] = written{e, at}
	case lifeboat.Receipt:
		k.receipts[e.Key] = e
		if e.Lost {
			k.lost++
		}
	case lifeboat.RunStarted:
		pinned, err := plan.Unpin(e.Content)
		if err != nil {
			j.fault("a run cannot be read: %v", err)
		}
		k.runs[e.Run] = &running{RunStarted: e, at: at, steps: pinned.Playbook.Steps, status: lifeboat.Running}
	case lifeboat.StepStarted:
		if r := k.runs[e.Run]; r != nil {
			r.step = e
		}
	case lifeboat.RunFinished:
		if r := k.runs[e.Run]; r != nil {
			r.status = e.Status
		}
	case lifeboat.Answer:
		if i, ok := k.intents[lifeboat.Key(e.Question)]; ok && e.Yes && i.Message != nil && slices.Contains(i.Message.To, e.By) {
			k.yes[i.Key] = append(k.yes[i.Key], said{e, at})
		}
	case lifeboat.Reconciled:
		for _, s := range e.Strange {
			k.adopted[s.Order.ID] = true
			k.strange++
			k.released[e.Account] = 0
		}
	case lifeboat.Request:
		if e.Verb == lifeboat.ReleaseAccount {
			k.released[e.Object]++
		}
	case lifeboat.BreakerMove:
		if e.To == lifeboat.Halted && k.breaker != lifeboat.Halted {
			k.halted = at
			k.halts++
		}
		k.breaker = e.To
	}
}

// leaves judges an order at the moment at which it leaves a process.
func (j *judge) leaves(l *life, a *account, o lifeboat.Order) {
	i, ok := j.known.intents[o.ID]
	if !ok {
		j.breaks(Written, "%s leaves, and no intent of it is in the journal", o.ID)
	}
	if l != j.w.life {
		j.breaks(Fenced, "%s leaves process %d of %d", o.ID, l.number, j.w.lives)
		return
	}
	if j.sent[o.ID] && !j.proof[o.ID] {
		j.breaks(Asked, "%s was sent before, and nobody said that it had not arrived", o.ID)
	}
	if j.sent[o.ID] {
		j.w.Tally.Resent++
	}
	j.sent[o.ID], j.proof[o.ID] = true, false
	if !j.listed[a.name] {
		j.breaks(Compared, "%s leaves for %s, whose orders process %d has not heard of", o.ID, a.name, l.number)
	}
	if strange := j.strange(a); len(strange) > 0 && j.known.released[a.name] == 0 {
		j.breaks(Released, "%s leaves for %s beside %v", o.ID, a.name, strange)
	}
	if ok {
		j.authorised(l, i)
	}
}

// strange are the orders of an account that the journal has no intent of.
func (j *judge) strange(a *account) (strange []lifeboat.Key) {
	for _, o := range a.real.Orders() {
		if _, ok := j.known.intents[o.Order.ID]; !ok && o.Receipt.Status != lifeboat.OrderRejected && a.memory.Times(o.Order.ID) > 0 {
			strange = append(strange, o.Order.ID)
		}
	}
	return strange
}

// authorised asks whose word an order leaves on.
func (j *judge) authorised(l *life, i written) {
	r := j.known.runs[i.Run]
	if r == nil {
		return // cancellations of the breaker have no run, and orders all have
	}
	if step, path := before(r.steps, i.Step); step != nil && step.Approve != nil && step.OnFailure != "continue" {
		j.approved(l, i, *step, path)
	}
	if j.known.breaker != lifeboat.Halted {
		return
	}
	personal := r.By != "plan" && r.at.After(j.known.halted)
	for key, answers := range j.known.yes {
		question := j.known.intents[key]
		for _, a := range answers {
			personal = personal || question.Run == i.Run && !a.at.Before(j.known.halted)
		}
	}
	if !personal {
		j.breaks(Halted, "%s of run %s (step %s) leaves, halted since %s", i.Key, i.Run, i.Step, j.known.halted)
	}
}

// approved wants a yes, to that very order, given in the step before or when an expired one was asked for again, and not
// expired yet.
func (j *judge) approved(l *life, i written, step plan.Step, path string) {
	why := "nobody said yes"
	for key, answers := range j.known.yes {
		question := j.known.intents[key]
		if question.Run != i.Run || question.Step != path && question.Step != i.Step || question.Message.Proposal == nil {
			continue
		}
		p := question.Message.Proposal
		for _, a := range answers {
			switch {
			case a.Content != question.Message.Content:
			case !slices.ContainsFunc(p.Orders, func(o lifeboat.ProposedOrder) bool { return j.within(i, o.Order, question.at) }):
				why = fmt.Sprintf("%s said yes to something else", a.By)
			case l.last.Before(p.Until):
				return
			default:
				why = fmt.Sprintf("the yes of %s counted until %s", a.By, p.Until.Format("02 15:04"))
			}
		}
	}
	j.breaks(Permitted, "%s of run %s (step %s) leaves at %s: %s", i.Key, i.Run, i.Step, l.last.Format("02 15:04"), why)
}

// within reports an order that was approved, or what is left of one after attempts since it was asked for.
func (j *judge) within(i written, o lifeboat.Order, asked time.Time) bool {
	left := o.Quantity
	for _, other := range j.known.intents {
		if other.Order != nil && other.Key != i.Key && other.Run == i.Run && other.Step == i.Step && !other.at.Before(asked) && alike(*other.Order, o) {
			left = left.Sub(j.known.receipts[other.Key].Filled)
		}
	}
	return alike(*i.Order, o) && i.Order.Quantity.LessThanOrEqual(left)
}

func alike(a, b lifeboat.Order) bool {
	return a.Account == b.Account && a.Symbol == b.Symbol && a.Side == b.Side && a.Type == b.Type && a.Limit.Equal(b.Limit)
}

// before is the step ahead of a step in its list, and its path; nil for the first, and where lists are made as they go.
func before(steps []plan.Step, path string) (*plan.Step, string) {
	names := strings.Split(path, ".")
	for depth, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil || n < 1 || n > len(steps) {
			return nil, ""
		}
		if depth == len(names)-1 {
			if n < 2 {
				return nil, ""
			}
			return &steps[n-2], strings.Join(append(slices.Clone(names[:depth]), strconv.Itoa(n-1)), ".")
		}
		steps = steps[n-1].Do
	}
	return nil, ""
}

func (j *judge) absent(l *life, key lifeboat.Key) {
	if l == j.w.life {
		j.proof[key] = true
	}
}

func (j *judge) heardOf(l *life, a *account) {
	if l == j.w.life {
		j.listed[a.name] = true
	}
}

// end holds the end of the world to its rules.
func (j *judge) end() {
	w := j.w
	w.Tally.Lost, w.Tally.Strange, w.Tally.Halts = j.known.lost, j.known.strange, j.known.halts
	for _, name := range w.accounts() {
		a := w.desks[name]
		for _, o := range a.real.Orders() {
			if w.Tally.Orders++; a.memory.Times(o.Order.ID) > 1 {
				j.breaks(Once, "%d orders of %s arrived at %s", a.memory.Times(o.Order.ID), o.Order.ID, name)
			}
		}
	}
	for at, quantity := range j.holdings() {
		if quantity.IsNegative() {
			j.breaks(CannotSell, "%s has %s %s", at.account, quantity, at.symbol)
		}
	}
	if w.life == nil {
		j.fault("no process runs at the end")
		return
	}
	j.endOfJournal()
	j.endOfRuns()
	j.endOfOrders()
	if j.known.lost == 0 {
		j.balance()
	}
}

// endOfJournal looks at what is on the shelf, not at what the process had of it.
func (j *judge) endOfJournal() {
	if err := j.w.life.store.Close(); err != nil {
		j.fault("the journal could not be closed: %v", err)
	}
	store, err := j.w.Shelf.Open()
	if err != nil {
		j.breaks(Kept, "%v", err)
		return
	}
	j.w.life.store = store
	if _, err := journal.Verify(context.Background(), store); err != nil {
		j.breaks(Kept, "%v", err)
	}
	entries, err := all(store)
	if err == nil {
		err = j.w.chain.found(entries)
	}
	if err != nil {
		j.breaks(Kept, "%v", err)
	}
}

func (j *judge) endOfRuns() {
	for _, run := range j.w.life.record.Runs {
		j.w.Tally.Runs++
		count(&j.w.Tally.Ended, string(run.Status), 1)
		if run.Status != lifeboat.Running {
			continue
		}
		waits := ""
		if p, ok := any(j.w.life.system.Player).(interface{ Waits(string) string }); ok {
			waits = p.Waits(run.Run)
		}
		if waits == "" {
			j.breaks(Settled, "run %s (%s) is at step %q after everybody answered, and does not say why", run.Run, run.Playbook, run.Step)
		}
	}
}

// endOfOrders holds what the journal says of every order to what the venue says.
func (j *judge) endOfOrders() {
	at := map[lifeboat.Key]lifeboat.Receipt{}
	for _, a := range j.w.desks {
		for _, o := range a.real.Orders() {
			at[o.Order.ID] = o.Receipt
		}
	}
	for key, i := range j.known.intents {
		told, real := j.known.receipts[key], at[key]
		switch {
		case i.Act != lifeboat.PlaceOrder || told.Lost:
		case !told.Status.Final():
			j.breaks(ToldOfAll, "%s is %q in the journal and %q at the venue", key, told.Status, real.Status)
		case !told.Filled.Equal(real.Filled) && j.known.lost == 0:
			j.breaks(ToldOfAll, "%s is %s with %s filled in the journal, %s with %s at the venue", key, told.Status, told.Filled, real.Status, real.Filled)
		}
	}
}

// balance compares the book with what the venues' orders add up to, to the last cent. It adds up by itself: the simulated
// broker keeps its positions in a book of the same kind, which would be wrong in the same way.
func (j *judge) balance() {
	j.w.Tally.Balanced++
	truly, booked := j.holdings(), map[place]decimal.Decimal{}
	for _, p := range j.w.life.system.Book.Positions() {
		booked[place{p.Account, p.Symbol}] = p.Quantity
		if _, there := truly[place{p.Account, p.Symbol}]; !there && !p.Quantity.IsZero() {
			j.breaks(Balanced, "the book says %s %s at %s, which has none", p.Quantity, p.Symbol, p.Account)
		}
	}
	for at, quantity := range truly {
		if !booked[at].Equal(quantity) {
			j.breaks(Balanced, "%s holds %s %s, the book says %s", at.account, quantity, at.symbol, booked[at])
		}
	}
}

type place struct{ account, symbol string }

// holdings are what the plan registers, moved by every fill at the venues.
func (j *judge) holdings() map[place]decimal.Decimal {
	held, cash := map[place]decimal.Decimal{}, j.w.plan.Portfolio.BaseCurrency
	for _, h := range j.w.plan.Holdings {
		at := place{h.Account, h.Symbol}
		held[at] = held[at].Add(h.Quantity)
	}
	for name, a := range j.w.desks {
		for _, o := range a.real.Orders() {
			filled, paid := o.Receipt.Filled, o.Receipt.Filled.Mul(o.Receipt.Price)
			if o.Order.Side == lifeboat.Sell {
				filled, paid = filled.Neg(), paid.Neg()
			}
			asset, money := place{name, o.Order.Symbol}, place{name, cash}
			held[asset] = held[asset].Add(filled)
			held[money] = held[money].Sub(paid).Sub(o.Receipt.Fee)
		}
	}
	return held
}

// truth is what a person says who was asked what became of an order: what the venue's own list says. Only yes and no can be
// said of it; a part is what it was.
func (j *judge) truth(said lifeboat.Answer) lifeboat.Event {
	for key := range j.known.intents {
		if string(lifeboat.NewKey("lost", key)) != said.Question {
			continue
		}
		said.Yes = j.w.tasks[key] > 0
		for _, a := range j.w.desks {
			for _, o := range a.real.Orders() {
				said.Yes = said.Yes || o.Order.ID == key && o.Receipt.Status == lifeboat.Filled
			}
		}
	}
	return said
}
