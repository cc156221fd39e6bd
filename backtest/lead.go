package backtest

import (
	"slices"
	"time"

	"lifeboat"
	"lifeboat/backtest/disaster"
	"lifeboat/drill/scenario"
)

const (
	// afterwards is how long after its point of no return a disaster of the catalogue still explains a firing.
	afterwards = 30 * 24 * time.Hour
	// afterHold is the same for a fright that passed: what comes a week later is about something else.
	afterHold = 7 * 24 * time.Hour
	// warned is how long before a disaster's signal a firing that still stands may have come and be called a warning.
	warned = 90 * 24 * time.Hour
)

// episodes are the disasters that a scene covers: the one that its scenario plays, with the scenario's own times, and
// those of the catalogue whose signal and point of no return lie in it and that can be seen in its series.
func episodes(s Scene, to time.Time) []Episode {
	var found []Episode
	for _, d := range disaster.All() {
		if d.Kind != disaster.Exit && d.Kind != disaster.Hold {
			continue // nobody could leave, or there was nothing to leave
		}
		e := Episode{ID: d.ID, Kind: d.Kind, Signal: d.Signal.At, NoReturn: &d.NoReturn.At, End: d.NoReturn.At.Add(afterwards),
			Touches: []lifeboat.Series{}, Held: []lifeboat.Series{}, Confidence: d.Confidence}
		if d.Kind == disaster.Hold {
			e.End = d.NoReturn.At.Add(afterHold)
		}
		e.Begin = e.Signal
		if s.Scenario != nil && d.Scenario == s.Scenario.Name {
			e.play(*s.Scenario)
		}
		for _, touched := range d.Touches {
			if role := s.Cast[string(touched)]; role != "" {
				touched = lifeboat.Series(role)
			}
			if _, brought := s.Parts.Sources[touched]; brought && !slices.Contains(e.Touches, touched) {
				e.Touches = append(e.Touches, touched)
				if slices.Contains(s.Parts.Plan.Symbols(), string(touched)) {
					e.Held = append(e.Held, touched)
				}
			}
		}
		last := e.Signal
		if e.NoReturn != nil {
			last = *e.NoReturn
		}
		if e.End.After(to) {
			e.End = to
		}
		if len(e.Touches) > 0 && !e.Signal.Before(s.From) && !last.After(to) {
			found = append(found, e)
		}
	}
	return found
}

// play takes over the times of the scenario that plays the disaster. It is all that happens in it, to its end.
func (e *Episode) play(s scenario.Scenario) {
	e.Signal, e.NoReturn, e.Begin, e.End = s.Signal.At, nil, s.From, s.To
	if s.NoReturn != nil {
		e.NoReturn = &s.NoReturn.At
	}
}

// leads of one trigger in the disasters that touch what it reads.
func (t *trial) leads(trigger int, own []Told[lifeboat.Firing], episodes []Episode) []Lead {
	leads := []Lead{}
	for _, e := range episodes {
		if t.readers[trigger].any(e.Touches) {
			leads = append(leads, t.lead(trigger, own, e))
		}
	}
	return leads
}

func (t *trial) lead(trigger int, own []Told[lifeboat.Firing], e Episode) Lead {
	l := lead(own, e)
	if l.Judged == Never && trigger < len(t.Plan.Triggers) && t.log.Samples != nil {
		until := e.End
		if e.NoReturn != nil {
			until = *e.NoReturn
		}
		const half = 0.5
		if t.log.seen(trigger, e.Signal, until) < half {
			l.Judged = NotSeen
		}
	}
	return l
}

// lead finds the firing that tells of a disaster: the first that was not cleared again before the disaster's signal. One
// that had stood for a season by then told of something else. In a disaster where holding was right every firing that
// came in its time is false.
func lead(own []Told[lifeboat.Firing], e Episode) Lead {
	l := Lead{Disaster: e.ID, Judged: Never}
	if e.Kind == disaster.Hold {
		l.Judged = Silent
	}
	for i, f := range own {
		if f.Event.State != lifeboat.Fired || f.At.After(e.End) {
			continue
		}
		if next := i + 1; next < len(own) && own[next].At.Before(e.Signal) {
			continue // cleared again
		}
		if e.Kind == disaster.Hold && f.At.Before(e.Begin) {
			continue
		}
		at := f.At
		after := at.Sub(e.Signal).Seconds()
		l.Fired, l.AfterS = &at, &after
		break
	}
	switch {
	case l.Fired == nil:
	case e.Kind == disaster.Hold:
		l.Judged = Alarmed
	case *l.AfterS < -warned.Seconds():
		l.Judged = Already
	case e.NoReturn == nil:
		l.Judged = Fires
	default:
		left := e.NoReturn.Sub(*l.Fired).Seconds()
		l.LeadS, l.Judged = &left, InTime
		if left < 0 {
			l.Judged = Late
		}
	}
	return l
}
