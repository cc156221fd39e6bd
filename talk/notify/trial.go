package notify

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Trial says how one channel of one person took a test message.
type Trial struct {
	Person  string        `json:"person"`
	Channel string        `json:"channel"` // mail, SMS, call …; "none" for a person who has none
	Took    time.Duration `json:"took"`    // until the channel had it
	Why     string        `json:"why,omitempty"`
	OK      bool          `json:"ok"`
	// Rang says how a call went: completed when somebody, or a machine, answered. "" for other channels.
	Rang string `json:"rang,omitempty"`
}

const (
	ringMax  = 90 * time.Second // how long a phone is given to be answered
	ringLook = 2 * time.Second
	callGone = "completed"
)

// Test sends one test message to every channel of every person, quiet hours or not, and says what took it and how fast. It
// follows calls until they end, so it says which phones really rang. Pagers are told at once that it is over.
func Test(ctx context.Context, p *plan.Plan, o Options) ([]Trial, error) {
	s := newSecrets(o.Env)
	all, err := people(p, o, s)
	if err != nil {
		return nil, err
	}
	found := make([][]Trial, len(all))
	var each sync.WaitGroup
	for i, who := range all {
		each.Go(func() {
			if len(who.channels) == 0 {
				found[i] = []Trial{{Person: who.name, Channel: "none", Why: "only the console and the log tell this person anything"}}
			}
			for j, w := range who.channels {
				found[i] = append(found[i], try(ctx, p.Portfolio.Name, o.Clock, s, who, j, w))
			}
		})
	}
	each.Wait()
	var trials []Trial
	for _, one := range found {
		trials = append(trials, one...)
	}
	return trials, nil
}

func try(ctx context.Context, portfolio string, clock lifeboat.Clock, s *secrets, who *person, number int, w *way) Trial {
	at := clock.Now()
	key := lifeboat.NewKey("test", at.UnixNano(), who.name, number)
	d := put(portfolio, who.in, Delivery{Key: key, Thread: key, Person: who.name, At: at},
		"test", fmt.Sprintf("This is a test of how lifeboat reaches %s by %s. Nothing has happened; there is nothing to do.", who.name, w.kind))
	once, cancel := context.WithTimeout(ctx, channelMax)
	defer cancel()
	t := Trial{Person: who.name, Channel: w.kind}
	ringing, calls := w.Channel.(call)
	var id string
	var err error
	if calls {
		id, err = ringing.ring(once, d)
	} else {
		err = w.Send(once, d)
	}
	if t.Took = clock.Now().Sub(at); err != nil {
		t.Why = s.Scrub(err.Error())
		return t
	}
	t.OK = true
	if calls {
		t.Rang = ringing.follow(ctx, clock, id)
		t.OK = t.Rang == callGone
	}
	if w.keeps {
		d.Standing, d.At = Over, clock.Now()
		if err := w.Send(ctx, d); err != nil {
			t.Why = "it took the test and not its end: " + s.Scrub(err.Error())
		}
	}
	return t
}

// follow asks after a call until it has ended.
func (c call) follow(ctx context.Context, clock lifeboat.Clock, id string) string {
	for until := clock.Now().Add(ringMax); clock.Now().Before(until); {
		once, cancel := context.WithTimeout(ctx, channelMax)
		status, err := c.status(once, id)
		cancel()
		if err != nil {
			return "unknown: " + err.Error()
		}
		switch status {
		case callGone, "busy", "no-answer", "failed", "canceled":
			return status
		}
		if err := clock.Sleep(ctx, clock.Now().Add(ringLook)); err != nil {
			return "unknown: " + err.Error()
		}
	}
	return "still ringing after " + ringMax.String()
}
