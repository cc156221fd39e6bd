package escalate

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Thread is one matter, for people to look at.
type Thread struct {
	Key      lifeboat.Key  `json:"key"`
	Tier     lifeboat.Tier `json:"tier"`
	Question bool          `json:"question,omitempty"`
	Text     string        `json:"text"`
	Opened   time.Time     `json:"opened"`
	How      string        `json:"how,omitempty"` // what took the first message
	Told     []Told        `json:"told"`
	Taken    string        `json:"taken,omitempty"` // who has it
	Over     string        `json:"over,omitempty"`  // why it is over
	Next     time.Time     `json:"next,omitzero"`   // when somebody is told again
}

// Told is one person as far as one matter goes: a line of a call-tree test.
type Told struct {
	Person       string        `json:"person"`
	First        time.Time     `json:"first"`
	Again        int           `json:"again,omitempty"` // how often since
	Acknowledged time.Time     `json:"acknowledged,omitzero"`
	Took         time.Duration `json:"took,omitempty"` // from the first word to the acknowledgement
	Answered     bool          `json:"answered,omitempty"`
}

// Threads that there are, oldest first; those that are over for as long as they are remembered.
func (l *Ladder) Threads() []Thread {
	var all []Thread
	for _, t := range l.threads {
		all = append(all, l.shown(t))
	}
	return all
}

func (l *Ladder) shown(t *thread) Thread {
	s := Thread{Key: t.key, Tier: t.tier, Question: t.message.Question, Text: t.message.Text, Opened: t.opened, How: t.how, Taken: t.taken, Over: t.over}
	for _, who := range t.told {
		one := Told{Person: who.name, First: who.first, Again: who.in, Acknowledged: who.acked, Answered: who.answered}
		if !who.acked.IsZero() {
			one.Took = who.acked.Sub(who.first)
		}
		s.Told = append(s.Told, one)
		if due := l.dueTo(t, who); !due.IsZero() && (s.Next.IsZero() || due.Before(s.Next)) {
			s.Next = due
		}
	}
	return s
}

// Standing of a thread: whether somebody has it, and whether it is over. One that is not remembered is.
func (l *Ladder) Standing(key lifeboat.Key) (taken, over bool) {
	t := l.thread(key)
	if t == nil {
		return false, true
	}
	return t.taken != "", t.over != ""
}

// Fits says whether an acknowledgement, or a wish for silence, makes sense, before it is written.
func (l *Ladder) Fits(r lifeboat.Request) error {
	switch r.Verb {
	case lifeboat.KeepSilent:
		if span, err := plan.ParseDuration(r.Object); err != nil || time.Duration(span) > silenceMax {
			return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("%q is no span of at most %s", r.Object, silenceMax), Next: "write 30m, or 2h"}
		}
	case lifeboat.Acknowledge:
		all := l.threadsOf(lifeboat.Key(r.Object))
		if len(all) == 0 {
			return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("no message that waits has the key %s", r.Object), Money: "nothing was changed",
				Next: "lifeboat status lists what waits"}
		}
		var others []string
		for _, t := range all {
			if t.toldTo(r.By) != nil {
				return nil
			}
			others = append(others, names(t.told))
		}
		return &lifeboat.Problem{Reason: "denied", What: fmt.Sprintf("%s was not told of it; it went to %s", r.By, strings.Join(others, "; ")), Money: "nothing was changed",
			Next: "acknowledge as one of those who were told"}
	}
	return nil
}

// CallTree folds a journal and says of one message who was told when, and who acknowledged it after how long.
func CallTree(p *plan.Plan, key lifeboat.Key, journal iter.Seq2[time.Time, lifeboat.Event]) (Thread, bool) {
	l := New(p)
	var last Thread
	for at, e := range journal {
		l.Apply(at, e)
		if t := l.thread(key); t != nil {
			last = l.shown(t)
		}
	}
	return last, last.Key != ""
}
