package notify

import "time"

// Health of one channel of one person.
type Health struct {
	Person  string    `json:"person"`
	Channel string    `json:"channel"` // mail, SMS, PagerDuty …
	Took    time.Time `json:"took,omitzero"`
	Failed  time.Time `json:"failed,omitzero"`
	// Failures since it last took a message.
	Failures int    `json:"failures,omitempty"`
	Why      string `json:"why,omitempty"` // of the last failure; "" once it took a message again
}

type health struct {
	took, failed time.Time
	failures     int
	why          string
}

func (h *health) note(at time.Time, err error) {
	if err == nil {
		*h = health{took: at, failed: h.failed}
		return
	}
	h.failed, h.why = at, err.Error()
	h.failures++
}

// Health of every channel, in the order of the plan.
func (r *Router) Health() []Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Health
	for _, p := range r.people {
		for _, w := range p.channels {
			h := w.health
			all = append(all, Health{Person: p.name, Channel: w.kind, Took: h.took, Failed: h.failed, Failures: h.failures, Why: h.why})
		}
	}
	return all
}
