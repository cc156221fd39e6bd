// Package escalate sees to it that a message that matters reaches somebody who says so.
//
// Every question and every message of tier 2 or 3 opens a thread. Until somebody who was told acknowledges it, or it is
// over, the same people are told again at the plan's interval, and the plan's rungs are told in turn. An acknowledgement
// stops that, and whoever was told before learns who has it. A question that is acknowledged and not answered after half an
// hour is told again. What one person has open at one time is one message.
//
// [Ladder] is a stage: its state is a fold over the journal alone, so that a restart goes on where it stopped. Its
// messages pass the flow like every other; their keys follow from the thread, the person and how often that person was told.
//
// It sends nothing, knows no channel, and decides nothing but whom to tell when. Who may answer a question is not its
// business: somebody on a rung can acknowledge and call those who may.
package escalate

import (
	"cmp"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// The limits of a ladder.
const (
	// againDefault is the interval when the plan names none.
	againDefault = 5 * time.Minute
	// reopenAfter is how long an acknowledged question rests that nobody answers.
	reopenAfter = 30 * time.Minute
	// timesMax is how often one person is told again of one matter: two hours at the default interval; of an emergency a day.
	timesMax, timesMaxEmergency = 24, 288
	// threadsMax bounds what is remembered; of more, what is over or acknowledged is forgotten first, then the least grave.
	threadsMax = 512
	// overKept is how long a thread is remembered that is over.
	overKept = time.Hour
	// silenceMax is how long anybody can ask for silence.
	silenceMax = 24 * time.Hour
)

// Ladder is all threads.
type Ladder struct {
	plan    *plan.Plan
	again   time.Duration
	rungs   []plan.Rung
	rests   map[string]plan.Rest
	threads []*thread // oldest first
	about   map[lifeboat.Key][]lifeboat.Key
	asks    map[lifeboat.Key]string // :: question of a decision → its trigger
	silent  map[string]time.Time    // :: person → until
	open    bool                    // an incident is
	latest  time.Time
}

// thread is one matter.
type thread struct {
	key       lifeboat.Key
	message   lifeboat.Message
	tier      lifeboat.Tier
	run, step string
	trigger   string // whose start is asked for
	opened    time.Time
	since     time.Time // the climbing began
	told      []*told   // in the order in which they were told
	how       string    // what took the first message
	unreached bool      // nothing took one of its messages
	taken     string    // who has it
	takenAt   time.Time
	takenTold bool
	over      string // why
	overAt    time.Time
	overBy    string
	overTold  bool
	turns     int // how often it was acknowledged
}

// told is one person as far as one thread goes.
type told struct {
	name        string
	first, last time.Time
	times       int // told again, since the last acknowledgement
	in          int // told again, in all
	answered    bool
	acked       time.Time // for the first time
}

// New makes an empty ladder for a plan.
func New(p *plan.Plan) *Ladder {
	l := &Ladder{plan: p, again: againDefault, rests: map[string]plan.Rest{}, about: map[lifeboat.Key][]lifeboat.Key{}, asks: map[lifeboat.Key]string{},
		silent: map[string]time.Time{}}
	if m := p.Messages; m != nil {
		l.again, l.rungs = cmp.Or(time.Duration(m.Again), againDefault), m.Escalate
	}
	for _, person := range p.People {
		l.rests[person.Name] = p.RestOf(person)
	}
	return l
}

// Apply takes in one journalled event.
func (l *Ladder) Apply(at time.Time, e lifeboat.Event) {
	l.latest = at
	switch e := e.(type) {
	case lifeboat.Intent:
		l.sent(at, e)
	case lifeboat.Refused:
		l.refused(at, e.Key)
	case lifeboat.Receipt:
		l.received(e)
	case lifeboat.Request:
		l.asked(at, e)
	case lifeboat.Answer:
		if t := l.thread(lifeboat.Key(e.Question)); t != nil && t.message.Question {
			if who := t.toldTo(e.By); who != nil {
				who.answered = true
			}
		}
	case lifeboat.Decision:
		l.decided(at, e)
	case lifeboat.StepFinished:
		l.end(at, "", e.Why, func(t *thread) bool { return t.message.Question && t.run == e.Run && t.step == e.Step })
	case lifeboat.RunFinished:
		l.end(at, "", e.Why, func(t *thread) bool { return t.message.Question && t.run == e.Run })
	case lifeboat.IncidentChange:
		if l.open = e.State != lifeboat.IncidentClosed; !l.open {
			l.end(at, e.By, "the incident is over", func(t *thread) bool { return !t.message.Question || t.trigger != "" })
		}
	}
}

// sent folds a message: it opens a thread, repeats one, or says how one stands.
func (l *Ladder) sent(at time.Time, e lifeboat.Intent) {
	switch {
	case e.Act != lifeboat.SendMessage || e.Message == nil:
	case e.Message.Thread != "":
		if t := l.thread(e.Message.Thread); t != nil {
			l.followed(at, t, e)
		}
	case (e.Message.Question || e.Message.Tier >= lifeboat.Action) && len(e.Message.To) > 0 && l.thread(e.Key) == nil:
		t := &thread{key: e.Key, message: *e.Message, tier: max(e.Message.Tier, lifeboat.Action), run: e.Run, step: e.Step, trigger: l.asks[e.Key], opened: at, since: at}
		delete(l.asks, e.Key)
		for _, name := range e.Message.To {
			t.told = append(t.told, &told{name: name, first: at, last: at})
		}
		l.threads = append(l.threads, t)
		l.forget(at)
	}
}

// received folds whether a message arrived. What nothing took is handed on at once.
func (l *Ladder) received(r lifeboat.Receipt) {
	for _, t := range l.threadsOf(r.Key) {
		switch {
		case r.Status == lifeboat.OrderRejected:
			t.unreached = true
		case r.Status == lifeboat.Sent && r.Key == t.key:
			t.how = r.Why
		}
	}
}

// followed folds a message about a thread that there is. Its key says what it is.
func (l *Ladder) followed(at time.Time, t *thread, e lifeboat.Intent) {
	switch e.Key {
	case t.takenKey():
		t.takenTold = true
	case t.overKey():
		t.overTold = true
	default:
		for _, name := range e.Message.To {
			l.toldAgain(at, t, e.Key, name)
		}
	}
}

func (t *thread) takenKey() lifeboat.Key { return lifeboat.NewKey("taken", t.key, t.turns) }
func (t *thread) overKey() lifeboat.Key  { return lifeboat.NewKey("over", t.key) }

// toldAgain folds that a person was told of a thread, and with it of all that waits for the person; or for the first time.
func (l *Ladder) toldAgain(at time.Time, t *thread, key lifeboat.Key, name string) {
	t.reopen(at)
	if t.toldTo(name) == nil {
		t.told = append(t.told, &told{name: name, first: at, last: at})
		l.about[key] = append(l.about[key], t.key)
		return
	}
	for _, other := range l.waiting(at, name) {
		other.reopen(at)
		who := other.toldTo(name)
		who.last = at
		who.times++
		who.in++
		l.about[key] = append(l.about[key], other.key)
	}
}

// reopen forgets an acknowledgement that has run out.
func (t *thread) reopen(at time.Time) {
	if t.taken != "" {
		t.taken, t.since = "", at
	}
}

// asked folds an acknowledgement, and a wish for silence. What makes no sense is ignored.
func (l *Ladder) asked(at time.Time, r lifeboat.Request) {
	switch r.Verb {
	case lifeboat.Acknowledge:
		for _, t := range l.threadsOf(lifeboat.Key(r.Object)) {
			l.acknowledged(at, t, r.By)
		}
	case lifeboat.KeepSilent:
		if span, err := plan.ParseDuration(r.Object); err == nil {
			l.silent[r.By] = at.Add(min(time.Duration(span), silenceMax))
		}
	}
}

// acknowledged folds that one who was told of a thread has it. With no incident open, that was all a statement wanted.
func (l *Ladder) acknowledged(at time.Time, t *thread, by string) {
	who := t.toldTo(by)
	if who == nil {
		return
	}
	if who.acked.IsZero() {
		who.acked = at
	}
	if t.over != "" {
		return
	}
	t.taken, t.takenAt, t.takenTold, t.unreached = by, at, false, false
	t.turns++
	for _, one := range t.told {
		one.times = 0
	}
	if !t.message.Question && !l.open {
		t.over, t.overAt, t.overBy = by+" has it", at, by
	}
}

// decided ends the question that a decision settles. One of the plan's own that names no question is about another firing.
func (l *Ladder) decided(at time.Time, e lifeboat.Decision) {
	if e.Verdict == lifeboat.Ask {
		l.asks[lifeboat.Key(e.Question)] = e.Trigger
		return
	}
	l.end(at, "", e.Why, func(t *thread) bool {
		return t.trigger != "" && (e.Question == string(t.key) || e.Question == "" && e.Trigger == t.trigger && e.By != "plan")
	})
}

// end closes threads.
func (l *Ladder) end(at time.Time, by, why string, which func(*thread) bool) {
	for _, t := range l.threads {
		if t.over == "" && which(t) {
			t.over, t.overAt, t.overBy = cmp.Or(why, "it is over"), at, by
		}
	}
}

// refused folds that a message of this stage was not permitted: it counts as sent, or it would be wanted for ever.
func (l *Ladder) refused(at time.Time, key lifeboat.Key) {
	for _, t := range l.threads {
		for _, wanted := range l.wants(at, t) {
			if wanted.Key == key {
				l.followed(at, l.thread(wanted.Message.Thread), wanted)
				return
			}
		}
	}
}

func (l *Ladder) thread(key lifeboat.Key) *thread {
	if i := slices.IndexFunc(l.threads, func(t *thread) bool { return t.key == key }); i >= 0 {
		return l.threads[i]
	}
	return nil
}

// threadsOf a key: of a first message, or all that a later one was about.
func (l *Ladder) threadsOf(key lifeboat.Key) []*thread {
	var all []*thread
	for _, one := range l.About(key) {
		if t := l.thread(one); t != nil {
			all = append(all, t)
		}
	}
	return all
}

// About lists the first messages that a message was about: itself, or those it repeated.
func (l *Ladder) About(key lifeboat.Key) []lifeboat.Key {
	if l.thread(key) != nil {
		return []lifeboat.Key{key}
	}
	return l.about[key]
}

func (t *thread) toldTo(name string) *told {
	if i := slices.IndexFunc(t.told, func(w *told) bool { return w.name == name }); i >= 0 {
		return t.told[i]
	}
	return nil
}

// waits reports that a thread wants somebody to acknowledge it.
func (t *thread) waits(at time.Time) bool {
	return t.over == "" && (t.taken == "" || t.message.Question && !at.Before(t.takenAt.Add(reopenAfter)))
}

// waiting are the threads that a person was told of and that still want somebody.
func (l *Ladder) waiting(at time.Time, name string) []*thread {
	var all []*thread
	for _, t := range l.threads {
		if who := t.toldTo(name); who != nil && !who.answered && t.waits(at) {
			all = append(all, t)
		}
	}
	return all
}

// forget keeps the memory within its limits: what is over goes first, then what somebody has, then the least grave.
func (l *Ladder) forget(at time.Time) {
	for i := len(l.threads) - 1; i >= 0; i-- {
		if t := l.threads[i]; t.over != "" && at.Sub(t.overAt) > overKept {
			l.drop(i)
		}
	}
	for len(l.threads) > threadsMax {
		rank := func(t *thread) int {
			if t.over != "" || t.taken != "" {
				return 0
			}
			return int(t.tier)
		}
		least := slices.MinFunc(l.threads, func(a, b *thread) int { return rank(a) - rank(b) })
		l.drop(slices.Index(l.threads, least))
	}
	if len(l.asks) > threadsMax { // decisions whose question was never put
		clear(l.asks)
	}
}

func (l *Ladder) drop(i int) {
	gone := l.threads[i].key
	l.threads = slices.Delete(l.threads, i, i+1)
	for key, about := range l.about {
		if about = slices.DeleteFunc(about, func(one lifeboat.Key) bool { return one == gone }); len(about) == 0 {
			delete(l.about, key)
		} else {
			l.about[key] = about
		}
	}
}
