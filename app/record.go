package app

import (
	"slices"
	"time"

	"lifeboat"
)

// Record is what a journal says, folded for people: incidents, runs, orders and questions, without any plan at hand.
type Record struct {
	Plan      lifeboat.PlanLoaded
	Last      time.Time // of the last entry
	Entries   int64
	Incidents lifeboat.Incidents
	Runs      []RecordedRun
	Orders    []RecordedOrder
	Questions []Question                  // open
	Readings  map[string]lifeboat.Reading // :: SERIES@source → the last good one
	Active    []lifeboat.Firing           // fired and not cleared, oldest first
	Held      lifeboat.Quarantined

	lost map[lifeboat.Key]bool // questions about acts of which nobody else can tell what became of them
}

// RecordedRun is a run as its events told it.
type RecordedRun struct {
	lifeboat.RunStarted
	At, Ended time.Time // Ended is zero while it is open
	Status    lifeboat.Status
	Step      string // the step it is at
	Why       string
}

// RecordedOrder is an order and the last that was heard of it.
type RecordedOrder struct {
	lifeboat.Order
	At      time.Time
	Run     string
	Receipt lifeboat.Receipt
}

// Question waits for a person.
type Question struct {
	Key  lifeboat.Key `json:"key"`
	At   time.Time    `json:"asked"`
	Run  string       `json:"run,omitempty"`
	Step string       `json:"step,omitempty"`
	To   []string     `json:"to"`
	Text string       `json:"text"`
	// Content is the digest of what a yes permits, and Factor the second factor that it takes; "" for none.
	Content string `json:"content,omitempty"`
	Factor  string `json:"factor,omitempty"`
	// Answered are those who have said yes so far, where that is not enough.
	Answered []string `json:"answered,omitempty"`
	// Proposal is what a yes permits; nil where nothing was frozen.
	Proposal *lifeboat.Proposal `json:"proposal,omitempty"`
}

// Apply folds one entry into the record.
func (r *Record) Apply(at time.Time, e lifeboat.Event) {
	r.Last = at
	r.Entries++
	r.Incidents.Apply(at, e)
	r.Held.Apply(e)
	switch e := e.(type) {
	case lifeboat.PlanLoaded:
		r.Plan = e
	case lifeboat.Instant:
		r.read(at, e.Readings)
	case lifeboat.Firing:
		r.Active = slices.DeleteFunc(r.Active, func(f lifeboat.Firing) bool { return f.Trigger == e.Trigger })
		if e.State == lifeboat.Fired {
			r.Active = append(r.Active, e)
		}
	case lifeboat.RunStarted:
		r.Runs = append(r.Runs, RecordedRun{RunStarted: e, At: at, Status: lifeboat.Running})
	case lifeboat.StepStarted:
		r.run(e.Run, func(run *RecordedRun) { run.Step = e.Name })
	case lifeboat.RunFinished:
		r.run(e.Run, func(run *RecordedRun) { run.Ended, run.Status, run.Why = at, e.Status, e.Why })
		r.settle(func(q Question) bool { return q.Run == e.Run })
	case lifeboat.StepFinished:
		r.settle(func(q Question) bool { return q.Run == e.Run && q.Step == e.Step && !r.lost[q.Key] })
	case lifeboat.Answer:
		r.answered(e)
	case lifeboat.Decision:
		if e.Verdict != lifeboat.Ask { // the firing is decided: nobody is asked about it any more
			r.settle(func(q Question) bool { return q.Run == "" && q.Key == lifeboat.Key(e.Question) })
		}
	case lifeboat.Intent:
		r.intent(at, e)
	case lifeboat.Receipt:
		r.receipt(e)
	}
}

func (r *Record) read(at time.Time, readings []lifeboat.Reading) {
	if r.Readings == nil {
		r.Readings = map[string]lifeboat.Reading{}
	}
	for _, reading := range readings {
		if reading.Quality != lifeboat.Good {
			continue
		}
		if reading.At.IsZero() {
			reading.At = at
		}
		r.Readings[string(reading.Series)+"@"+reading.Source] = reading
	}
}

func (r *Record) intent(at time.Time, e lifeboat.Intent) {
	if e.Order != nil {
		r.Orders = append(r.Orders, RecordedOrder{Order: *e.Order, At: at, Run: e.Run})
	}
	if e.Message != nil && e.Message.Question {
		r.Questions = append(r.Questions, Question{Key: e.Key, At: at, Run: e.Run, Step: e.Step, To: e.Message.To, Text: e.Message.Text,
			Content: e.Message.Content, Factor: e.Message.Factor, Proposal: e.Message.Proposal})
	}
	if e.Act == lifeboat.PerformTask || e.Act == lifeboat.PlaceOrder { // enough have said yes: what asked them goes on
		r.settle(func(q Question) bool {
			return q.Run == e.Run && q.Step == e.Step && len(q.Answered) > 0 && !r.lost[q.Key]
		})
	}
}

// answered settles a question by a no, or when nobody is left to answer it. How many must say yes is not known here: a question of several
// stays open until what asked it goes on.
func (r *Record) answered(e lifeboat.Answer) {
	for i := range r.Questions {
		q := &r.Questions[i]
		if string(q.Key) == e.Question && e.Yes && !slices.Contains(q.Answered, e.By) {
			q.Answered = append(q.Answered, e.By)
		}
	}
	r.settle(func(q Question) bool {
		return string(q.Key) == e.Question && (!e.Yes || r.lost[q.Key] || len(q.Answered) >= len(q.To))
	})
}

func (r *Record) receipt(e lifeboat.Receipt) {
	if e.Lost {
		if r.lost == nil {
			r.lost = map[lifeboat.Key]bool{}
		}
		r.lost[lifeboat.NewKey("lost", e.Key)] = true
	}
	for i := range r.Orders {
		if r.Orders[i].ID == e.Key {
			r.Orders[i].Receipt = e
		}
	}
}

// settle forgets the questions that nobody needs to answer any more.
func (r *Record) settle(answered func(Question) bool) {
	r.Questions = slices.DeleteFunc(r.Questions, answered)
}

func (r *Record) run(id string, change func(*RecordedRun)) {
	for i := range r.Runs {
		if r.Runs[i].Run == id {
			change(&r.Runs[i])
		}
	}
}

// Open runs.
func (r *Record) Open() []RecordedRun {
	return slices.DeleteFunc(slices.Clone(r.Runs), func(run RecordedRun) bool { return run.Status != lifeboat.Running })
}
