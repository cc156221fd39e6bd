// Package feasible says beforehand how long a playbook takes, from the moment at which the first sign could be seen until the
// last act that matters has been done, and whether that is within a window: the time that a disaster leaves.
//
// [Of] goes through the playbook as it would be carried out: one step after the other, the slowest of those that run at once, the
// longer of two ways. People take the reaction times that the plan states of them, so that of two of three who must say yes the
// second fastest counts. A machine's step takes its share of the playbook's budget, or [StepTakes]. What can never be done, because
// too few people answer or answer in time, is told with its reason.
//
// It is arithmetic on the plan: no prices, no venue, no clock. Times are those of a day on which everything works at once; whoever
// is told "too late" by it will be too late. What liquidity allows is for the drills and for exits' own pre-flight.
package feasible

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"lifeboat/act/approve"
	"lifeboat/plan"
	"lifeboat/prose"
)

// StepTakes is how long a step takes that a machine does and for which the plan has no budget.
const StepTakes = time.Minute

// Stage is one thing that takes time on the way.
type Stage struct {
	Name  string        `json:"name"`
	Takes time.Duration `json:"takes"`
	Why   string        `json:"why"` // whose reaction, or which figure of the plan
}

// Estimate of one playbook, as one trigger starts it.
type Estimate struct {
	Playbook string        `json:"playbook"`
	Trigger  string        `json:"trigger,omitempty"` // "" when a person starts it
	Stages   []Stage       `json:"stages"`
	Takes    time.Duration `json:"takes"` // from the first sign
	Run      time.Duration `json:"run"`   // of it, from the start of the run: what the playbook's rto is about
	// Never says why it cannot be carried out at all; "" when it can.
	Never string `json:"never,omitempty"`
}

// Within reports that it is over in time.
func (e Estimate) Within(window time.Duration) bool { return e.Never == "" && e.Takes <= window }

// Of a playbook that a trigger starts; nil for one that a person starts at once.
func Of(p *plan.Plan, b plan.Playbook, t *plan.Trigger) Estimate {
	w := walk{plan: p}
	e := Estimate{Playbook: b.Name}
	if t != nil {
		e.Trigger = t.Name
		w.see(*t)
		w.decide(*t)
	}
	for _, s := range w.stages {
		e.Takes += s.Takes
	}
	for _, s := range b.Steps[:w.last(b.Steps)+1] {
		stage := w.step(s)
		w.add(stage)
		e.Run += stage.Takes
	}
	e.Takes += e.Run
	e.Stages, e.Never = w.stages, w.never
	return e
}

// All playbooks of a plan, each as every trigger starts it that names it; those that none names, as a person does.
func All(p *plan.Plan) []Estimate {
	var all []Estimate
	for _, b := range p.Playbooks {
		started := false
		for i := range p.Triggers {
			if t := &p.Triggers[i]; t.Playbook == b.Name {
				started = true
				all = append(all, Of(p, b, t))
			}
		}
		if !started {
			all = append(all, Of(p, b, nil))
		}
	}
	return all
}

// A walk through a plan's way from a sign to an act.
type walk struct {
	plan   *plan.Plan
	stages []Stage
	never  string
}

func (w *walk) add(s Stage) { w.stages = append(w.stages, s) }

// cannot keeps the first reason.
func (w *walk) cannot(why string) { w.never = cmp.Or(w.never, why) }

// see is how old the news are when the trigger fires: the pace of the slowest feed that it reads, and how long it must hold.
func (w *walk) see(t plan.Trigger) {
	var pace time.Duration
	of := ""
	for _, f := range w.plan.Feeds {
		if every := time.Duration(f.Every); every > pace && reads(t.Condition, f.Series) {
			pace, of = every, f.Series
		}
	}
	why := "no feed of the plan brings what it reads"
	if of != "" {
		why = fmt.Sprintf("%s is asked for every %s", of, prose.Span(pace))
	}
	if t.For > 0 {
		why += fmt.Sprintf(", and it must hold for %s", prose.Span(time.Duration(t.For)))
	}
	w.add(Stage{"see it", pace + time.Duration(t.For), why})
}

// reads reports that a condition names a series, or a signal that is called after it such as spy_200d_ma_breach.
func reads(condition, series string) bool {
	words := strings.FieldsFunc(strings.ToLower(condition), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.@", r)
	})
	series = strings.ToLower(series)
	return slices.ContainsFunc(words, func(word string) bool {
		rest, is := strings.CutPrefix(word, series)
		return is && (rest == "" || strings.ContainsRune("_.@", rune(rest[0])))
	})
}

// decide is who must say yes before the playbook starts.
func (w *walk) decide(t plan.Trigger) {
	if t.Authority == "" || t.Authority == "automatic" {
		return
	}
	asked := w.yes(t.Authority, "plan")
	w.cannot(asked.never)
	w.add(Stage{"decide", asked.takes, asked.why})
}

// A span is how long something takes, and why; never says why it does not end at all.
type span struct {
	takes      time.Duration
	why, never string
	no         bool // never, because somebody says so: that is no silence
}

// yes is how long it takes until enough of those whom a name stands for have said so. A no that comes first ends it.
func (w *walk) yes(by, starter string) span {
	terms, err := approve.TermsOf(w.plan, by, starter)
	if err != nil {
		return span{why: "nobody may", never: err.Error()}
	}
	var answering []plan.Person
	for _, name := range terms.To {
		for _, person := range w.plan.Person(name) {
			if person.Answers != "nothing" {
				answering = append(answering, person)
			}
		}
	}
	slices.SortStableFunc(answering, func(a, b plan.Person) int { return cmp.Compare(a.Reaction, b.Reaction) })
	var said []string
	for _, person := range answering {
		takes := time.Duration(person.Reaction)
		if person.Answers == "no" {
			return span{takes: takes, why: person.Name + " says no", never: fmt.Sprintf("%s answers no after %s", person.Name, prose.Span(takes)), no: true}
		}
		if said = append(said, fmt.Sprintf("%s in %s", person.Name, prose.Span(takes))); len(said) == terms.Need {
			return span{takes: takes, why: strings.Join(said, ", ")}
		}
	}
	return span{why: "too few answer", never: fmt.Sprintf("%q takes a yes of %d, and %s", cmp.Or(by, "owner"), terms.Need, cmp.Or(strings.Join(said, ", "), "nobody answers"))}
}

// last is the step with which the exit is over: the last that acts and without which the run stops. What comes after it, such as
// telling people, may take its time.
func (w *walk) last(steps []plan.Step) int {
	last, any := -1, -1
	for i, s := range steps {
		if !acts(s) {
			continue
		}
		any = i
		if s.OnFailure != "continue" {
			last = i
		}
	}
	if last < 0 {
		return any
	}
	return last
}

// acts reports that a step does something about the money or the systems, by itself or within.
func acts(s plan.Step) bool {
	found := false
	plan.Walk([]plan.Step{s}, func(inner plan.Step) {
		switch inner.Kind() {
		case "check", "approve", "notify", "communicate", "wait", "verify", "do", "parallel", "for_each", "if":
		default:
			found = true
		}
	})
	return found
}

// step is how long a step takes; those within it count in its stage.
func (w *walk) step(s plan.Step) Stage {
	took := w.takes(s)
	if limit := time.Duration(s.Timeout); limit > 0 && len(w.inside(s)) == 0 && (took.takes > limit || took.never != "") {
		took = w.silence(s, limit, took)
	}
	w.cannot(took.never)
	return Stage{s.Name, took.takes, took.why}
}

// silence is what becomes of a step that is not done within its time-out.
func (w *walk) silence(s plan.Step, limit time.Duration, took span) span {
	switch a := s.Approve; {
	case took.no:
		return took
	case a != nil && a.OnTimeout == "smaller":
		return span{takes: limit, why: fmt.Sprintf("nobody answers in %s, and silence permits %s of it", prose.Span(limit), a.Smaller)}
	case a != nil && a.OnTimeout == "escalate":
		second := w.yes(a.EscalateTo, "plan")
		if second.takes > limit {
			second.never = fmt.Sprintf("step %q gives up after %s", s.Name, prose.Span(2*limit))
		}
		return span{takes: limit + second.takes, why: fmt.Sprintf("nobody answers in %s; then %s", prose.Span(limit), second.why), never: second.never}
	case s.OnFailure == "continue":
		return span{takes: limit, why: fmt.Sprintf("it gives up after %s, and the run goes on", prose.Span(limit))}
	case took.never == "":
		took.never = fmt.Sprintf("step %q gives up after %s, and it takes %s (%s)", s.Name, prose.Span(limit), prose.Span(took.takes), took.why)
	}
	return took
}

func (w *walk) takes(s plan.Step) span {
	switch s.Kind() {
	case "approve":
		return w.yes(s.Approve.By, "plan")
	case "terraform":
		return w.approved(s, s.Terraform.By)
	case "exit":
		return w.exit(s)
	case "withdraw":
		return w.approved(s, s.Withdraw.By)
	case "manual":
		return w.person(s)
	case "wait":
		return span{takes: time.Duration(s.Wait.For), why: "as the plan says"}
	case "check", "verify", "notify", "communicate":
		return span{why: "it holds nothing up when all is well"}
	}
	if lists := w.inside(s); len(lists) > 0 {
		return w.compound(s, lists)
	}
	if s.RTO > 0 {
		return span{takes: time.Duration(s.RTO), why: "its share of the budget"}
	}
	return span{takes: StepTakes, why: "what a machine's step is taken for"}
}

// exit is a step that is asked for, where somebody is, and then takes what the chain takes; over a bridge it is done when it has
// arrived.
func (w *walk) exit(s plan.Step) span {
	takes := span{takes: cmp.Or(time.Duration(s.RTO), StepTakes), why: "what a machine's step is taken for"}
	if s.RTO > 0 {
		takes.why = "its share of the budget"
	}
	if s.Exit.By != "" {
		takes = w.approved(s, s.Exit.By)
	}
	if c, over := w.plan.Crossing(*s.Exit); over {
		takes.takes += c.Takes
		takes.why += fmt.Sprintf("; then %s: %s", prose.Span(c.Takes), c.Why)
	}
	return takes
}

// approved is a step that shows what it will do, waits for a yes, and does it.
func (w *walk) approved(s plan.Step, by string) span {
	asked := w.yes(by, "plan")
	asked.takes += cmp.Or(time.Duration(s.RTO), StepTakes)
	return asked
}

// person is how long it takes until somebody begins, and then what the plan allows for the work.
func (w *walk) person(s plan.Step) span {
	var first *plan.Person
	for _, person := range w.plan.Person(s.Manual.Who) {
		if person.Answers == "yes" && (first == nil || person.Reaction < first.Reaction) {
			first = &person
		}
	}
	if first == nil {
		return span{why: s.Manual.Who + " does not do it", never: fmt.Sprintf("step %q waits for %s, who does not do it", s.Name, s.Manual.Who)}
	}
	why := fmt.Sprintf("%s in %s", first.Name, prose.Span(time.Duration(first.Reaction)))
	if s.RTO > 0 {
		why += fmt.Sprintf(", and %s for the work", prose.Span(time.Duration(s.RTO)))
	}
	return span{takes: time.Duration(first.Reaction) + time.Duration(s.RTO), why: why}
}

// inside are the lists of steps of which a step consists. A plan whose playbooks go in circles is refused when it is loaded.
func (w *walk) inside(s plan.Step) [][]plan.Step {
	switch s.Kind() {
	case "playbook":
		b, _ := w.plan.Playbook(s.Playbook)
		return [][]plan.Step{b.Steps}
	case "do":
		return [][]plan.Step{s.Do}
	case "for_each":
		return [][]plan.Step{s.ForEach.Do}
	case "if":
		return [][]plan.Step{s.If.Then, s.If.Else}
	case "parallel":
		var each [][]plan.Step
		for _, one := range s.Parallel {
			each = append(each, []plan.Step{one})
		}
		return each
	}
	return nil
}

// compound is the longest of what runs at once or instead of each other, and the sum of what follows one another.
func (w *walk) compound(s plan.Step, lists [][]plan.Step) (longest span) {
	for _, list := range lists {
		var sum time.Duration
		var reasons []string
		for _, inner := range list {
			stage := w.step(inner)
			sum += stage.Takes
			if stage.Takes > 0 {
				reasons = append(reasons, fmt.Sprintf("%s %s", stage.Name, prose.Span(stage.Takes)))
			}
		}
		if sum > longest.takes {
			longest = span{takes: sum, why: strings.Join(reasons, ", ")}
		}
	}
	if n := w.times(s); n != 1 {
		longest = span{takes: longest.takes * time.Duration(n), why: fmt.Sprintf("%s, %d times", longest.why, n)}
	}
	return longest
}

// times that the steps of a for_each are carried out.
func (w *walk) times(s plan.Step) int {
	if s.ForEach == nil {
		return 1
	}
	n := 0
	for _, h := range w.plan.Holdings {
		of := s.ForEach.Of
		if w.plan.Tradable(h.Account) && (of == "holdings" || of == h.Class || of == h.Symbol || of == h.Account) && h.Symbol != w.plan.Portfolio.BaseCurrency {
			n++
		}
	}
	return n
}
