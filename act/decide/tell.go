package decide

import (
	"fmt"
	"time"

	"lifeboat"
)

// told adds a message to the owner for every decision and every end of an incident: what fired is never only in the
// journal. A question is a message already.
func (d *Desk) told(at time.Time, events []lifeboat.Event) []lifeboat.Event {
	to := d.owner()
	if len(to) == 0 {
		return events
	}
	for _, e := range events {
		if text := d.word(e); text != "" {
			events = append(events, lifeboat.Intent{Key: lifeboat.NewKey("word", at.UnixNano(), text), Act: lifeboat.SendMessage,
				Message: &lifeboat.Message{To: to, Text: text}})
		}
	}
	return events
}

// owner is whoever has that role in the plan; everybody when nobody has.
func (d *Desk) owner() []string {
	to := d.names("owner")
	if len(to) == 0 {
		for _, p := range d.plan.People {
			to = append(to, p.Name)
		}
	}
	return to
}

// word is what the owner is told of an event; "" when nothing.
func (d *Desk) word(e lifeboat.Event) string {
	switch e := e.(type) {
	case lifeboat.Decision:
		fired := fmt.Sprintf("%q fired, tier %d %s: %s.", e.Trigger, e.Tier, e.Tier, numbers(d.values[e.Trigger]))
		switch e.Verdict {
		case lifeboat.Start:
			return fmt.Sprintf("%s Playbook %q starts as run %s: %s.", fired, e.Playbook, e.Run, e.Why)
		case lifeboat.Hold:
			return fmt.Sprintf("%s Held: %s.", fired, e.Why)
		}
	case lifeboat.IncidentChange:
		if e.State == lifeboat.IncidentClosed {
			return fmt.Sprintf("Incident %s is over: every trigger has cleared and no run is open.", e.ID)
		}
	}
	return ""
}
