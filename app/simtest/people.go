package simtest

import (
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/app"
)

// crowd are the people of the plan. They outlive every process, and a message with a key they know is no news to them.
type crowd struct {
	w     *World
	heard map[lifeboat.Key]bool
	asked int // requests so far
}

// hear lets a message arrive. People think about a question for a while; some do worse.
func (c *crowd) hear(act lifeboat.Intent) {
	if act.Message == nil || !act.Message.Question || c.heard[act.Key] {
		return
	}
	c.heard[act.Key] = true
	w, by := c.w, act.Message.To
	soon := w.span("people", time.Minute, 30*time.Minute)
	if w.settling || !w.Unreliable {
		for _, name := range by {
			c.answer(soon, act, name, true)
		}
		return
	}
	switch d := w.die("people").Float64(); {
	case d < 0.5:
		for _, name := range by {
			c.answer(soon, act, name, true)
		}
	case d < 0.65:
		c.answer(w.span("people", time.Hour, 30*time.Hour), act, by[0], true)
	case d < 0.75:
		c.answer(soon, act, by[0], false)
	case d < 0.85:
		c.answer(soon, act, by[0], true)
		c.answer(soon+time.Second, act, by[0], false)
	case d < 0.92:
		c.answer(soon, act, "Eve", true)
		c.answer(soon+time.Hour, act, by[0], true)
	} // the rest says nothing
}

func (c *crowd) answer(after time.Duration, act lifeboat.Intent, by string, yes bool) {
	said := lifeboat.Answer{Question: string(act.Key), By: by, Yes: yes, Content: act.Message.Content}
	if f := act.Message.Factor; f != "" && f != "none" {
		if f == "any" {
			f = "totp"
		}
		said.Factor = &lifeboat.Factor{Kind: f, ID: "key of " + by, Content: act.Message.Content, Counter: c.w.now.Unix()}
	}
	c.say(c.w.now.Add(after), func() lifeboat.Event { return c.w.judge.truth(said) })
}

// say brings somebody's words to the process, when one runs; who finds none comes again.
func (c *crowd) say(at time.Time, words func() lifeboat.Event) {
	w := c.w
	w.agenda.add(at, func() {
		if w.life == nil {
			c.say(w.now.Add(10*time.Minute), words)
			return
		}
		w.alive(func(l *life) error {
			said := words()
			if said == nil {
				return nil
			}
			if why := l.hears(said); why != nil {
				count(&w.Tally.Refused, said.Word(), 1)
				return nil
			}
			count(&w.Tally.Said, said.Word(), 1)
			return l.tell(said)
		})
	})
}

// hears is the edge: what nobody with the right to it says does not get into the journal.
func (l *life) hears(said lifeboat.Event) error {
	switch said := said.(type) {
	case lifeboat.Answer:
		i := slices.IndexFunc(l.record.Questions, func(q app.Question) bool { return string(q.Key) == said.Question })
		if i < 0 || !slices.Contains(l.record.Questions[i].To, said.By) {
			return fmt.Errorf("%s was not asked", said.By)
		}
		return permitted(l, said)
	case lifeboat.Request:
		return permitted(l, said)
	}
	return nil
}

// permitted asks the stages at the edge.
func permitted(l *life, said lifeboat.Event) error {
	for _, stage := range l.system.Flow.Stages {
		switch said := said.(type) {
		case lifeboat.Answer:
			if judge, ok := stage.(interface {
				PermitAnswer(time.Time, lifeboat.Answer) error
			}); ok {
				if err := judge.PermitAnswer(l.now(), said); err != nil {
					return err
				}
			}
			if judge, ok := stage.(interface{ AnswerFits(lifeboat.Answer) error }); ok {
				if err := judge.AnswerFits(said); err != nil {
					return err
				}
			}
		case lifeboat.Request:
			if judge, ok := stage.(interface {
				Permit(time.Time, lifeboat.Request) error
			}); ok {
				if err := judge.Permit(l.now(), said); err != nil {
					return err
				}
			}
			if judge, ok := stage.(interface{ Fits(lifeboat.Request) error }); ok {
				if err := judge.Fits(said); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// request is what somebody wants on their own initiative, about the world as it then is.
func (c *crowd) request(at time.Time, verb lifeboat.Verb, by string, object func(*life) (object, step string, ok bool)) {
	c.say(at, func() lifeboat.Event {
		about, step, ok := object(c.w.life)
		if !ok {
			return nil
		}
		c.asked++
		return lifeboat.Request{ID: fmt.Sprintf("q%d", c.asked), Verb: verb, Object: about, Step: step, By: by}
	})
}
