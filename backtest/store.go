package backtest

import (
	"context"
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/feed/guard"
	"lifeboat/watch/history"
)

// tapedRows is up to how many values a store is played from memory, so that it can be rehearsed, too.
const tapedRows = 1_000_000

// warmUp is how much of a store before from is played to warm windows up: the longest window of the language, 1,000
// sessions, takes four years of New York.
const warmUp = 4 * 366 * 24 * time.Hour

// SceneOfStore is a history store between two days, which are its own bounds where they are zero. What fits is played
// from memory. More is streamed from the files, and nothing is said about money then.
func SceneOfStore(ctx context.Context, p *plan.Plan, s *history.Store, from, to time.Time) (Scene, error) {
	var adjusted []lifeboat.Series
	var first, last time.Time
	for _, series := range s.List() {
		if symbol, column := series.Name.Column(); column == "" && s.Adjusted(series.Name) {
			adjusted = append(adjusted, lifeboat.Series(symbol))
		}
		if first.IsZero() || series.From.Before(first) {
			first = series.From
		}
		if series.To.After(last) {
			last = series.To
		}
	}
	if from.IsZero() || from.Before(first) {
		from = first
	}
	if to.IsZero() || to.After(last) {
		to = last
	}
	if first.IsZero() || !to.After(from) {
		return Scene{}, &lifeboat.Problem{Reason: "tape-invalid", What: fmt.Sprintf("the history store %s has nothing between %s and %s", s.Dir(), from.Format(time.DateOnly), to.Format(time.DateOnly)),
			Money: "a backtest moves no money", Next: "lifeboat history list"}
	}
	begin := from.Add(-warmUp)
	scene := Scene{Name: ownHistory, Title: "The owner's own history", Record: stored{s, begin}, Parts: heardOfStore(p, s, from), From: from, To: to}
	if rows(s, begin, to) <= tapedRows {
		t, err := s.Tape(ctx, nil, begin, to)
		if err != nil {
			return Scene{}, err
		}
		scene = SceneOfHistory(p, t, from, to)
	}
	scene.Adjusted = adjusted
	return scene, nil
}

// rows of all files that hold anything between two times: at least as many as will be played.
func rows(s *history.Store, from, to time.Time) int {
	n := 0
	for _, series := range s.List() {
		for _, f := range series.Files {
			if !f.To.Before(from) && !f.From.After(to) {
				n += f.Rows
			}
		}
	}
	return n
}

// heardOfStore is what a store brings to the watch, from its manifest alone.
func heardOfStore(p *plan.Plan, s *history.Store, from time.Time) app.Parts {
	parts := app.Parts{Plan: p, Sources: map[lifeboat.Series][]string{}, Calendars: map[string]*session.Calendar{}, From: from}
	pace, levels := map[lifeboat.Series]time.Duration{}, map[string]bool{}
	for _, series := range s.List() {
		name, column := series.Name.Column()
		symbol := lifeboat.Series(name)
		if column != "" {
			continue
		}
		parts.Sources[symbol] = append(parts.Sources[symbol], series.Source)
		pace[symbol] = max(pace[symbol], series.Cadence)
		levels[name] = levels[name] || series.Level
		parts.Calendars[name] = series.Sessions()
		switch parts.Calendar {
		case nil, series.Sessions():
			parts.Calendar = series.Sessions()
		default:
			parts.Calendar = session.AllDay()
		}
	}
	parts.StaleAfter = func(series lifeboat.Series, _ string) time.Duration {
		symbol, _ := series.Column()
		return pace[lifeboat.Series(symbol)] * 3 / 2
	}
	calendar := func(symbol string) *session.Calendar { return parts.Calendars[symbol] }
	parts.Bands = guard.Paced(guard.Played(p.Feeds, levels), calendar, parts.StaleAfter)
	return parts
}

// stored is a store as a record.
type stored struct {
	store *history.Store
	from  time.Time
}

func (s stored) Open(ctx context.Context, until time.Time) (Source, error) {
	return s.store.Player(ctx, nil, s.from, until)
}
