package exit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lifeboat"
)

// Outlooks tells the owners when an exit would not go through any more, or a kit of theirs has gone stale, and when all is well with it
// again. It is a stage of the flow: what others found on the chain comes in as [lifeboat.Outlook]. Each cause is told once for each
// kit, until the exit is good again. It is the flow's alone, but for News, which anybody may ask.
type Outlooks struct {
	owners []string

	mu  sync.Mutex       // guards what follows
	all map[place]*stand // by the plans that ever were in force: a few for each exit step
}

// A place is the step of a playbook that leaves something.
type place struct{ playbook, step string }

// stand is how an exit stands, and what of that was told.
type stand struct {
	last lifeboat.Outlook
	at   time.Time
	told map[string]bool // causes of the kit, since it was good
}

// NewOutlooks tells these people.
func NewOutlooks(owners []string) *Outlooks {
	return &Outlooks{owners: owners, all: map[place]*stand{}}
}

// News says whether an outlook differs from the last one that was written in more than its sentences.
func (o *Outlooks) News(found lifeboat.Outlook) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.all[place{found.Playbook, found.Step}]
	return s == nil || s.last.State != found.State || s.last.Kit != found.Kit || !slices.Equal(s.last.Causes, found.Causes)
}

// Apply takes in one event of the journal.
func (o *Outlooks) Apply(at time.Time, e lifeboat.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case lifeboat.Outlook:
		o.found(at, e)
	case lifeboat.Intent:
		if e.Act != lifeboat.SendMessage || e.Run != "" {
			return
		}
		for _, s := range o.all {
			if key, words := s.word(); words != "" && key == e.Key {
				s.tell()
			}
		}
	}
}

func (o *Outlooks) found(at time.Time, e lifeboat.Outlook) {
	s := o.all[place{e.Playbook, e.Step}]
	if s == nil {
		s = &stand{told: map[string]bool{}}
		o.all[place{e.Playbook, e.Step}] = s
	}
	if e.Kit != s.last.Kit && !e.Good {
		clear(s.told) // another kit, with troubles of its own
	}
	s.last, s.at = e, at
}

// tell notes that the word was said.
func (s *stand) tell() {
	if s.last.Good {
		clear(s.told)
		return
	}
	for _, cause := range s.last.Causes {
		s.told[cause] = true
	}
}

// word is what the owners have not been told yet, and the key of the message; "" when there is nothing.
func (s *stand) word() (lifeboat.Key, string) {
	l := s.last
	news := slices.ContainsFunc(l.Causes, func(cause string) bool { return !s.told[cause] })
	key := lifeboat.NewKey("outlook", l.Playbook, l.Step, l.Kit, strings.Join(l.Causes, " "), s.at.UnixNano())
	which := fmt.Sprintf("step %s of %q (%s)", l.Step, l.Playbook, l.Account)
	switch {
	case l.Good && len(s.told) > 0:
		return key, fmt.Sprintf("In order again: the exit of %s.", which)
	case l.Good || !news:
		return "", ""
	case l.Kit != "":
		return key, fmt.Sprintf("The exit that was signed beforehand for %s is %s: %s. Hash %s. %s", which, states[l.State], strings.Join(l.Why, "; "), l.Kit, remedies[l.State])
	}
	return key, fmt.Sprintf("The exit of %s is not ready: %s. %s", which, strings.Join(l.Why, "; "), remedies[l.State])
}

// states of a kit that is not good, as people read them.
var states = map[string]string{string(Stale): "stale", string(Unsigned): "not signed by enough owners", "fails": "not possible now"}

// remedies are what owners do about an outlook that is not good.
var remedies = map[string]string{
	string(Stale):    "It will not be used. Prepare it anew with lifeboat exits prepare, and sign.",
	string(Unsigned): "Sign it: lifeboat exits prepare says how.",
	"fails":          "lifeboat exits simulate tries it; nothing was sent.",
}

// Next tells what was not told yet.
func (o *Outlooks) Next(time.Time) (news []lifeboat.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.owners) == 0 {
		return nil
	}
	for _, at := range slices.SortedFunc(maps.Keys(o.all), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.playbook, b.playbook), cmp.Compare(a.step, b.step))
	}) {
		s := o.all[at]
		if key, words := s.word(); words != "" {
			news = append(news, lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Message: &lifeboat.Message{
				To: o.owners, Text: words, Tier: urgency(s.last), Subject: "An exit of " + s.last.Account}})
		}
	}
	return news
}

// urgency of an outlook: what only waits for signatures, and what is well again, wakes nobody.
func urgency(l lifeboat.Outlook) lifeboat.Tier {
	if l.Good || l.State == string(Unsigned) {
		return 0
	}
	return lifeboat.Action
}

// Due is never: without another look nothing changes.
func (o *Outlooks) Due() time.Time { return time.Time{} }
