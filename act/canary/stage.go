package canary

import (
	"slices"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Stage holds the canaries of a plan, as a stage of the flow. Its news are trials that are due and words to the owners. It is
// the flow's alone, but for Readings and Find, which anybody may ask for.
type Stage struct {
	plan   *plan.Plan
	owners []string
	free   func() bool // whether the breaker lets trials pass

	mu    sync.Mutex // guards what follows
	all   []*kept    // in the order of the plan
	held  lifeboat.Quarantined
	hash  string    // of the plan in force
	since time.Time // when it came into force
}

// A kept canary is one of an account, with what people were told of it.
type kept struct {
	*Canary
	account string
	told    Alarm
	toldAt  time.Time
	wait    time.Time // a trial was refused, and none is asked for before
}

// afterRefusal is how long no trial is asked for after one was refused. What refuses them for longer, such as a halt, is
// waited for and not asked.
const afterRefusal = 15 * time.Minute

// NewStage holds the canaries of a plan; nil when it has none. Free says whether the breaker lets trials pass.
func NewStage(p *plan.Plan, owners []string, free func() bool) (*Stage, error) {
	s := &Stage{plan: p, owners: owners, free: free}
	for _, a := range p.Accounts {
		if a.Canary == nil {
			continue
		}
		c, err := New(Config{Venue: a.Name, Every: time.Duration(a.Canary.Every), Late: time.Duration(a.Canary.Limit), Slow: a.Canary.Slow})
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, &kept{Canary: c, account: a.Name})
	}
	if len(s.all) == 0 {
		return nil, nil
	}
	return s, nil
}

// Apply takes in one event of the journal.
func (s *Stage) Apply(at time.Time, e lifeboat.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.Apply(e)
	switch e := e.(type) {
	case lifeboat.PlanLoaded:
		if e.Hash != s.hash {
			s.hash, s.since = e.Hash, at
		}
	case lifeboat.Intent:
		s.intend(at, e)
	case lifeboat.Refused:
		for _, k := range s.all {
			if e.Key == k.NextKey(at) {
				k.wait = at.Add(afterRefusal)
			}
		}
	case lifeboat.Receipt:
		for _, k := range s.all {
			if e.Key == k.Open() {
				k.end(at, e)
			}
		}
	}
}

// intend takes in a trial that begins, or a word that was told.
func (s *Stage) intend(at time.Time, i lifeboat.Intent) {
	for _, k := range s.all {
		switch {
		case i.Act == lifeboat.PerformTask && i.Task != nil && i.Task.Kind == plan.TrialTask && i.Account == k.account:
			k.Canary.Apply(Event{At: at, Key: i.Key, Step: Began})
		case i.Act == lifeboat.SendMessage && i.Run == "":
			for _, alarm := range alarms {
				if i.Key == k.word(alarm, at) {
					k.told, k.toldAt = alarm, at
				}
			}
		}
	}
}

var alarms = []Alarm{Calm, Slower, Late, Refused, Blind}

// end takes in how a trial ended. What nobody can find out any more counts as refused: the money has not come out for all that
// is known, and a person must look.
func (k *kept) end(at time.Time, r lifeboat.Receipt) {
	switch {
	case r.Status == lifeboat.Performed:
		k.Canary.Apply(Event{At: at, Key: r.Key, Step: Ended})
	case r.Lost, r.Status.Final():
		k.Canary.Apply(Event{At: at, Key: r.Key, Step: Failed, Why: r.Why})
	}
}

// Next asks for the trials that are due, and tells the owners of alarms that have turned.
func (s *Stage) Next(at time.Time) []lifeboat.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var news []lifeboat.Event
	for _, k := range s.all {
		if due, idle := s.due(k); idle && !at.Before(due) {
			if t, permitted := s.plan.Trial(k.account); permitted {
				news = append(news, lifeboat.Intent{Key: k.NextKey(at), Act: lifeboat.PerformTask, Account: k.account, Task: &t})
				continue // what it says follows once it is under way
			}
		}
		if f := s.find(k, at); f.Alarm != k.told && len(s.owners) > 0 {
			news = append(news, lifeboat.Intent{Key: k.word(f.Alarm, at), Act: lifeboat.SendMessage, Message: &lifeboat.Message{
				To: s.owners, Text: sentence(f), Tier: urgency(f.Alarm), Subject: "Exits from " + k.account}})
		}
	}
	return news
}

// due is when a canary's next trial begins; false while one is under way, or none may begin until something else happens.
func (s *Stage) due(k *kept) (time.Time, bool) {
	due, idle := k.Canary.Due()
	if _, held := s.held.Holds(k.account); !idle || held || !s.free() {
		return time.Time{}, false
	}
	return later(due, k.wait), true
}

// find says what the trials of an account say. Where none was ever tried nobody is alarmed before one should long have been.
func (s *Stage) find(k *kept, at time.Time) Finding {
	f := k.Canary.Find(at)
	if f.Alarm == Blind && k.began.IsZero() && at.Sub(s.since) <= 2*k.cfg.Every {
		f.Alarm = Calm
	}
	return f
}

// Due is when the next trial begins, or the next alarm turns by time alone.
func (s *Stage) Due() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first time.Time
	for _, k := range s.all {
		times := s.turns(k)
		if due, idle := s.due(k); idle {
			times = append(times, later(due, s.since)) // the first is due as soon as there is a plan
		}
		for _, t := range times {
			if first.IsZero() || t.Before(first) {
				first = t
			}
		}
	}
	return first
}

// turns are the times after the last word at which the alarm will be another one than was told, unless something happens.
func (s *Stage) turns(k *kept) []time.Time {
	if len(s.owners) == 0 {
		return nil // nobody is told
	}
	var times []time.Time
	usual, known := k.usual()
	switch {
	case k.open.Key != "":
		if times = append(times, k.open.At.Add(k.cfg.Late)); known {
			times = append(times, k.open.At.Add(time.Duration(float64(usual)*k.cfg.Slow)))
		}
	case k.began.IsZero():
		times = append(times, s.since.Add(2*k.cfg.Every))
	default:
		times = append(times, k.ended.Add(2*k.cfg.Every))
	}
	for i := range times {
		times[i] = times[i].Add(1) // a limit is passed, not reached
	}
	return slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(k.toldAt) || s.find(k, t).Alarm == k.told })
}

// Readings are the latencies that are known at a time, for triggers.
func (s *Stage) Readings(at time.Time) []lifeboat.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	var known []lifeboat.Reading
	for _, k := range s.all {
		if r := k.Reading(at); r.Quality == lifeboat.Good {
			known = append(known, r)
		}
	}
	return known
}

// Find says what the trials of every account say, in the order of the plan.
func (s *Stage) Find(at time.Time) []Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Finding
	for _, k := range s.all {
		all = append(all, s.find(k, at))
	}
	return all
}

// word names what is told of an alarm that turned at a time.
func (k *kept) word(alarm Alarm, at time.Time) lifeboat.Key {
	return lifeboat.NewKey("canary-alarm", k.account, alarm, at.UnixNano())
}

func sentence(f Finding) string {
	if f.Alarm == Calm {
		return "As usual again: " + f.Text + "."
	}
	return "The canary: " + f.Text + "."
}

// urgency of an alarm; that it is over wakes nobody.
func urgency(alarm Alarm) lifeboat.Tier {
	if alarm == Calm {
		return 0
	}
	return lifeboat.Action
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
