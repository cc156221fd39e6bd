package decide

import (
	"fmt"
	"time"

	"lifeboat"
)

// told adds a message to the owner for every decision and every end of an incident: what fired is never only in the
// journal. A question is a message already.
func (d *Desk) told(at time.Time, events []lifeboat.Event) []lifeboat.Event {
	to := d.Owners()
	if len(to) == 0 {
		return events
	}
	for _, e := range events {
		if text := d.word(e); text != "" {
			events = append(events, lifeboat.Intent{Key: lifeboat.NewKey("word", at.UnixNano(), text), Act: lifeboat.SendMessage,
				Message: &lifeboat.Message{To: to, Text: text, Tier: urgency(e), Subject: subject(e)}})
		}
	}
	return events
}

// Owners are whoever has that role in the plan; everybody when nobody has.
func (d *Desk) Owners() []string {
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
		if e.Trigger == "" && e.Verdict == lifeboat.Start {
			return fmt.Sprintf("Playbook %q starts as run %s: %s.", e.Playbook, e.Run, e.Why)
		}
		if e.Trigger == "" {
			return fmt.Sprintf("Playbook %q does not start: %s.", e.Playbook, e.Why)
		}
		fired := fmt.Sprintf("%q fired, tier %d %s: %s.", e.Trigger, e.Tier, e.Tier, numbers(d.values[e.Trigger]))
		switch e.Verdict {
		case lifeboat.Start:
			return fmt.Sprintf("%s Playbook %q starts as run %s: %s.", fired, e.Playbook, e.Run, e.Why)
		case lifeboat.Hold:
			return fmt.Sprintf("%s Held: %s.", fired, e.Why)
		}
	case lifeboat.IncidentChange:
		if e.State == lifeboat.IncidentMoved {
			return fmt.Sprintf("Incident %s is at tier %d %s now, by the word of %s.", e.ID, e.Tier, e.Tier, e.By)
		}
		if e.State == lifeboat.IncidentClosed && e.By != "" {
			return fmt.Sprintf("Incident %s is closed, by the word of %s.", e.ID, e.By)
		}
		if e.State == lifeboat.IncidentClosed {
			return fmt.Sprintf("Incident %s is over: every trigger has cleared and no run is open.", e.ID)
		}
	}
	return ""
}

// urgency of a word: as grave as what fired. That something is over wakes nobody.
func urgency(e lifeboat.Event) lifeboat.Tier {
	if decision, ok := e.(lifeboat.Decision); ok {
		return decision.Tier
	}
	return 0
}

// subject is the word in a few words.
func subject(e lifeboat.Event) string {
	switch e := e.(type) {
	case lifeboat.Decision:
		if e.Trigger == "" {
			return "Playbook " + e.Playbook
		}
		return fmt.Sprintf("Tier %d %s: %s", e.Tier, e.Tier, e.Trigger)
	case lifeboat.IncidentChange:
		return "Incident " + e.ID
	}
	return ""
}
