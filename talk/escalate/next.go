package escalate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// Next is the next message that is due; the flow asks again until there is none.
func (l *Ladder) Next(at time.Time) []lifeboat.Event {
	for _, t := range l.threads {
		if wants := l.wants(at, t); len(wants) > 0 {
			return []lifeboat.Event{wants[0]}
		}
	}
	return nil
}

// Due is when somebody is to be told next; zero when nobody is.
func (l *Ladder) Due() time.Time {
	var due time.Time
	earlier := func(at time.Time) {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	for _, t := range l.threads {
		switch {
		case t.over != "" || !t.waits(l.latest):
			if l.takenWord(t) != nil || t.over != "" && l.overWord(t) != nil {
				earlier(l.latest)
			}
		default:
			for _, rung := range l.rungs {
				if len(l.newTo(t, rung)) > 0 {
					earlier(t.climbs(rung))
				}
			}
		}
		for _, who := range t.told {
			earlier(l.dueTo(t, who))
		}
	}
	return due
}

// wants are the messages that a thread wants sent now.
func (l *Ladder) wants(at time.Time, t *thread) []lifeboat.Intent {
	var wants []lifeboat.Intent
	add := func(i *lifeboat.Intent) {
		if i != nil {
			wants = append(wants, *i)
		}
	}
	switch {
	case t.over != "":
		add(l.takenWord(t))
		add(l.overWord(t))
	case !t.waits(at):
		add(l.takenWord(t))
	default:
		for i, rung := range l.rungs {
			if to := l.newTo(t, rung); len(to) > 0 && !at.Before(t.climbs(rung)) {
				add(l.rungWord(at, t, i, to))
			}
		}
		for _, who := range t.told {
			if due := l.dueTo(t, who); !due.IsZero() && !at.Before(due) {
				add(l.againWord(at, t, who))
			}
		}
	}
	return wants
}

// dueTo is when a person is told of a thread again; zero for never.
func (l *Ladder) dueTo(t *thread, who *told) time.Time {
	if t.over != "" || t.taken != "" && !t.message.Question || who.answered || who.times >= t.timesMax() {
		return time.Time{}
	}
	from := who.last
	if t.tier < lifeboat.Emergency { // what was said in quiet hours was heard when they ended
		from = l.awake(who.name, from)
	}
	due := from.Add(l.again)
	if t.tier < lifeboat.Emergency {
		due = l.awake(who.name, due)
	}
	if t.taken != "" {
		if reopens := t.takenAt.Add(reopenAfter); reopens.After(due) {
			return reopens
		}
	}
	return due
}

func (t *thread) timesMax() int {
	if t.tier >= lifeboat.Emergency {
		return timesMaxEmergency
	}
	return timesMax
}

// awake is when somebody who rests hears of what does not wake.
func (l *Ladder) awake(name string, at time.Time) time.Time {
	if until := l.silent[name]; until.After(at) {
		at = until
	}
	return l.rests[name].Until(at)
}

// Silent is until when a person asked for silence.
func (l *Ladder) Silent(name string, _ time.Time) time.Time { return l.silent[name] }

// climbs is when a rung is told: at once where nothing took a message.
func (t *thread) climbs(r plan.Rung) time.Time {
	since := t.since
	if t.taken != "" { // by somebody who did not see it through
		since = t.takenAt.Add(reopenAfter)
	}
	if t.unreached {
		return since
	}
	return since.Add(time.Duration(r.After))
}

// newTo are the people of a rung whom the thread has not reached yet.
func (l *Ladder) newTo(t *thread, r plan.Rung) []string {
	if t.tier < cmp.Or(r.Tier, lifeboat.Action) {
		return nil
	}
	var names []string
	for _, person := range l.plan.Person(r.To) {
		if t.toldTo(person.Name) == nil {
			names = append(names, person.Name)
		}
	}
	return names
}

// rungWord hands a matter on.
func (l *Ladder) rungWord(at time.Time, t *thread, rung int, to []string) *lifeboat.Intent {
	why := fmt.Sprintf("%s has not acknowledged this for %s", names(t.told), prose.Span(at.Sub(t.since)))
	if t.unreached {
		why = fmt.Sprintf("no channel reached %s", names(t.told))
	}
	text := fmt.Sprintf("You are told because %s:\n%s", why, t.message.Text)
	if t.message.Question {
		text += fmt.Sprintf("\nIt is for %s to answer; acknowledge it when you see to that.", strings.Join(t.message.To, " or "))
	}
	return t.word(lifeboat.NewKey("rung", t.key, t.turns, rung, strings.Join(to, "\x00")), to, t.line(), text)
}

// againWord tells a person again, and of everything else that waits for that person. Its thread is the gravest of those that
// are due, which is the one that it is made for unless another comes before it.
func (l *Ladder) againWord(at time.Time, t *thread, who *told) *lifeboat.Intent {
	all := l.waiting(at, who.name)
	for _, other := range all {
		if other.tier > t.tier {
			t = other
		}
	}
	first := t.toldTo(who.name)
	text := fmt.Sprintf("Nobody has acknowledged this for %s:\n%s", prose.Span(at.Sub(t.opened)), t.message.Text)
	subject := "again: " + t.line()
	if len(all) > 1 {
		const listedMax = 5
		slices.SortStableFunc(all, func(a, b *thread) int { return int(b.tier - a.tier) })
		lines := []string{fmt.Sprintf("Nobody has acknowledged these %d:", len(all))}
		for i, other := range all[:min(len(all), listedMax)] {
			lines = append(lines, fmt.Sprintf("%d. (%s) %s", i+1, prose.Span(at.Sub(other.opened)), other.message.Text))
		}
		if more := len(all) - listedMax; more > 0 {
			lines = append(lines, fmt.Sprintf("… and %d more: lifeboat status lists them.", more))
		}
		text, subject = strings.Join(lines, "\n"), fmt.Sprintf("again: %d matters, first: %s", len(all), t.line())
	}
	return t.word(lifeboat.NewKey("again", t.key, who.name, first.in), []string{who.name}, subject, text)
}

// takenWord tells whoever was told before that somebody has it.
func (l *Ladder) takenWord(t *thread) *lifeboat.Intent {
	to := l.others(t, t.taken)
	if t.taken == "" || t.takenTold || len(to) == 0 {
		return nil
	}
	return t.word(t.takenKey(), to, t.taken+" has it: "+t.line(), fmt.Sprintf("%s has it: %s", t.taken, t.message.Text))
}

// overWord tells whoever was asked that the question is settled, and pagers that anything is over.
func (l *Ladder) overWord(t *thread) *lifeboat.Intent {
	settler := t.overBy
	for _, who := range t.told {
		if who.answered {
			settler = cmp.Or(settler, who.name)
		}
	}
	to := l.others(t, settler)
	if !t.message.Question { // its end is told of anyway
		to = slices.DeleteFunc(to, func(name string) bool { return !l.paged(name) })
	}
	if t.overTold || len(to) == 0 {
		return nil
	}
	return t.word(t.overKey(), to, "settled: "+t.line(), fmt.Sprintf("Settled (%s): %s", t.over, t.message.Text))
}

// others are all who were told but one, who needs no telling unless a pager of the person's shows the matter.
func (l *Ladder) others(t *thread, but string) []string {
	var to []string
	for _, who := range t.told {
		if who.name != but || l.paged(who.name) {
			to = append(to, who.name)
		}
	}
	return to
}

// paged reports a person one of whose channels shows how a matter stands.
func (l *Ladder) paged(name string) bool {
	for _, person := range l.plan.Person(name) {
		if person.Name == name && slices.ContainsFunc(person.Channels, func(c plan.Channel) bool { return c.PagerDuty != "" || c.Alertmanager != "" }) {
			return true
		}
	}
	return false
}

// word about a thread. It belongs to no run: it must be said even when the run that asked is over.
func (t *thread) word(key lifeboat.Key, to []string, subject, text string) *lifeboat.Intent {
	return &lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: to, Subject: subject, Text: text, Tier: t.tier, Thread: t.key}}
}

// line is the thread in one line.
func (t *thread) line() string {
	first, _, _ := strings.Cut(t.message.Text, "\n")
	return cmp.Or(t.message.Subject, first)
}

func names(all []*told) string {
	var list []string
	for _, who := range all {
		list = append(list, who.name)
	}
	return strings.Join(list, ", ")
}
