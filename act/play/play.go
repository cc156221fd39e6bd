// Package play carries playbooks out. A playbook is data, pinned by its hash when the run starts; a run is a
// deterministic state machine over journalled events, so a killed process goes on where the journal ends.
//
// Player is a [lifeboat.Stage]: Next looks at every open run and says what follows – a step starts, an intent is
// formed, a step or the run ends. A run is a tree of steps, each addressed by its path ("2.SPY@broker.1"): tree.go says what
// is inside a step, follow.go what follows when something inside it ends. Intents carry keys made from run, path and attempt;
// the flow writes them before it carries them out. What a step sees of the world comes through [View].
//
// It does not talk to venues or people, and it does not decide whether a playbook should run.
package play

import (
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/plan"
)

// View is what a run sees of the world at a time. It must answer from journalled events alone.
type View interface {
	// Quote is the latest price of a symbol, when it was seen, and whether it may be acted on.
	Quote(symbol string, at time.Time) (price float64, seen time.Time, quality lifeboat.Quality)
	// Age is how long ago, in its market's open time, a symbol was last priced.
	Age(symbol string, at time.Time) time.Duration
	// Volume is the average daily volume in units; false when none is known.
	Volume(symbol string) (float64, bool)
	MarketOpen(symbol string, at time.Time) bool
	// Session is how long the symbol's market is open on an ordinary day; 24 h where it never closes.
	Session(symbol string, at time.Time) time.Duration
	// Turn is the next time at which the symbol's market opens or closes.
	Turn(symbol string, at time.Time) time.Time
	// Holds evaluates an expression of the rule language; known is false without fresh data.
	Holds(expr string, at time.Time) (truth, known bool, values map[string]float64)
}

// A Gate says which orders and tasks would pass now: the breaker. What does not pass is not formed; its step waits.
type Gate interface {
	Passes(i lifeboat.Intent) error
}

// Player of playbooks.
type Player struct {
	view       View
	book       *lifeboat.Book
	plan       *plan.Plan // the one in force: where lifeboat may trade, who the people are; all else is pinned
	gate       Gate
	advance    *approve.Advance
	quarantine lifeboat.Quarantined
	runs       []*run // open ones, oldest first
	byID       map[string]*run
	acts       map[lifeboat.Key]*act         // of the open runs
	placed     []*placed                     // orders of the last day, and those still open, oldest first
	statements map[string]lifeboat.Statement // :: account → the latest
	stirred    bool                          // something was applied since Next last had nothing to say
	quietAt    time.Time
}

// New makes a player without runs. A nil gate lets everything pass.
func New(view View, book *lifeboat.Book, p *plan.Plan, gate Gate) *Player {
	return &Player{view: view, book: book, plan: p, gate: gate, advance: approve.NewAdvance(p),
		byID: map[string]*run{}, acts: map[lifeboat.Key]*act{}, statements: map[string]lifeboat.Statement{}}
}

// An act is an intent and where it stands.
type act struct {
	lifeboat.Intent
	at      time.Time // when it was written
	receipt lifeboat.Receipt
	answers []lifeboat.Answer // of those it went to, in their order
	acked   []string          // who acknowledged it without an answer
}

func (a *act) final() bool { return a.receipt.Status.Final() }

// Apply takes in one journalled event.
func (p *Player) Apply(at time.Time, e lifeboat.Event) {
	p.stirred = true
	p.quarantine.Apply(e)
	p.advance.Apply(at, e)
	switch e := e.(type) {
	case lifeboat.RunStarted:
		r := newRun(at, e)
		p.runs, p.byID[r.Run] = append(p.runs, r), r
	case lifeboat.StepStarted:
		if r, n := p.find(e.Run, e.Step); n != nil {
			r.start(at, n, e)
			p.takeOver(r, n)
		}
	case lifeboat.StepFinished:
		if r, n := p.find(e.Run, e.Step); n != nil {
			r.finish(at, n, e)
		}
	case lifeboat.RunFinished:
		p.end(e.Run)
	case lifeboat.Statement:
		p.stated(e)
	case lifeboat.Reconciled:
		for _, s := range e.Strange {
			p.place(at, s.Order, s.Receipt)
		}
	case lifeboat.Intent:
		if e.Order != nil {
			p.place(at, *e.Order, lifeboat.Receipt{})
		}
		if _, n := p.find(e.Run, e.Step); n != nil {
			a := &act{Intent: e, at: at}
			n.acts, p.acts[e.Key] = append(n.acts, a), a
		}
	case lifeboat.Refused: // it stands in the journal in the place of the intent
		if r := p.byID[e.Run]; r != nil {
			r.refused[e.Key], r.refusedAt = e.Why, at
		}
	case lifeboat.Receipt:
		p.heard(e)
		if a := p.acts[e.Key]; a != nil {
			a.hear(p.byID[a.Run], e)
		}
	case lifeboat.Answer:
		if a := p.acts[lifeboat.Key(e.Question)]; a != nil && a.Message != nil && slices.Contains(a.Message.To, e.By) {
			a.answers = append(a.answers, e)
		}
	case lifeboat.Request:
		p.request(at, e)
	}
}

// hear folds a receipt, and remembers an order or a task that got lost.
func (a *act) hear(r *run, e lifeboat.Receipt) {
	if e.Lost && !a.receipt.Lost && (a.Order != nil || a.Task != nil) {
		r.lost = append(r.lost, a)
	}
	a.receipt = e
}

func (p *Player) find(id, path string) (*run, *node) {
	r := p.byID[id]
	if r == nil {
		return nil, nil
	}
	return r, r.nodes[path]
}

func (p *Player) end(id string) {
	r := p.byID[id]
	if r == nil {
		return
	}
	for _, n := range r.nodes {
		for _, a := range n.all() {
			delete(p.acts, a.Key)
		}
	}
	delete(p.byID, id)
	p.runs = slices.DeleteFunc(p.runs, func(o *run) bool { return o == r })
}

// takeOver stops the runs that r supersedes. It happens when r is about to trade and not when it starts: until somebody
// approved the higher tier, the lower one goes on.
func (p *Player) takeOver(r *run, n *node) {
	if !n.trades() {
		return
	}
	for _, id := range r.Supersedes {
		if old := p.byID[id]; old != nil {
			old.leaving = &outcome{status: lifeboat.Superseded, why: "run " + r.Run + " of a higher tier took over"}
		}
	}
}

// newsMax bounds what goes into the journal at once.
const newsMax = 4096

// Next says what follows, for all runs at once, so that one write of the journal serves them all. Behind a run that places or
// cancels orders, or uses up an approval, it stops: the next run must see the book after them.
func (p *Player) Next(at time.Time) []lifeboat.Event {
	if !p.stirred && at.Equal(p.quietAt) {
		return nil
	}
	var events []lifeboat.Event
	for _, r := range p.runs {
		t := p.look(at, r)
		events = append(events, t.events...)
		if t.alone || len(events) >= newsMax {
			return events
		}
	}
	if len(events) == 0 {
		p.stirred, p.quietAt = false, at
	}
	return events
}

// Due is the earliest time at which an open run moves by itself: a time-out, the end of a wait, an opening market.
func (p *Player) Due() time.Time {
	var due time.Time
	for _, r := range p.runs {
		for _, t := range p.alarms(r) {
			if t.After(p.quietAt) && (due.IsZero() || t.Before(due)) {
				due = t
			}
		}
	}
	return due
}

// Paused says who has paused a run, so that nothing more of it begins; "" for nobody. A run that ends does so without delay.
func (p *Player) Paused(run string) (by string) {
	if r := p.byID[run]; r != nil && !r.paused.IsZero() && r.leaving == nil {
		return r.pausedBy
	}
	return ""
}

// Advance is what owners approved beforehand.
func (p *Player) Advance() *approve.Advance { return p.advance }

// Waits says in a sentence what an open run waits for; "" for a run that is not open, or that has something to do.
func (p *Player) Waits(run string) string {
	r := p.byID[run]
	if r == nil {
		return ""
	}
	return strings.Join(p.look(p.quietAt, r).waits, "; ")
}
