package app

import (
	"lifeboat"
	"lifeboat/watch/rule"
)

// Board is what a plan's expressions are evaluated on, alone: no triggers, decisions or runs. The book holds what the
// plan registers. It is for who asks what an expression would have said; the flow's own board is that of [Build].
func Board(p Parts) (*rule.Board, error) {
	calendars, err := newCalendars(p.Plan, p.Calendar, p.Calendars)
	if err != nil {
		return nil, err
	}
	book := lifeboat.NewBook(p.Plan.Portfolio.BaseCurrency)
	book.Apply(p.From, Loaded(p.Plan, "eval"))
	return rule.NewBoard(newEngine(p, book, calendars), calendars.portfolio), nil
}
