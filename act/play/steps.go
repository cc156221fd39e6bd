package play

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// What a step said when it was looked at: what it wants done now, or how it ended, or else what it waits for ("for …",
// "until …").
type said struct {
	events []lifeboat.Event
	out    *outcome
	waits  string
}

func acts(events ...lifeboat.Event) said { return said{events: events} }

func over(out *outcome) said { return said{out: out} }

func waits(format string, args ...any) said { return said{waits: fmt.Sprintf(format, args...)} }

// A kind of step: work looks at it; wakes says when it must be looked at again without news, if ever; until, when its time is
// up, where that is not simply its time-out.
type kind struct {
	work  func(p *Player, at time.Time, r *run, n *node) said
	wakes func(p *Player, r *run, n *node) time.Time
	until func(r *run, n *node) time.Time
}

var kinds = map[string]kind{
	"check":       {work: check, wakes: marketTurns},
	"verify":      {work: verify},
	"wait":        {work: wait, wakes: waitEnds},
	"approve":     {work: gate, wakes: silenceEnds, until: gateEnds},
	"manual":      {work: manual},
	"notify":      {work: notify, wakes: notifyEnds},
	"communicate": {work: communicate, wakes: nextCall},
	"order":       {work: lastOfAll(trade), wakes: freed},
	"rebalance":   {work: lastOfAll(rebalance), wakes: nextSlice},
	"http":        {work: task},
	"exec":        {work: task},
	"failover":    {work: task},
	"terraform":   {work: inPhases},
	"exit":        {work: inPhases},
	"withdraw":    {work: inPhases},
	"": {work: func(*Player, time.Time, *run, *node) said {
		return over(failed(refused, "the step has no kind"))
	}},
}

// check waits until every condition of the pre-flight holds.
func check(p *Player, at time.Time, r *run, n *node) said {
	var faults []string
	unknown := false
	values := map[string]float64{}
	for _, symbol := range p.traded() {
		faults = append(faults, p.checkSymbol(at, symbol, *n.step.Check, values)...)
	}
	if that := n.step.Check.That; that != "" {
		truth, known, read := p.view.Holds(that, at)
		maps.Copy(values, read)
		if !known {
			faults, unknown = append(faults, "no data for "+that), true
		} else if !truth {
			faults = append(faults, that+" does not hold")
		}
	}
	if len(faults) == 0 {
		return over(&outcome{status: lifeboat.Done, why: "pre-flight passed", values: values})
	}
	if deadline := n.deadline(); deadline.IsZero() || at.Before(deadline) {
		return waits("for its conditions: %s", strings.Join(faults, "; "))
	}
	return over(&outcome{status: lifeboat.Failed, kind: lack(unknown), why: strings.Join(faults, "; "), values: values})
}

// lack is the kind of failure of a condition: unmet, or transient where data is missing.
func lack(unknown bool) string {
	if unknown {
		return "transient"
	}
	return "unmet"
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
func marketTurns(p *Player, _ *run, n *node) time.Time {
	if n.step.Check.Market == "" {
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
func verify(p *Player, at time.Time, r *run, n *node) said {
	that := n.step.Verify.That
	truth, known, values := p.view.Holds(that, at)
	if known && truth {
		return over(&outcome{status: lifeboat.Done, why: that + " holds", values: values})
	}
	why := that + " does not hold"
	if !known {
		why = "no data for " + that
	}
	if deadline := n.deadline(); !deadline.IsZero() && at.Before(deadline) {
		return waits("for its condition: %s", why)
	}
	return over(&outcome{status: lifeboat.Failed, kind: lack(!known), why: why, values: values})
}

func wait(p *Player, at time.Time, r *run, n *node) said {
	if w := n.step.Wait; w.Until != "" {
		open := true
		for _, symbol := range p.traded() {
			open = open && p.view.MarketOpen(symbol, at)
		}
		if open == (w.Until == "open") {
			return over(done("the market is %s", map[bool]string{true: "open", false: "closed"}[open]))
		}
		return waits("for the market to %s", w.Until)
	}
	if ends := waitEnds(p, r, n); at.Before(ends) {
		return waits("until %s", instant(ends))
	}
	return over(done("waited %s", span(time.Duration(n.step.Wait.For))))
}

func waitEnds(p *Player, _ *run, n *node) time.Time {
	if n.step.Wait.Until != "" {
		return p.nextTurn()
	}
	return n.tried.Add(time.Duration(n.step.Wait.For))
}

// manual asks people to do something; the first answer that has its evidence counts.
func manual(p *Player, at time.Time, r *run, n *node) said {
	key := r.key(n, "ask")
	to := p.people(n.step.Manual.Who)
	if why, no := r.refused[key]; no {
		return over(failed(refused, "not asked: %s", why))
	}
	a := n.act(key)
	if a == nil && len(to) == 0 {
		return over(failed(refused, "the plan names nobody as %q", n.step.Manual.Who))
	}
	if a == nil {
		text := n.step.Manual.Text
		if evidence := n.step.Manual.Evidence; len(evidence) > 0 {
			text += " Attach: " + list(evidence) + "."
		}
		return acts(r.ask(n, key, to, text))
	}
	for _, answer := range a.answers {
		switch {
		case len(n.missing(answer)) > 0:
		case !answer.Yes:
			return over(failed(refused, "%s said no%s", answer.By, prose.After(": ", answer.Note)))
		default:
			return over(done("%s confirmed after %s%s%s", answer.By, span(at.Sub(n.tried)), prose.After(": ", answer.Note), attached(answer.Evidence)))
		}
	}
	return waits("for %s to answer", list(a.Message.To))
}

// attached tells the evidence that came with an answer.
func attached(evidence map[string]string) string {
	var all []string
	for _, label := range slices.Sorted(maps.Keys(evidence)) {
		all = append(all, label+" "+evidence[label])
	}
	return prose.After("; attached: ", list(all))
}

// people of a list of names and roles, each once.
func (p *Player) people(who ...string) []string {
	var to []string
	for _, one := range who {
		for _, person := range p.plan.Person(one) {
			if !slices.Contains(to, person.Name) {
				to = append(to, person.Name)
			}
		}
	}
	return to
}

func notify(p *Player, at time.Time, r *run, n *node) said {
	key := r.key(n, "tell")
	if why, no := r.refused[key]; no {
		return over(failed(refused, "not sent: %s", why))
	}
	a := n.act(key)
	if a == nil {
		return acts(r.message(n, key, p.people(n.step.Notify.To...), n.step.Notify.Text))
	}
	to := list(a.Message.To)
	switch {
	case a.receipt.Status == lifeboat.Sent:
		return over(done("told %s", to))
	case n.step.Timeout == 0 && !at.Before(notifyEnds(p, r, n)):
		return over(done("no channel has taken the message for %s after %s; it is tried further", to, span(notifyMax)))
	}
	return waits("for a channel to take the message for %s", to)
}

// notifyMax is how long a run waits for a message to be taken where the owner names no time-out: what comes after it in
// the playbook must not hang on a mail server.
const notifyMax = 15 * time.Minute

func notifyEnds(_ *Player, _ *run, n *node) time.Time {
	if n.step.Timeout > 0 {
		return time.Time{}
	}
	return n.tried.Add(notifyMax)
}

// communicate calls people one after the other until enough of them have acknowledged. Any answer is an acknowledgement.
func communicate(p *Player, at time.Time, r *run, n *node) said {
	c := n.step.Communicate
	to := p.people(c.Call...)
	var reached, silent []string
	var last *act
	for _, name := range to {
		key := r.key(n, "call", name)
		if _, no := r.refused[key]; no {
			continue
		}
		a := n.act(key)
		switch {
		case a == nil && (last == nil || last.heard() || !at.Before(last.at.Add(callAfter(n)))):
			return acts(r.ask(n, key, []string{name}, c.Text))
		case a == nil:
			return waits("for %s; then %s is called", list(silent), name)
		case a.heard():
			reached = append(reached, name)
		default:
			silent = append(silent, name)
		}
		if last = a; len(reached) > 0 && c.Need == "first" {
			return over(done("%s acknowledged after %s", list(reached), span(at.Sub(n.tried))))
		}
	}
	switch {
	case len(reached)+len(silent) == 0:
		return over(failed(refused, "nobody could be called"))
	case len(silent) > 0:
		return waits("for %s to acknowledge", list(silent))
	}
	return over(done("%s acknowledged after %s", list(reached), span(at.Sub(n.tried))))
}

func (a *act) heard() bool { return len(a.answers) > 0 || len(a.acked) > 0 }

// callAfter is how long one person is given before the next is called as well.
func callAfter(n *node) time.Duration {
	return cmp.Or(time.Duration(n.step.Communicate.After), 5*time.Minute)
}

// nextCall is when the one who was called last has had enough time.
func nextCall(_ *Player, _ *run, n *node) time.Time {
	if len(n.acts) == 0 {
		return time.Time{}
	}
	return n.acts[len(n.acts)-1].at.Add(callAfter(n))
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

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
