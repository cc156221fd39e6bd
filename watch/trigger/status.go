package trigger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
)

// Phase is how a trigger stands.
type Phase string

const (
	Calm    Phase = "calm"
	Holding Phase = "holding" // true, and not yet for long enough
	Fired   Phase = "fired"
	Cooling Phase = "cooling" // cleared, and not yet allowed to fire again
	NoData  Phase = "no data"
)

// State of one trigger, for the status page.
type State struct {
	Trigger   string             `json:"trigger"`
	Tier      lifeboat.Tier      `json:"tier"`
	Severity  lifeboat.Severity  `json:"severity"`
	Condition string             `json:"condition"`
	Phase     Phase              `json:"state"`
	Since     time.Time          `json:"since,omitzero"`    // it holds, fired or cleared
	Until     time.Time          `json:"until,omitzero"`    // it fires, clears or may fire again if nothing changes
	Missing   []lifeboat.Series  `json:"missing,omitempty"` // series without fresh data, also of a trigger that has fired
	Why       string             `json:"why,omitempty"`     // it is blind
	Values    map[string]float64 `json:"values"`
}

// Status of every trigger, in the order of the plan.
func (w *Watch) Status(at time.Time) []State {
	w.advance(at)
	states := make([]State, 0, len(w.triggers))
	for _, tr := range w.triggers {
		states = append(states, w.state(tr, at))
	}
	return states
}

func (w *Watch) state(tr *watched, at time.Time) State {
	s := State{Trigger: tr.Name, Tier: tr.Tier, Severity: tr.Severity, Condition: tr.Condition, Phase: Calm, Values: tr.values(at)}
	if tr.truth == unknown || tr.clearTruth == unknown {
		s.Missing = w.missing(tr, at)
		s.Why = w.why(tr, s.Missing)
	}
	switch {
	case tr.fired:
		s.Phase, s.Since = Fired, tr.since
		if tr.clearTruth == yes {
			s.Until = tr.clearHeld.ends(time.Duration(tr.ClearFor))
		}
	case tr.truth == unknown:
		s.Phase = NoData
	case at.Before(tr.cool()):
		s.Phase, s.Since, s.Until = Cooling, tr.since, tr.cool()
	case tr.truth == yes:
		s.Phase, s.Since, s.Until = Holding, tr.held.since, tr.held.ends(time.Duration(tr.For))
	}
	return s
}

// missing are the series without fresh data that the trigger reads.
func (w *Watch) missing(tr *watched, at time.Time) []lifeboat.Series {
	var missing []lifeboat.Series
	for _, c := range w.watchedChannels() {
		reads := slices.Contains(tr.series, c.series) || tr.portfolio && slices.Contains(w.engine.Held(), c.series)
		if !reads || c.source != "" && len(tr.sources) == 0 {
			continue
		}
		if seen := w.engine.LastSeen(c.series, c.source); seen.IsZero() || w.silent(c, at) {
			missing = append(missing, c.name())
		}
	}
	return missing
}

// why the trigger is blind.
func (w *Watch) why(tr *watched, missing []lifeboat.Series) string {
	full := slices.IndexFunc(tr.series, w.engine.Overfull)
	switch {
	case len(missing) > 0:
		names := make([]string, len(missing))
		for i, s := range missing {
			names[i] = string(s)
		}
		return "no fresh data of " + strings.Join(names, ", ")
	case len(tr.sources) < tr.Sources && tr.Sources > 1:
		return fmt.Sprintf("it wants %d sources and has %d", tr.Sources, len(tr.sources))
	case full >= 0:
		return fmt.Sprintf("its window holds more readings of %s than are kept; write it in sessions, such as 30d", tr.series[full])
	}
	return "too little history yet"
}
