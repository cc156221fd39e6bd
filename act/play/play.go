// Package play carries playbooks out. A playbook is data, pinned by its hash when the run starts; a run is a
// deterministic state machine over journalled events, so a killed process goes on where the journal ends.
//
// Player is a [lifeboat.Stage]: Next looks at every open run and says what follows – a step starts, an intent is
// formed, a step or the run ends. Intents carry keys made from run, step and attempt; the flow writes them before it
// carries them out. What a step sees of the world comes through [View].
//
// It does not talk to venues or people, and it does not decide whether a playbook should run.
package play

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
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
	// Turn is the next time at which the symbol's market opens or closes.
	Turn(symbol string, at time.Time) time.Time
	// Holds evaluates an expression of the rule language; known is false without fresh data.
	Holds(expr string, at time.Time) (truth, known bool, values map[string]float64)
}

// Register is what a run needs of the plan in force; all else is pinned.
type Register interface {
	Person(nameOrRole string) []plan.Person
	Tradable(account string) bool
	IsFractional(symbol string) bool
}

// Player of playbooks.
type Player struct {
	view     View
	book     *lifeboat.Book
	register Register
	runs     []*run // open ones, oldest first
	stirred  bool   // something was applied since Next last had nothing to say
	quietAt  time.Time
}

// New makes a player without runs.
func New(view View, book *lifeboat.Book, register Register) *Player {
	return &Player{view: view, book: book, register: register}
}

// A run as folded from its events.
type run struct {
	lifeboat.RunStarted
	steps  []plan.Step
	pinned plan.Pinned

	step     int // the current or next one
	attempt  int // of the current step; 0 before it started
	ended    bool
	began    time.Time // first attempt of the current step
	tried    time.Time // this attempt
	retryAt  time.Time // when the next attempt may start; zero when one runs
	skipped  int
	acts     []*act // intents of the current attempt
	earlier  []*act // of the attempts at this step before it; what they filled is not traded again
	stopping bool   // superseded by another run
	by       string // the run that supersedes it
}

// An act is an intent and where it stands.
type act struct {
	lifeboat.Intent
	receipt lifeboat.Receipt
	refused string
	answer  *lifeboat.Answer
}

func (a *act) final() bool { return a.refused != "" || a.receipt.Status.Final() }

// Apply takes in one journalled event.
func (p *Player) Apply(at time.Time, e lifeboat.Event) {
	p.stirred = true
	switch e := e.(type) {
	case lifeboat.RunStarted:
		p.begin(e)
	case lifeboat.StepStarted:
		if r := p.run(e.Run); r != nil {
			r.start(at, e)
			p.takeOver(r)
		}
	case lifeboat.StepFinished:
		if r := p.run(e.Run); r != nil {
			r.finish(at, e)
		}
	case lifeboat.RunFinished:
		p.runs = slices.DeleteFunc(p.runs, func(r *run) bool { return r.Run == e.Run })
	case lifeboat.Intent:
		if r := p.run(e.Run); r != nil {
			r.acts = append(r.acts, &act{Intent: e})
		}
	case lifeboat.Refused: // it stands in the journal in the place of the intent
		if r := p.run(e.Run); r != nil {
			r.acts = append(r.acts, &act{Intent: lifeboat.Intent{Key: e.Key, Run: e.Run}, refused: e.Why})
		}
	default:
		p.hear(e)
	}
}

// hear finds the act that a receipt or an answer is about.
func (p *Player) hear(e lifeboat.Event) {
	for _, r := range p.runs {
		for _, a := range r.acts {
			switch e := e.(type) {
			case lifeboat.Receipt:
				if e.Key == a.Key {
					a.receipt = e
				}
			case lifeboat.Answer:
				if e.Question == string(a.Key) && a.Message != nil && slices.Contains(a.Message.To, e.By) {
					a.answer = &e
				}
			}
		}
	}
}

func (p *Player) begin(e lifeboat.RunStarted) {
	pinned, err := plan.Unpin(e.Content)
	if err != nil {
		// A playbook that cannot be read has no steps; Next ends the run and says so.
		p.runs = append(p.runs, &run{RunStarted: e, ended: true})
		return
	}
	p.runs = append(p.runs, &run{RunStarted: e, pinned: pinned, steps: pinned.Playbook.Steps})
}

// takeOver stops the runs that r supersedes. It happens when r is about to trade and not when it starts: until somebody
// approved the higher tier, the lower one goes on.
func (p *Player) takeOver(r *run) {
	if kind := r.steps[r.step].Kind(); kind != "rebalance" && kind != "order" {
		return
	}
	for _, id := range r.Supersedes {
		if old := p.run(id); old != nil {
			old.stopping, old.by = true, r.Run
		}
	}
}

func (r *run) start(at time.Time, e lifeboat.StepStarted) {
	if e.Attempt == 1 {
		r.began = at
	}
	r.earlier = append(r.earlier, r.acts...)
	r.step, r.attempt, r.tried, r.retryAt, r.acts = index(e.Step), e.Attempt, at, time.Time{}, nil
}

func (r *run) finish(at time.Time, e lifeboat.StepFinished) {
	if e.Retry {
		r.retryAt = at.Add(time.Duration(r.steps[r.step].RetryAfter))
		return
	}
	if e.Status == lifeboat.Skipped {
		r.skipped++
	}
	r.step, r.attempt, r.acts, r.earlier = index(e.Step)+1, 0, nil, nil
	r.ended = e.Status != lifeboat.Done && e.Status != lifeboat.Skipped
}

// Next says what follows for the first run that has something to do.
func (p *Player) Next(at time.Time) []lifeboat.Event {
	if !p.stirred && at.Equal(p.quietAt) {
		return nil
	}
	for _, r := range p.runs {
		if events := p.advance(at, r); len(events) > 0 {
			return events
		}
	}
	p.stirred, p.quietAt = false, at
	return nil
}

// Due is the earliest time at which an open run moves by itself: a time-out, the end of a wait, an opening market.
func (p *Player) Due() time.Time {
	var due time.Time
	for _, r := range p.runs {
		for _, t := range p.alarms(r) {
			if !t.IsZero() && (due.IsZero() || t.Before(due)) {
				due = t
			}
		}
	}
	return due
}

func (p *Player) run(id string) *run {
	for _, r := range p.runs {
		if r.Run == id {
			return r
		}
	}
	return nil
}

func (p *Player) advance(at time.Time, r *run) []lifeboat.Event {
	switch {
	case r.stopping:
		return p.giveWay(r)
	case r.ended || r.step >= len(r.steps):
		return []lifeboat.Event{r.end()}
	case r.attempt == 0:
		return []lifeboat.Event{r.begins(1)}
	case !r.retryAt.IsZero():
		if at.Before(r.retryAt) {
			return nil
		}
		return []lifeboat.Event{r.begins(r.attempt + 1)}
	}
	return p.work(at, r)
}

func (r *run) begins(attempt int) lifeboat.StepStarted {
	step := r.steps[r.step]
	return lifeboat.StepStarted{Run: r.Run, Step: path(r.step), Name: step.Name, Kind: step.Kind(), Attempt: attempt}
}

// path of a step of the playbook itself, and the way back.
func path(step int) string { return strconv.Itoa(step + 1) }

func index(path string) int {
	n, _ := strconv.Atoi(path)
	return n - 1
}

func (r *run) end() lifeboat.RunFinished {
	switch {
	case r.steps == nil:
		return lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Failed, Why: "the pinned playbook cannot be read"}
	case r.ended:
		return lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Failed,
			Why: fmt.Sprintf("stopped at step %d of %d (%s)", r.step, len(r.steps), r.steps[r.step-1].Name)}
	case r.skipped > 0:
		return lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Done,
			Why: fmt.Sprintf("%d of %d steps done, %d skipped", len(r.steps)-r.skipped, len(r.steps), r.skipped)}
	}
	return lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Done, Why: "all of " + prose.Count(len(r.steps), "step") + " done"}
}

// giveWay cancels what a superseded run has open, then ends it.
func (p *Player) giveWay(r *run) []lifeboat.Event {
	if cancels := r.cancels(); len(cancels) > 0 {
		return cancels
	}
	if r.openOrders() > 0 {
		return nil
	}
	return []lifeboat.Event{lifeboat.RunFinished{Run: r.Run, Status: lifeboat.Superseded, Why: "run " + r.by + " of a higher tier took over"}}
}

// work advances the current step and turns its outcome into events.
func (p *Player) work(at time.Time, r *run) []lifeboat.Event {
	step := r.steps[r.step]
	acts, out := kinds[step.Kind()].work(p, at, r, step)
	if r.expired(at, step) {
		if cancels := r.cancels(); out == nil && len(cancels) > 0 {
			return cancels
		}
		out = r.late(out, step)
	}
	if out == nil {
		return acts
	}
	return []lifeboat.Event{r.outcome(*out, step)}
}

// late is the outcome of an attempt whose time is up; nil while the venue has not confirmed the cancellations.
func (r *run) late(out *outcome, step plan.Step) *outcome {
	after := "not done after " + span(time.Duration(step.Timeout))
	switch {
	case out == nil && r.openOrders() > 0:
		return nil
	case out == nil:
		return &outcome{status: lifeboat.TimedOut, why: after + r.silence()}
	case out.status == lifeboat.Failed && !out.final:
		return &outcome{status: lifeboat.TimedOut, why: after + ": " + out.why, values: out.values}
	}
	return out
}

// An outcome ends an attempt. refused outcomes are not retried: a person's no is a no.
type outcome struct {
	status lifeboat.Status
	why    string
	values map[string]float64
	final  bool
}

func done(format string, args ...any) *outcome {
	return &outcome{status: lifeboat.Done, why: fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) *outcome {
	return &outcome{status: lifeboat.Failed, why: fmt.Sprintf(format, args...)}
}

func (r *run) outcome(o outcome, step plan.Step) lifeboat.StepFinished {
	finished := lifeboat.StepFinished{Run: r.Run, Step: path(r.step), Status: o.status, Why: o.why, Values: o.values}
	if o.status == lifeboat.Done {
		return finished
	}
	if !o.final && r.attempt <= step.Retries {
		finished.Retry = true
		return finished
	}
	if step.OnFailure == "continue" {
		finished.Status = lifeboat.Skipped
	}
	return finished
}

// expired reports that the attempt has used up its time. A step without a time-out never expires.
func (r *run) expired(at time.Time, step plan.Step) bool {
	return step.Timeout > 0 && !at.Before(r.deadline(step))
}

func (r *run) deadline(step plan.Step) time.Time { return r.tried.Add(time.Duration(step.Timeout)) }

// alarms are the times at which run r must be looked at even if nothing happens.
func (p *Player) alarms(r *run) []time.Time {
	if r.stopping || r.ended || r.step >= len(r.steps) || r.attempt == 0 {
		return nil
	}
	if !r.retryAt.IsZero() {
		return []time.Time{r.retryAt}
	}
	step := r.steps[r.step]
	var times []time.Time
	if step.Timeout > 0 {
		times = append(times, r.deadline(step))
	}
	if wakes := kinds[step.Kind()].wakes; wakes != nil {
		times = append(times, wakes(p, r, step))
	}
	return slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(p.quietAt) })
}

// cancels asks for the cancellation of every open order that was not asked for yet.
func (r *run) cancels() []lifeboat.Event {
	var events []lifeboat.Event
	for _, a := range r.acts {
		key := lifeboat.NewKey("cancel", a.Key)
		asked := slices.ContainsFunc(r.acts, func(b *act) bool { return b.Key == key })
		if a.Act == lifeboat.PlaceOrder && !a.final() && !asked {
			events = append(events, lifeboat.Intent{Key: key, Act: lifeboat.CancelOrder, Run: r.Run, Step: path(r.step),
				Cancel: a.Key, Account: a.Order.Account})
		}
	}
	return events
}

func (r *run) openOrders() int {
	n := 0
	for _, a := range r.acts {
		if a.Act == lifeboat.PlaceOrder && !a.final() {
			n++
		}
	}
	return n
}

// silence names the people who did not answer.
func (r *run) silence() string {
	for _, a := range r.acts {
		if a.Message != nil && a.Message.Question && a.answer == nil {
			return ": no answer from " + list(a.Message.To)
		}
	}
	return ""
}
