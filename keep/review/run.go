package review

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
)

// Run tells the story of one run as plain text, from what made it start to how it ended or what it waits for; false when
// the events know no such run.
func Run(id string, zone *time.Location, events iter.Seq2[time.Time, lifeboat.Event]) (string, bool) {
	s := fold(Subject{Zone: zone}, onlyRun(id, events))
	r := s.run(id)
	if r == nil {
		return "", false
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Run %s of %q %s.\n\n", id, r.playbook, r.stands())
	day := ""
	for _, m := range s.timeline {
		if date := m.at.In(s.zone).Format("Monday, 2 January 2006"); date != day {
			if day != "" {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s (%s)\n", date, s.zone)
			day = date
		}
		for i, line := range strings.Split(m.text, "\n") { // a proposal has a line for each order
			stamp := m.at.In(s.zone).Format("15:04:05")
			if i > 0 {
				stamp = strings.Repeat(" ", len(stamp)+2)
			}
			fmt.Fprintf(&b, "  %s  %s\n", stamp, prose.OneLine(line))
		}
	}
	if r.rto > 0 || len(s.orders) > 0 {
		b.WriteString("\n")
	}
	if r.rto > 0 {
		fmt.Fprintf(&b, "Budget: %s.\n", against(r.took(), r.rto, r.open()))
	}
	if len(s.orders) > 0 {
		fmt.Fprintf(&b, "In all: %s.\n", s.traded())
	}
	return b.String(), true
}

// stands says how the run ended, or what it is at.
func (r *run) stands() string {
	if !r.open() {
		ended := map[lifeboat.Status]string{lifeboat.Done: "was done", lifeboat.TimedOut: "ran out of time", lifeboat.Abandoned: "was abandoned",
			lifeboat.Superseded: "gave way to another"}[r.status]
		return cmp.Or(ended, string(r.status)) + " after " + prose.Span(r.took())
	}
	for _, st := range slices.Backward(r.steps) {
		if st.status == lifeboat.Running {
			return fmt.Sprintf("is at step %s (%s)", st.place, st.name)
		}
	}
	return "goes on"
}

// onlyRun keeps what belongs to a run: the last firing and decision that led to it, all that carries its name, and what
// was said of its acts.
func onlyRun(id string, events iter.Seq2[time.Time, lifeboat.Event]) iter.Seq2[time.Time, lifeboat.Event] {
	return func(yield func(time.Time, lifeboat.Event) bool) {
		running, acts := false, map[lifeboat.Key]bool{}
		fired := map[string]happening{}   // :: trigger → when it fired last
		asked := map[string][]happening{} // :: trigger → what was decided of it since
		for at, event := range events {
			switch e := event.(type) {
			case lifeboat.Firing:
				fired[e.Trigger], asked[e.Trigger] = happening{at, e}, nil
				continue
			case lifeboat.Decision:
				if e.Run != id || e.Verdict != lifeboat.Start {
					asked[e.Trigger] = append(asked[e.Trigger], happening{at, e})
					acts[lifeboat.Key(e.Question)] = e.Question != ""
					continue
				}
				before := asked[e.Trigger]
				if f, known := fired[e.Trigger]; known {
					before = append([]happening{f}, before...)
				}
				for _, h := range before {
					if !yield(h.at, h.event) {
						return
					}
				}
			}
			switch e := event.(type) {
			case lifeboat.RunStarted:
				running = running || e.Run == id
			case lifeboat.RunFinished:
				running = running && e.Run != id
			}
			if (concerns(id, event, acts) || running && concernsAll(event)) && !yield(at, event) {
				return
			}
		}
	}
}

// concerns reports that an event is about the run, and remembers its acts.
func concerns(id string, event lifeboat.Event, acts map[lifeboat.Key]bool) bool {
	switch e := event.(type) {
	case lifeboat.Decision:
		return e.Run == id
	case lifeboat.RunStarted:
		return e.Run == id
	case lifeboat.StepStarted:
		return e.Run == id
	case lifeboat.StepFinished:
		return e.Run == id
	case lifeboat.RunFinished:
		return e.Run == id
	case lifeboat.Intent:
		acts[e.Key] = acts[e.Key] || e.Run == id
		return e.Run == id
	case lifeboat.Refused:
		return e.Run == id
	case lifeboat.Receipt:
		return acts[e.Key]
	case lifeboat.Answer:
		return acts[lifeboat.Key(e.Question)]
	case lifeboat.Request:
		return e.Object == id
	}
	return false
}

// concernsAll reports what every run that is open feels.
func concernsAll(event lifeboat.Event) bool {
	switch event.(type) {
	case lifeboat.BreakerMove, lifeboat.Resumed, lifeboat.Quarantine, lifeboat.Reconciled:
		return true
	}
	return false
}
