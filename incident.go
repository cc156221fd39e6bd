package lifeboat

import "time"

// IncidentState is a change in the life of an incident.
type IncidentState string

const (
	IncidentOpened IncidentState = "opened"
	IncidentRaised IncidentState = "raised" // a higher tier, or another trigger, joined
	IncidentMoved  IncidentState = "moved"  // a person moved its tier up or down
	IncidentClosed IncidentState = "closed" // every trigger cleared and every run ended, or a person closed it
)

// IncidentChange opens, raises or closes an incident.
type IncidentChange struct {
	ID      string        `json:"id"`
	State   IncidentState `json:"state"`
	Tier    Tier          `json:"tier"`
	Trigger string        `json:"trigger,omitempty"`
	By      string        `json:"by,omitempty"` // the persons who moved or closed it; "" for what followed by itself
}

// Incident is an episode as it is told afterwards, folded from its changes.
type Incident struct {
	ID       string    `json:"id"`
	Opened   time.Time `json:"opened"`
	Closed   time.Time `json:"closed,omitzero"` // zero while it is open
	Tier     Tier      `json:"tier"`            // the highest it reached
	Triggers []string  `json:"triggers"`
}

// Incidents folds incident changes into episodes, oldest first.
type Incidents struct {
	All []Incident
}

// Apply takes in one event; all but [IncidentChange] are ignored.
func (in *Incidents) Apply(at time.Time, e Event) {
	change, ok := e.(IncidentChange)
	if !ok {
		return
	}
	if change.State == IncidentOpened {
		in.All = append(in.All, Incident{ID: change.ID, Opened: at, Tier: change.Tier, Triggers: []string{change.Trigger}})
		return
	}
	open := in.Open()
	if open == nil {
		return
	}
	if change.State == IncidentClosed {
		open.Closed = at
		return
	}
	if change.State == IncidentMoved {
		open.Tier = change.Tier
		return
	}
	open.Tier = max(open.Tier, change.Tier)
	open.Triggers = append(open.Triggers, change.Trigger)
}

// Open is the incident still running, or nil.
func (in *Incidents) Open() *Incident {
	if n := len(in.All); n > 0 && in.All[n-1].Closed.IsZero() {
		return &in.All[n-1]
	}
	return nil
}
