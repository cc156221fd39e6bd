package conformance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
	"lifeboat/watch/rule"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// fired is what the watch says of a trigger whose condition became true.
func fired(t plan.Trigger) lifeboat.Firing {
	return lifeboat.Firing{Trigger: t.Name, Tier: t.Tier, Severity: t.Severity, State: lifeboat.Fired, Values: map[string]float64{"shadow": 1}}
}

// personHalts lets everybody in the plan halt, each in a world of their own.
func personHalts(k *kit) error {
	if len(k.plan.People) == 0 {
		return notApplicable("the plan names nobody")
	}
	for _, p := range k.plan.People {
		w, run, err := k.acting(k.begin(k.plan))
		if err != nil {
			return err
		}
		refused, err := w.tell(w.request(p.Name, lifeboat.MoveBreaker, string(lifeboat.Halted), ""))
		if err != nil {
			return err
		}
		if refused != "" {
			hint := ""
			if k.plan.Authority.Halt != "" {
				hint = fmt.Sprintf("; the plan's authority.halt names only %q: leave it out, and everybody may", k.plan.Authority.Halt)
			}
			return w.broken("%s could not halt: %s%s", p.Name, refused, hint)
		}
		if err := w.stillHalted(run, "at the very moment when "+p.Name+" halted it"); err != nil {
			return err
		}
		if by := all[lifeboat.BreakerMove](w.journal, 0)[0].By; by != p.Name {
			return w.broken("%s halted it and the journal says that %q did", p.Name, by)
		}
	}
	return nil
}

func killFileHalts(k *kit) error {
	for _, from := range []lifeboat.BreakerState{lifeboat.Active, lifeboat.Reducing} {
		w, run, err := k.acting(k.begin(k.plan))
		if err != nil {
			return err
		}
		if from == lifeboat.Reducing {
			if k.halter() == "" {
				continue
			}
			if err := w.makeStricter(from); err != nil {
				return err
			}
		}
		if err := w.fileFound(); err != nil {
			return err
		}
		if err := w.stillHalted(run, "at the very moment when the kill file was found"); err != nil {
			return err
		}
	}
	return nil
}

// strictestWins lets two things happen at the same instant, in both orders.
func strictestWins(k *kit) error {
	by := k.halter()
	if by == "" {
		return notApplicable("the plan names nobody who could ask for a state")
	}
	for _, order := range [][]lifeboat.BreakerState{{lifeboat.Reducing, lifeboat.Halted}, {lifeboat.Halted, lifeboat.Reducing},
		{lifeboat.Halted, lifeboat.Active}, {lifeboat.Active, lifeboat.Halted}} {
		w, err := k.begin(k.plan)
		if err != nil {
			return err
		}
		var both []lifeboat.Event
		for _, to := range order {
			both = append(both, w.request(by, lifeboat.MoveBreaker, string(to), cmp.Or(k.loosen.factor, "any")))
		}
		if err := w.put(both...); err != nil {
			return err
		}
		if err := w.want(lifeboat.Halted, fmt.Sprintf("asked for %s and %s at the same instant,", order[0], order[1])); err != nil {
			return err
		}
	}
	return nil
}

// weakerTripsChangeNothing asks for less than there is, by everything that trips.
func weakerTripsChangeNothing(k *kit) error {
	w, run, err := k.acting(k.halted())
	if err != nil {
		return err
	}
	moves := len(all[lifeboat.BreakerMove](w.journal, 0))
	for _, t := range k.tripping() {
		if err := w.put(fired(t)); err != nil {
			return err
		}
	}
	if by := k.halter(); by != "" {
		if err := w.put(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Halted), "")); err != nil {
			return err
		}
	}
	if n := len(all[lifeboat.BreakerMove](w.journal, 0)); n != moves {
		return w.broken("trips during a halt moved the breaker %d times", n-moves)
	}
	if err := w.stillHalted(run, "after every trip of the plan during a halt"); err != nil {
		return err
	}
	if w, err = k.begin(k.plan); err != nil {
		return err
	}
	if by := k.halter(); by != "" {
		if err := w.put(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Active), "any")); err != nil {
			return err
		}
	}
	for _, verb := range []lifeboat.Verb{lifeboat.Acknowledge, lifeboat.PauseRun} {
		if err := w.put(w.request(k.halter(), verb, string(lifeboat.Halted), "")); err != nil {
			return err
		}
	}
	return w.want(lifeboat.Active, "after a wish for active while it was active, and wishes about other things")
}

// strangeWishes ask for a state that there is none of.
func strangeWishes(k *kit) error {
	for _, object := range []string{"sideways", "", "ACTIVE"} {
		w, run, err := k.acting(k.begin(k.plan))
		if err != nil {
			return err
		}
		if by := k.halter(); by != "" {
			refused, err := w.tell(w.request(by, lifeboat.MoveBreaker, object, "any"))
			if err != nil {
				return err
			}
			if refused == "" {
				return w.broken("%s was let ask for the state %q, and there is none", by, object)
			}
		}
		if err := w.put(w.request(killFile, lifeboat.MoveBreaker, object, "")); err != nil { // by another version
			return err
		}
		if err := w.stillHalted(run, fmt.Sprintf("after the journal was found to have a wish for %q", object)); err != nil {
			return err
		}
	}
	return nil
}

// triggersTrip says to the breaker that each tripping trigger fired, and then makes it fire by what sources say.
func triggersTrip(k *kit) error {
	tripping := k.tripping()
	if len(tripping) == 0 {
		return notApplicable("no trigger of the plan trips the breaker")
	}
	for _, t := range tripping {
		w, run, err := k.acting(k.begin(k.plan))
		if err != nil {
			return err
		}
		if err := w.put(fired(t)); err != nil {
			return err
		}
		when := fmt.Sprintf("at the very moment when %q fired", t.Name)
		if err := w.want(lifeboat.BreakerState(t.Breaker), when); err != nil {
			return err
		}
		if m := all[lifeboat.BreakerMove](w.journal, 0)[0]; m.Trigger != t.Name || m.By != "plan" {
			return w.broken("%q tripped it and the journal says that %q of %q did", t.Name, m.Trigger, m.By)
		}
		if k.buy.account != "" {
			if err := w.mustRefuse(w.order(run, lifeboat.Buy, k.buy, 0.5), when); err != nil {
				return err
			}
		}
		if err := k.tripsByReadings(t); err != nil {
			return err
		}
	}
	others := slices.DeleteFunc(slices.Clone(k.plan.Triggers), func(t plan.Trigger) bool { return t.Breaker != "" })
	w, err := k.begin(k.plan)
	for _, t := range others {
		if err == nil {
			err = w.put(fired(t))
		}
	}
	if err == nil && len(others) > 0 {
		err = w.want(lifeboat.Active, "after all triggers fired that do not trip it")
	}
	if err != nil {
		return err
	}
	w, err = k.begin(k.plan)
	if err == nil {
		cleared := fired(tripping[0])
		cleared.State = lifeboat.Cleared
		err = w.put(cleared)
	}
	if err == nil {
		err = w.want(lifeboat.Active, fmt.Sprintf("when %q cleared", tripping[0].Name))
	}
	return err
}

// tripsByReadings lets every source say what makes a trigger's condition true, for as long as it must be.
func (k *kit) tripsByReadings(t plan.Trigger) error {
	shock, known := k.shock(t)
	if !known {
		k.note("%q on readings: %s", t.Name, unplayed(t))
		return nil
	}
	w, err := k.begin(k.plan)
	if err != nil {
		return err
	}
	if err := w.shake(shock, t); err != nil {
		return err
	}
	return w.notLooserThan(lifeboat.BreakerState(t.Breaker), fmt.Sprintf("with what %q fears true for long enough", t.Name))
}

func (w *world) notLooserThan(state lifeboat.BreakerState, when string) error {
	is, err := w.state()
	if err == nil && state.Stricter(is) {
		err = w.broken("%s the breaker is %s", when, is)
	}
	return err
}

// shake lets all sources say so, again and again, for as long as a trigger wants it, and past a guard that wants to hear
// it twice.
func (w *world) shake(shock map[lifeboat.Series]float64, t plan.Trigger) error {
	maps.Copy(w.prices, shock)
	end := w.now.Add(time.Duration(t.For) + 4*time.Minute)
	for w.now.Before(end) {
		if err := w.wait(time.Minute); err != nil {
			return err
		}
	}
	return nil
}

// A shock is what makes a condition true: its series a little beyond their thresholds, or all of them far up or down. It is
// looked for by trying, with the system itself.
func (k *kit) shock(t plan.Trigger) (map[lifeboat.Series]float64, bool) {
	found, tried := k.known[t.Name]
	if !tried {
		found = k.search(t)
		k.known[t.Name] = found
	}
	return found, found != nil
}

func (k *kit) search(t plan.Trigger) map[lifeboat.Series]float64 {
	if time.Duration(t.For) > shakeMax {
		return nil
	}
	for _, shock := range k.shocks(t) {
		w, err := k.begin(k.plan)
		if err != nil || w.shake(shock, t) != nil {
			return nil
		}
		for _, f := range all[lifeboat.Firing](w.journal, 0) {
			if f.Trigger == t.Name && f.State == lifeboat.Fired {
				return shock
			}
		}
	}
	return nil
}

// shakeMax bounds for how long the kit plays a condition, minute by minute.
const shakeMax = 6 * time.Hour

// shocks to try, the mildest first.
func (k *kit) shocks(t plan.Trigger) []map[lifeboat.Series]float64 {
	beyond := map[lifeboat.Series]float64{}
	for _, l := range rule.Thresholds(t.Condition) {
		s := lifeboat.Series(l.Of)
		if _, known := k.calm[s]; !known || l.Minus {
			continue
		}
		switch l.Sign {
		case "<", "<=":
			beyond[s] = l.Value * 0.99
		case ">", ">=":
			beyond[s] = l.Value * 1.01
		}
	}
	var shocks []map[lifeboat.Series]float64
	if len(beyond) > 0 {
		shocks = append(shocks, beyond)
	}
	for _, factor := range []float64{0.9, 0.7, 0.55, 1.4, 1.9, 0.2, 5} {
		all := map[lifeboat.Series]float64{}
		for s, price := range k.calm {
			if _, column := s.Column(); column == "" {
				all[s] = price * factor
			}
		}
		shocks = append(shocks, all)
	}
	return shocks
}

// oneBadTick lets one source say one thing once that would be true of a disaster.
func oneBadTick(k *kit) error {
	tripping := k.tripping()
	if len(tripping) == 0 {
		return notApplicable("no trigger of the plan trips the breaker, so no reading can")
	}
	tried := 0
	for _, t := range tripping {
		shock, known := k.shock(t)
		if !known {
			k.note("%q: %s", t.Name, unplayed(t))
			continue
		}
		for _, s := range slices.Sorted(maps.Keys(shock)) {
			for _, source := range k.sources[s] {
				for _, quality := range []lifeboat.Quality{lifeboat.Suspect, lifeboat.Good} {
					if err := k.badTick(t, lifeboat.Reading{Series: s, Source: source, Value: shock[s], Quality: quality}); err != nil {
						return err
					}
					tried++
				}
			}
		}
	}
	if tried == 0 {
		return notApplicable("no reading could be found that trips the breaker")
	}
	return nil
}

// unplayed says why a condition could not be made true.
func unplayed(t plan.Trigger) string {
	if time.Duration(t.For) > shakeMax {
		return fmt.Sprintf("it must hold for %s, and no more than %s are played", prose.Span(time.Duration(t.For)), prose.Span(shakeMax))
	}
	return fmt.Sprintf("no simple movement of its series within minutes makes %s true", t.Condition)
}

// badTick is one reading amid calm ones.
func (k *kit) badTick(t plan.Trigger, r lifeboat.Reading) error {
	w, err := k.begin(k.plan)
	if err != nil {
		return err
	}
	if err := w.wait(time.Minute); err != nil {
		return err
	}
	w.now = w.now.Add(30 * time.Second)
	if err := w.take(lifeboat.Instant{At: w.at(), Readings: []lifeboat.Reading{r}}); err != nil {
		return err
	}
	for range 3 {
		if err := w.wait(30 * time.Second); err != nil {
			return err
		}
	}
	is, err := w.state()
	if err != nil || is == lifeboat.Active {
		return err
	}
	said := fmt.Sprintf("one reading (%s of %.6g", r.Series, r.Value)
	if r.Source != "" {
		said += " from " + r.Source
	}
	hint := ""
	if r.Quality == lifeboat.Good && t.For == 0 && t.Sources < 2 {
		hint = fmt.Sprintf("; %q has neither for: nor sources: 2, so one wrong number is enough", t.Name)
	}
	return w.broken("%s, %s) made the breaker %s%s", said, r.Quality, is, hint)
}
