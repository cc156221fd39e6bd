package drill

import (
	"cmp"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill/scenario"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/feed/guard"
	"lifeboat/watch/feed/tape"
)

// Heard is what a tape brings to the flow of a plan: its series with their sources, calendars and pace. A backtest
// builds its watch from the same parts as a drill does, so that both see one market.
func Heard(p *plan.Plan, t *tape.Tape, s *scenario.Scenario, from time.Time) app.Parts {
	return app.Parts{
		Plan: p, Sources: sources(t), Calendar: t.Calendar, Calendars: ownCalendars(t),
		StaleAfter: staleAfter(Options{Plan: p, Tape: t, Scenario: s}), Bands: Bands(p, t, s), From: from,
	}
}

// Bands say what the series of a tape can be, as the feeds of the plan say it of live ones. How long a series may be
// silent before its return is doubted goes by its pace on the tape.
func Bands(p *plan.Plan, t *tape.Tape, s *scenario.Scenario) func(series lifeboat.Series, source string) guard.Band {
	return guard.Paced(guard.OfTape(t, p.Feeds), calendarOf(t), staleAfter(Options{Plan: p, Tape: t, Scenario: s}))
}

// calendarOf a symbol on the tape.
func calendarOf(t *tape.Tape) func(symbol string) *session.Calendar {
	own := ownCalendars(t)
	return func(symbol string) *session.Calendar { return cmp.Or(own[symbol], t.Calendar) }
}

// judged is the tape as the daemon would have seen it, up to the drill's end, and what of it is suspect.
func judged(o Options) (instants []lifeboat.Instant, doubts []string) {
	t, doubts := guard.Tape(o.Tape.Between(time.Time{}, o.To), Bands(o.Plan, o.Tape, o.Scenario))
	return t.Instants, doubts
}
