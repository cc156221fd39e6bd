package play

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// A kind of step: work says what it wants done now, or how it ended; wakes says when it must be asked again without
// news, if ever.
type kind struct {
	work  func(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome)
	wakes func(p *Player, r *run, step plan.Step) time.Time
}

var kinds = map[string]kind{
	"check":     {work: check, wakes: marketTurns},
	"verify":    {work: verify},
	"wait":      {work: wait, wakes: waitEnds},
	"approve":   {work: approve},
	"manual":    {work: manual},
	"notify":    {work: notify, wakes: notifyEnds},
	"order":     {work: order},
	"rebalance": {work: rebalance},
	"": {work: func(*Player, time.Time, *run, plan.Step) ([]lifeboat.Event, *outcome) {
		return nil, failed("the step has no kind")
	}},
}

// check waits until every condition of the pre-flight holds.
func check(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	var faults []string
	values := map[string]float64{}
	for _, symbol := range p.traded() {
		faults = append(faults, p.checkSymbol(at, symbol, *step.Check, values)...)
	}
	if step.Check.That != "" {
		truth, known, read := p.view.Holds(step.Check.That, at)
		for name, v := range read {
			values[name] = v
		}
		if !known {
			faults = append(faults, "no data for "+step.Check.That)
		} else if !truth {
			faults = append(faults, step.Check.That+" does not hold")
		}
	}
	if len(faults) == 0 {
		return nil, &outcome{status: lifeboat.Done, why: "pre-flight passed", values: values}
	}
	if r.expired(at, step) {
		return nil, &outcome{status: lifeboat.Failed, why: strings.Join(faults, "; "), values: values}
	}
	return nil, nil
}

func (p *Player) checkSymbol(at time.Time, symbol string, c plan.Check, values map[string]float64) []string {
	var faults []string
	price, seen, _ := p.view.Quote(symbol, at)
	if c.Market == "open" && !p.view.MarketOpen(symbol, at) {
		faults = append(faults, symbol+"'s market is closed")
	}
	if c.DataAge > 0 && !seen.IsZero() { // what nothing prices cannot be waited for; it is left alone instead
		if age := p.view.Age(symbol, at); age > time.Duration(c.DataAge) {
			faults = append(faults, fmt.Sprintf("%s was last priced %s of market time ago", symbol, span(age)))
		}
	}
	if c.MaxPosition > 0 {
		weight := p.value(at, symbol) / p.total(at)
		record(values, "weight("+symbol+")", weight)
		if weight > float64(c.MaxPosition) {
			faults = append(faults, fmt.Sprintf("%s is %.1f%% of the tradable book, above %.1f%%", symbol, 100*weight, 100*c.MaxPosition))
		}
	}
	if volume, known := p.view.Volume(symbol); c.MaxDaysToExit > 0 && known && price > 0 {
		share := float64(c.Participation)
		if share == 0 {
			share = 0.10
		}
		days := p.value(at, symbol) / price / (share * volume)
		record(values, "days_to_exit("+symbol+")", days)
		if math.IsInf(days, 0) {
			faults = append(faults, symbol+" has no volume to be sold into")
		} else if days > c.MaxDaysToExit {
			faults = append(faults, fmt.Sprintf("%s needs %.1f days to exit at %.0f%% of its volume, above %g", symbol, days, 100*share, c.MaxDaysToExit))
		}
	}
	return faults
}

// record keeps what can be written down: a share of nothing is no number.
func record(values map[string]float64, name string, v float64) {
	if !math.IsInf(v, 0) && !math.IsNaN(v) {
		values[name] = v
	}
}

// marketTurns wakes a check at the next opening or closing of a market it waits for.
func marketTurns(p *Player, r *run, step plan.Step) time.Time {
	if step.Check.Market == "" {
		return time.Time{}
	}
	return p.nextTurn()
}

func (p *Player) nextTurn() time.Time {
	var next time.Time
	for _, symbol := range p.traded() {
		if t := p.view.Turn(symbol, p.quietAt); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	return next
}

// verify holds the run to a post-condition; it waits for it until the time-out.
func verify(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	truth, known, values := p.view.Holds(step.Verify.That, at)
	if known && truth {
		return nil, &outcome{status: lifeboat.Done, why: step.Verify.That + " holds", values: values}
	}
	if step.Timeout > 0 && !r.expired(at, step) {
		return nil, nil
	}
	why := step.Verify.That + " does not hold"
	if !known {
		why = "no data for " + step.Verify.That
	}
	return nil, &outcome{status: lifeboat.Failed, why: why, values: values}
}

func wait(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	if w := step.Wait; w.Until != "" {
		open := true
		for _, symbol := range p.traded() {
			open = open && p.view.MarketOpen(symbol, at)
		}
		if open == (w.Until == "open") {
			return nil, done("the market is %s", map[bool]string{true: "open", false: "closed"}[open])
		}
		return nil, nil
	}
	if at.Before(waitEnds(p, r, step)) {
		return nil, nil
	}
	return nil, done("waited %s", span(time.Duration(step.Wait.For)))
}

func waitEnds(p *Player, r *run, step plan.Step) time.Time {
	if step.Wait.Until != "" {
		return p.nextTurn()
	}
	return r.tried.Add(time.Duration(step.Wait.For))
}

func approve(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	var text string
	if len(r.acts) == 0 { // what it would trade is worked out once, when the question is put
		text = strings.TrimSpace(cmp.Or(step.Approve.Text, "Approve the next step of "+r.Playbook+"?") + " " + p.preview(at, r))
	}
	return p.question(at, r, step, step.Approve.By, text, "approved")
}

func manual(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	return p.question(at, r, step, step.Manual.Who, step.Manual.Text, "confirmed")
}

// question asks people once and waits for the first answer.
func (p *Player) question(at time.Time, r *run, step plan.Step, who, text, word string) ([]lifeboat.Event, *outcome) {
	if len(r.acts) == 0 {
		var to []string
		for _, person := range p.register.Person(who) {
			to = append(to, person.Name)
		}
		if len(to) == 0 {
			return nil, failed("the plan names nobody as %q", who)
		}
		key := r.key("ask")
		text = fmt.Sprintf("%s (run %s, step %d). Answer: lifeboat answer %s yes|no --as NAME", text, r.Run, r.step+1, key)
		return []lifeboat.Event{r.message(key, to, text, true)}, nil
	}
	a := r.acts[0]
	switch {
	case a.refused != "":
		return nil, failed("not asked: %s", a.refused)
	case a.answer == nil:
		return nil, nil
	case !a.answer.Yes:
		return nil, &outcome{status: lifeboat.Failed, why: a.answer.By + " said no" + prose.After(": ", a.answer.Note), final: true}
	}
	return nil, done("%s %s after %s%s", a.answer.By, word, span(at.Sub(r.tried)), prose.After(": ", a.answer.Note))
}

func notify(p *Player, at time.Time, r *run, step plan.Step) ([]lifeboat.Event, *outcome) {
	if len(r.acts) == 0 {
		var to []string
		for _, who := range step.Notify.To {
			for _, person := range p.register.Person(who) {
				if !slices.Contains(to, person.Name) {
					to = append(to, person.Name)
				}
			}
		}
		return []lifeboat.Event{r.message(r.key("tell"), to, step.Notify.Text, false)}, nil
	}
	switch a := r.acts[0]; {
	case a.refused != "":
		return nil, failed("not sent: %s", a.refused)
	case a.receipt.Status == lifeboat.Sent:
		return nil, done("told %s", list(a.Message.To))
	case step.Timeout == 0 && !at.Before(notifyEnds(p, r, step)):
		return nil, done("no channel has taken the message for %s after %s; it is tried further", list(a.Message.To), span(notifyMax))
	}
	return nil, nil
}

// notifyMax is how long a run waits for a message to be taken where the owner names no time-out: what comes after it in
// the playbook must not hang on a mail server.
const notifyMax = 15 * time.Minute

func notifyEnds(_ *Player, r *run, step plan.Step) time.Time {
	if step.Timeout > 0 {
		return time.Time{}
	}
	return r.tried.Add(notifyMax)
}

func (r *run) message(key lifeboat.Key, to []string, text string, question bool) lifeboat.Intent {
	return lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Run: r.Run, Step: path(r.step),
		Message: &lifeboat.Message{To: to, Text: text, Question: question}}
}

// key of an act of the current attempt.
func (r *run) key(parts ...any) lifeboat.Key {
	return lifeboat.NewKey(append([]any{r.Run, r.step, r.attempt}, parts...)...)
}

func list(names []string) string { return strings.Join(names, ", ") }

// span tells a duration as a person says it.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
