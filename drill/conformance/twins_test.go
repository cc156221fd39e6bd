package conformance

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
)

// A twin is the product with one of the mistakes that breakers of the field were shipped with. It stands where the breaker
// stands in the flow, hears what the breaker hears, and may change what is heard, what is said and what passes.
type twin struct {
	system *app.System
	real   lifeboat.Stage
	allow  func(lifeboat.Intent) error
	now    time.Time
	said   []lifeboat.Event // by the twin alone, once

	deaf   func(lifeboat.Event) bool
	hears  func(lifeboat.Event)
	mute   func(lifeboat.Event) bool
	passes func(i lifeboat.Intent, refused error) error
}

func (t *twin) Apply(at time.Time, e lifeboat.Event) {
	t.now = at
	if t.hears != nil {
		t.hears(e)
	}
	if t.deaf == nil || !t.deaf(e) {
		t.real.Apply(at, e)
	}
}

func (t *twin) Next(at time.Time) []lifeboat.Event {
	t.now = at
	said := append(t.said, t.real.Next(at)...)
	t.said = nil
	if t.mute != nil {
		said = slices.DeleteFunc(said, t.mute)
	}
	return said
}

func (t *twin) Due() time.Time { return t.real.Due() }

// join puts the twin in the breaker's place.
func (t *twin) join(s *app.System) {
	t.system, t.real, t.allow = s, s.Breaker, s.Flow.Allow
	for i, stage := range s.Flow.Stages {
		if stage == t.real {
			s.Flow.Stages[i] = t
		}
	}
	s.Flow.Allow = func(i lifeboat.Intent) error {
		err := t.allow(i)
		if t.passes != nil {
			err = t.passes(i, err)
		}
		return err
	}
}

func byBreaker(err error) bool {
	var p *lifeboat.Problem
	return errors.As(err, &p) && p.Reason == "halted"
}

// TestFamousMistakes sees the kit notice each of them.
func TestFamousMistakes(t *testing.T) {
	mistakes := map[string]struct {
		make func() *twin
		want []string // some of the promises that it breaks
	}{
		"it says that it is not halted from the second look on (bbgo)": {func() *twin {
			w := &twin{}
			w.passes = func(_ lifeboat.Intent, refused error) error {
				if byBreaker(refused) && w.now.After(w.system.Breaker.Since()) {
					return nil
				}
				return refused
			}
			return w
		}, []string{"a halt holds", "reducing holds", "survives restarts"}},
		"its state is in memory only (bbgo)": {func() *twin {
			w, forgot := &twin{}, false
			w.hears = func(e lifeboat.Event) {
				switch e.(type) {
				case lifeboat.Resumed:
					forgot = true
				case lifeboat.BreakerMove:
					forgot = false
				}
			}
			w.passes = func(_ lifeboat.Intent, refused error) error {
				if forgot && byBreaker(refused) {
					return nil
				}
				return refused
			}
			return w
		}, []string{"survives kill -9", "survives restarts", "survives fail-over", "survives a new plan"}},
		"the kill switch fails and orders go on (hummingbot)": {func() *twin {
			return &twin{deaf: func(e lifeboat.Event) bool { r, is := e.(lifeboat.Request); return is && r.By == killFile }}
		}, []string{"the kill file halts"}},
		"stop is not exit: nothing passes at all (freqtrade)": {func() *twin {
			w := &twin{}
			w.passes = func(i lifeboat.Intent, refused error) error {
				if refused == nil && i.Act != lifeboat.SendMessage && w.system.Breaker.State() != lifeboat.Active {
					return &lifeboat.Problem{Reason: "halted", What: "nothing passes"}
				}
				return refused
			}
			return w
		}, []string{"reductions pass", "cancellations pass", "approved acts pass", "on_halt only reduces"}},
		"a bad tick halts everything (go-trader)": {func() *twin {
			w := &twin{}
			w.hears = func(e lifeboat.Event) {
				in, is := e.(lifeboat.Instant)
				if is && slices.ContainsFunc(in.Readings, func(r lifeboat.Reading) bool { return r.Quality == lifeboat.Suspect }) {
					w.said = append(w.said, lifeboat.BreakerMove{To: lifeboat.Halted, By: "plan", Why: "a number looked odd"})
				}
			}
			return w
		}, []string{"one bad tick"}},
		"whoever asks last is obeyed": {func() *twin {
			w := &twin{}
			w.hears = func(e lifeboat.Event) {
				if r, is := e.(lifeboat.Request); is && r.Object == string(lifeboat.Active) {
					w.said = append(w.said, lifeboat.BreakerMove{To: lifeboat.Active, By: r.By, Why: "asked"})
				}
			}
			return w
		}, []string{"the hold is kept", "never in one move", "the stage is kept"}},
		"it lets go by itself when its trigger clears": {func() *twin {
			w := &twin{}
			w.hears = func(e lifeboat.Event) {
				if f, is := e.(lifeboat.Firing); is && f.State == lifeboat.Cleared {
					w.said = append(w.said, lifeboat.BreakerMove{To: lifeboat.Active, By: "plan", Why: "cleared"})
				}
			}
			return w
		}, []string{"silence is not calm"}},
		"nobody is told": {func() *twin {
			return &twin{mute: func(e lifeboat.Event) bool { i, is := e.(lifeboat.Intent); return is && i.Message != nil }}
		}, []string{"the owner is told"}},
		"a refusal gives no reason": {func() *twin {
			return &twin{passes: func(_ lifeboat.Intent, refused error) error {
				if byBreaker(refused) {
					return errors.New("")
				}
				return refused
			}}
		}, []string{"refusals are written"}},
	}
	p := load(t, "testdata/solo")
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			r := check(t, p, Options{twin: func(s *app.System) { m.make().join(s) }})
			for _, want := range m.want {
				i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Name == want })
				if i < 0 || r.Findings[i].Verdict != Broken {
					t.Errorf("%q is not found broken", want)
				} else if len(r.Findings[i].Journal) == 0 {
					t.Errorf("%q shows nothing of the journal", want)
				}
			}
			var text strings.Builder
			if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "\nBROKEN\n") || !strings.Contains(text.String(), "Seen instead: ") {
				t.Errorf("%v: it does not tell\n%s", err, text.String())
			}
		})
	}
}

// TestPlansAreAtFault finds what an owner wrote, and says what to write instead.
func TestPlansAreAtFault(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(p *plan.Plan)
		want string
		hint string
	}{
		"one number is enough":       {func(p *plan.Plan) { p.Triggers[0].For = 0 }, "one bad tick", "neither for: nor sources"},
		"halting is for the few":     {func(p *plan.Plan) { p.Authority.Halt = "nobody" }, "a person halts", "leave it out"},
		"nothing can be let go":      {func(p *plan.Plan) { p.People = nil }, "people can let go", "nobody in the plan"},
		"nothing is traded by plans": {func(p *plan.Plan) { p.Accounts[0].Venue, p.Accounts[1].Venue = "manual", "manual" }, "active lets act", "trade nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			p := *load(t, "testdata/solo")
			p.Triggers, p.Accounts = slices.Clone(p.Triggers), slices.Clone(p.Accounts)
			c.edit(&p)
			r := check(t, &p, Options{Only: []string{c.want}})
			if f := r.Findings[0]; f.Verdict == Held || !strings.Contains(f.Seen, c.hint) {
				t.Errorf("%s: %s", f.Verdict, f.Seen)
			}
		})
	}
}

// TestTheSamePlanGivesTheSameResult, to the letter.
func TestTheSamePlanGivesTheSameResult(t *testing.T) {
	var texts [2]strings.Builder
	for i := range texts {
		silent := &twin{mute: func(lifeboat.Event) bool { return true }} // so that there is something to tell
		if err := check(t, load(t, "testdata/solo"), Options{twin: silent.join}).WriteText(&texts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if texts[0].String() != texts[1].String() {
		t.Errorf("first\n%s\nthen\n%s", texts[0].String(), texts[1].String())
	}
}
