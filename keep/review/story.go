package review

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// A story is the subject's events, put together.
type story struct {
	of             Subject
	zone           *time.Location
	opened, closed time.Time // zero closed: still open
	tier           lifeboat.Tier
	timeline       []moment
	firings        []entry[lifeboat.Firing]
	decisions      []entry[lifeboat.Decision]
	runs           []*run
	orders         []*order
	questions      []*question
	refused        []entry[lifeboat.Refused]
	gaps           []entry[lifeboat.Gap]
	tasks          map[lifeboat.Key]string // :: key → kind
	taken          map[lifeboat.Key]bool   // tasks of which it is known that they are under way
}

// An entry is an event of one kind and its time.
type entry[E lifeboat.Event] struct {
	at    time.Time
	event E
}

// A moment is one line of the timeline.
type moment struct {
	at   time.Time
	text string
}

// A run with its steps, as it went.
type run struct {
	id, playbook, trigger, by string
	rto                       time.Duration
	started, finished         time.Time
	status                    lifeboat.Status
	why                       string
	steps                     []*step
	pinned                    plan.Pinned
}

type step struct {
	place             string // its path in the run
	name, kind        string
	rto               time.Duration
	attempts          int
	started, finished time.Time
	status            lifeboat.Status
	why               string
	planned           plan.Step // as the owner wrote it; empty when it cannot be found
	branch            string    // which way an if went
}

// An order and the last thing its venue said.
type order struct {
	at      time.Time
	placed  lifeboat.Order
	receipt lifeboat.Receipt
}

// A question and who answered it.
type question struct {
	at     time.Time
	key    lifeboat.Key
	to     []string
	text   string
	answer *entry[lifeboat.Answer]
}

// fold puts a story together from the events that belong to the subject, in their order.
func fold(of Subject, events iter.Seq2[time.Time, lifeboat.Event]) *story {
	s := &story{of: of, zone: of.Zone, tasks: map[lifeboat.Key]string{}, taken: map[lifeboat.Key]bool{}}
	if s.zone == nil {
		s.zone = time.UTC
	}
	for _, e := range s.own(events) {
		s.take(e.at, e.event)
	}
	return s
}

type happening struct {
	at    time.Time
	event lifeboat.Event
}

// own keeps the events between an incident's opening and its close, both instants included: the firing that opened it
// is written just before it. Readings are left out; what they led to is told.
func (s *story) own(events iter.Seq2[time.Time, lifeboat.Event]) []happening {
	var all []happening
	for at, event := range events {
		if _, reading := event.(lifeboat.Instant); reading {
			continue
		}
		all = append(all, happening{at, event})
		change, ok := event.(lifeboat.IncidentChange)
		if !ok || s.of.Incident != "" && change.ID != s.of.Incident {
			continue
		}
		s.tier = max(s.tier, change.Tier)
		switch change.State {
		case lifeboat.IncidentOpened:
			if s.opened.IsZero() {
				s.opened = at
			}
			s.closed = time.Time{} // of several episodes the last one counts
		case lifeboat.IncidentClosed:
			s.closed = at
		}
	}
	if s.of.Incident == "" {
		return all
	}
	return slices.DeleteFunc(all, func(h happening) bool {
		return s.opened.IsZero() || h.at.Before(s.opened) || !s.closed.IsZero() && h.at.After(s.closed)
	})
}

func (s *story) take(at time.Time, event lifeboat.Event) {
	switch e := event.(type) {
	case lifeboat.Firing:
		s.firings = append(s.firings, entry[lifeboat.Firing]{at, e})
		s.tell(at, "%s %s (tier %d %s, %s)%s", e.Trigger, e.State, int(e.Tier), e.Tier, e.Severity, prose.After(": ", values(e.Values)))
	case lifeboat.IncidentChange:
		s.tell(at, "Incident %s %s %d %s", e.ID, change(e.State), int(e.Tier), e.Tier)
	case lifeboat.Decision:
		s.decisions = append(s.decisions, entry[lifeboat.Decision]{at, e})
		s.tell(at, "%s%s%s, by %s%s", whose(e.Trigger), decided(e.Verdict), prose.After(" ", e.Playbook), e.By, prose.After(": ", e.Why))
	case lifeboat.Answer:
		s.answer(at, e)
	case lifeboat.Gap:
		s.gaps = append(s.gaps, entry[lifeboat.Gap]{at, e})
		s.tell(at, "%s", gap(e))
	case lifeboat.Resumed:
		s.tell(at, "lifeboat runs again; nothing shows that it did for %s before", prose.Span(at.Sub(e.Since)))
	case lifeboat.RunStarted:
		s.start(at, e)
	case lifeboat.StepStarted, lifeboat.StepFinished, lifeboat.RunFinished:
		s.advance(at, event)
	case lifeboat.Intent:
		s.intend(at, e)
	case lifeboat.Refused:
		s.refused = append(s.refused, entry[lifeboat.Refused]{at, e})
		s.tell(at, "Refused: %s", e.Why)
	case lifeboat.Receipt:
		s.receive(at, e)
	default:
		if text := around(event); text != "" {
			s.tell(at, "%s", text)
		}
	}
}

func (s *story) tell(at time.Time, format string, args ...any) {
	s.timeline = append(s.timeline, moment{at, fmt.Sprintf(format, args...)})
}

func (s *story) start(at time.Time, e lifeboat.RunStarted) {
	r := &run{id: e.Run, playbook: e.Playbook, trigger: e.Trigger, by: e.By, started: at, status: lifeboat.Running}
	// The content is what lifeboat itself pinned. One that this version cannot read has no RTO to compare.
	if pinned, err := plan.Unpin(e.Content); err == nil {
		r.pinned, r.rto = pinned, time.Duration(pinned.Playbook.RTO)
	}
	s.runs = append(s.runs, r)
	s.tell(at, "Playbook %s started as run %s, on the authority of %s.", e.Playbook, e.Run, e.By)
}

func (s *story) advance(at time.Time, event lifeboat.Event) {
	switch e := event.(type) {
	case lifeboat.StepStarted:
		if r := s.run(e.Run); r != nil {
			r.begin(at, e)
			s.begins(at, r, e)
		}
	case lifeboat.StepFinished:
		r := s.run(e.Run)
		if r == nil {
			return
		}
		if st := r.step(e.Step); st != nil {
			st.why, st.status = e.Why, e.Status
			if !e.Retry {
				st.finished = at
			}
			s.tell(at, "Step %s (%s) of %s %s%s%s", e.Step, st.name, r.playbook, e.Status, prose.After(": ", e.Why), s.again(at, e))
		}
	case lifeboat.RunFinished:
		if r := s.run(e.Run); r != nil {
			r.finished, r.status, r.why = at, e.Status, e.Why
			s.tell(at, "Playbook %s %s%s", r.playbook, e.Status, prose.After(": ", e.Why))
		}
	}
}

func (r *run) begin(at time.Time, e lifeboat.StepStarted) {
	st := r.step(e.Step)
	if st == nil {
		st = &step{place: e.Step, name: e.Name, kind: e.Kind, started: at, planned: r.plannedAt(e.Step)}
		st.rto = time.Duration(st.planned.RTO)
		r.steps = append(r.steps, st)
	}
	st.attempts, st.status, st.finished = e.Attempt, lifeboat.Running, time.Time{}
	if e.Branch != "" {
		st.branch = e.Branch
	}
}

func (s *story) run(id string) *run {
	for _, r := range s.runs {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (r *run) step(place string) *step {
	for _, st := range r.steps {
		if st.place == place {
			return st
		}
	}
	return nil
}

func (s *story) intend(at time.Time, e lifeboat.Intent) {
	switch {
	case e.Order != nil:
		s.orders = append(s.orders, &order{at: at, placed: *e.Order})
		s.tell(at, "Order: %s %s %s in %s.", e.Order.Side, e.Order.Quantity, e.Order.Symbol, e.Order.Account)
	case e.Message != nil && e.Message.Question:
		s.questions = append(s.questions, &question{at: at, key: e.Key, to: e.Message.To, text: e.Message.Text})
		s.tell(at, "Asked %s: %s", strings.Join(e.Message.To, ", "), e.Message.Text)
	case e.Message != nil:
		s.tell(at, "Told %s: %s", strings.Join(e.Message.To, ", "), e.Message.Text)
	case e.Cancel != "" && s.tasks[e.Cancel] != "":
		s.tell(at, "Stopped: %s.", taskName(s.tasks[e.Cancel]))
	case e.Cancel != "":
		s.tell(at, "Cancelled order %s.", e.Cancel)
	case e.Task != nil:
		s.tasks[e.Key] = e.Task.Kind
		s.tell(at, "Task: %s.", taskName(e.Task.Kind))
	}
}

func (s *story) answer(at time.Time, e lifeboat.Answer) {
	said := map[bool]string{true: "yes", false: "no"}[e.Yes]
	signed := ""
	if e.Factor != nil {
		signed = ", signed with " + e.Factor.Kind
	}
	s.tell(at, "%s said %s%s%s", e.By, said, signed, prose.After(": ", e.Note))
	for _, label := range slices.Sorted(maps.Keys(e.Evidence)) {
		s.tell(at, "%s attached %s: %s", e.By, label, e.Evidence[label])
	}
	for _, q := range s.questions {
		if string(q.key) == e.Question && q.answer == nil {
			q.answer = &entry[lifeboat.Answer]{at, e}
		}
	}
}

func (s *story) receive(at time.Time, e lifeboat.Receipt) {
	if kind, task := s.tasks[e.Key]; task {
		s.performed(at, taskName(kind), e)
	}
	for _, o := range s.orders {
		if o.placed.ID != e.Key {
			continue
		}
		o.receipt = e
		switch {
		case !e.Filled.IsZero():
			s.tell(at, "%s %s: %s of %s at %s%s", o.placed.Symbol, e.Status, e.Filled, o.placed.Quantity, price(e.Price), prose.After(": ", e.Why))
		default:
			s.tell(at, "%s %s%s", o.placed.Symbol, e.Status, prose.After(": ", e.Why))
		}
	}
}

// wrong is everything that did not do what it should have, in the words of the plan.
func (s *story) wrong() []string {
	var all []string
	for _, r := range s.runs {
		for _, st := range r.steps {
			switch st.status {
			case lifeboat.Failed, lifeboat.Skipped, lifeboat.TimedOut:
				all = append(all, fmt.Sprintf("Step %s (%s) of %s %s%s", st.place, st.name, r.playbook, st.status, prose.After(": ", st.why)))
			}
			if over(st.took(), st.rto, st.finished.IsZero()) {
				all = append(all, fmt.Sprintf("Step %s (%s) of %s: %s", st.place, st.name, r.playbook, against(st.took(), st.rto, st.finished.IsZero())))
			}
		}
		if r.status == lifeboat.Failed || r.status == lifeboat.TimedOut {
			all = append(all, fmt.Sprintf("Playbook %s %s%s", r.playbook, r.status, prose.After(": ", r.why)))
		}
		if over(r.took(), r.rto, r.open()) {
			all = append(all, fmt.Sprintf("Playbook %s: %s", r.playbook, against(r.took(), r.rto, r.open())))
		}
	}
	for _, o := range s.orders {
		if o.receipt.Status != lifeboat.Filled {
			all = append(all, fmt.Sprintf("The order to %s %s %s filled %s (%s)%s", o.placed.Side, o.placed.Quantity, o.placed.Symbol,
				o.receipt.Filled, o.standing(), prose.After(": ", o.receipt.Why)))
		}
	}
	for _, q := range s.questions {
		if q.answer == nil {
			all = append(all, fmt.Sprintf("Nobody answered the question to %s of %s", strings.Join(q.to, ", "), s.clock(q.at)))
		}
	}
	for _, r := range s.refused {
		all = append(all, "Refused: "+r.event.Why)
	}
	for _, g := range s.gaps {
		if g.event.State == lifeboat.GapOpened {
			all = append(all, gap(g.event))
		}
	}
	return all
}

func (o *order) standing() string {
	if o.receipt.Status == "" {
		return "no word from the venue"
	}
	return string(o.receipt.Status)
}

func (r *run) open() bool                 { return r.finished.IsZero() }
func (r *run) took() time.Duration        { return r.finished.Sub(r.started) }
func (st *step) took() time.Duration      { return st.finished.Sub(st.started) }
func (s *story) clock(t time.Time) string { return t.In(s.zone).Format("2006-01-02 15:04:05") }

// outcome of a run in a few words.
func (r *run) outcome() string {
	if r.open() {
		return "is not finished"
	}
	return fmt.Sprintf("%s in %s", r.status, prose.Span(r.took()))
}

// name of what is reviewed: Drill or Incident comes first, so that nobody takes one for the other.
func (s *story) name() string {
	name := "Incident"
	if s.of.Drill != "" {
		name = fmt.Sprintf("Drill %q", s.of.Drill)
	}
	if s.of.Incident != "" && s.of.Drill != "" {
		name += ", incident"
	}
	return name + prose.After(" ", s.of.Incident)
}

func (s *story) summary() string {
	text := "No trigger fired."
	if s.tier > 0 {
		text = fmt.Sprintf("Opened %s", s.clock(s.opened))
		if len(s.firings) > 0 {
			text += fmt.Sprintf(" by %s", prose.Inline(s.firings[0].event.Trigger))
		}
		text += fmt.Sprintf("; highest tier %d %s; ", int(s.tier), s.tier)
		if s.closed.IsZero() {
			text += "still open when this was written."
		} else {
			text += fmt.Sprintf("closed %s, after %s.", s.clock(s.closed), prose.Span(s.closed.Sub(s.opened)))
		}
	}
	if s.of.Drill != "" {
		text += " This was a drill: no real order was placed."
	}
	return fmt.Sprintf("Portfolio: %s. Times are %s. %s", prose.Inline(s.of.Portfolio), s.zone, text)
}

// traded sums the orders up; slippage is weighted by their value on arrival, positive is a loss.
func (s *story) traded() string {
	filled, cost, arrived := 0, decimal.Zero, decimal.Zero
	for _, o := range s.orders {
		if o.receipt.Status == lifeboat.Filled {
			filled++
		}
		worse := o.receipt.Price.Sub(o.placed.Arrival)
		if o.placed.Side == lifeboat.Sell {
			worse = worse.Neg()
		}
		cost = cost.Add(worse.Mul(o.receipt.Filled))
		arrived = arrived.Add(o.placed.Arrival.Mul(o.receipt.Filled))
	}
	text := fmt.Sprintf("%d orders, %d filled in full", len(s.orders), filled)
	if len(s.orders) == 1 {
		text = fmt.Sprintf("1 order, %d filled in full", filled)
	}
	if arrived.IsPositive() {
		text += fmt.Sprintf(", slippage %.1f bp", cost.Div(arrived).InexactFloat64()*1e4)
	}
	return text
}
