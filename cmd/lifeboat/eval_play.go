package main

import (
	"context"
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/session"
	"lifeboat/watch/rule"
)

// A sampling says when eval looks at the expression.
type sampling struct {
	by   by
	span time.Duration // of bySpan
}

type by uint8

const (
	bySession by = iota // after the last reading of each
	byReading           // after each
	bySpan              // at every whole span of wall time
	byStep              // after each reading, and whenever time alone may have changed something
)

// A sample is how the expression stood at one time.
type sample struct {
	at    time.Time
	day   string  // of the session, where one is summed up
	v     float64 // 1 or 0 of a condition
	known bool
	was   bool // a condition was true in between, and is not now
}

// An evaluation plays a tape through a board that holds one expression. Between readings it lets time pass as the flow
// does, so that a hold ends and a series goes stale when they would have.
type evaluation struct {
	sampling
	board    *rule.Board
	cond     *rule.Cond
	calendar *session.Calendar
	from, to time.Time
	tell     func(sample) error

	now  time.Time
	next time.Time // the next sample of bySpan
	open *sample   // the running session
}

func newEvaluation(expr string, past drill.Options, s sampling, planless bool) (*evaluation, error) {
	parts := drill.Heard(past.Plan, past.Tape, past.Scenario, past.From)
	board, err := app.Board(parts)
	if err != nil {
		return nil, err
	}
	cond, err := board.Compile(expr, app.Env(past.Plan, parts.Sources), "")
	if err != nil {
		return nil, err
	}
	if planless && cond.Portfolio() {
		return nil, &lifeboat.Problem{Reason: "usage", What: "the expression is about a portfolio, and none is named", Next: "name its plan with --plan DIR"}
	}
	e := &evaluation{sampling: s, board: board, cond: cond, calendar: past.Tape.Calendar, from: past.From, to: past.To}
	if s.by != bySpan {
		return e, nil
	}
	if rows := past.To.Sub(past.From) / s.span; rows > rowsMax {
		return nil, &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("there would be %d lines, and %d are the limit", rows, rowsMax), Next: "give --every a longer span, or --from and --to"}
	}
	if e.next = past.From.Truncate(s.span); e.next.Before(past.From) {
		e.next = e.next.Add(s.span)
	}
	return e, nil
}

func (e *evaluation) play(ctx context.Context, instants []lifeboat.Instant) error {
	for _, in := range instants {
		if in.At.After(e.to) {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		due, err := e.pass(in.At)
		if err != nil {
			return err
		}
		e.board.Take(in.At, in)
		e.now = in.At
		if err := e.look(true); err != nil {
			return err
		}
		if due { // at one time, prices come before timers
			e.board.Tick(in.At)
			if err := e.look(false); err != nil {
				return err
			}
		}
	}
	if err := e.spans(e.to.Add(1)); err != nil {
		return err
	}
	return e.finish()
}

// pass lets time run up to the next reading, and reports whether something is due together with it.
func (e *evaluation) pass(until time.Time) (due bool, err error) {
	for e.board.MayChange(until) {
		at := e.board.NextChange(e.now)
		if at.IsZero() || !at.Before(until) {
			due = at.Equal(until)
			break
		}
		if err := e.spans(at); err != nil {
			return false, err
		}
		e.board.Tick(at)
		e.now = at
		if err := e.look(false); err != nil {
			return false, err
		}
	}
	return due, e.spans(until)
}

// spans tells how the expression stood at every whole span before a time.
func (e *evaluation) spans(before time.Time) error {
	if e.by != bySpan || e.now.IsZero() {
		return nil
	}
	for ; e.next.Before(before) && !e.next.After(e.to); e.next = e.next.Add(e.span) {
		if e.next.Before(e.now) {
			continue
		}
		if e.cond.Type() == rule.Duration { // it grows between the moments at which a limit is passed
			e.board.Tick(e.next)
		}
		if err := e.tell(e.sample(e.next)); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluation) sample(at time.Time) sample {
	v, known := e.cond.Number()
	return sample{at: at, v: v, known: known}
}

// look at the expression after a step of the board.
func (e *evaluation) look(reading bool) error {
	if e.now.Before(e.from) {
		return nil
	}
	s := e.sample(e.now)
	switch {
	case e.by == byStep, e.by == byReading && reading:
		return e.tell(s)
	case e.by == bySession:
		return e.within(s)
	}
	return nil
}

// within adds a sample to its session, and tells of the session before when it is the first of another.
func (e *evaluation) within(s sample) error {
	s.day = e.calendar.Of(s.at).Day.Format(time.DateOnly)
	holds := e.cond.Type() == rule.Boolean && s.known && s.v != 0
	if e.open != nil && e.open.day == s.day {
		s.was = (e.open.was || e.cond.Type() == rule.Boolean && e.open.known && e.open.v != 0) && !holds
		*e.open = s
		return nil
	}
	err := e.finish()
	e.open = &s
	return err
}

func (e *evaluation) finish() error {
	if e.open == nil {
		return nil
	}
	done := *e.open
	e.open = nil
	return e.tell(done)
}
