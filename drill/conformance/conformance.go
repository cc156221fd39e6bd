// Package conformance holds a plan's circuit breaker to what breakers must do. Breakers in the field fail quietly: one
// reports "not halted" during its own halt, one forgets its halt at a restart, one raises an error and orders go on. So
// the kit does not look at settings: it builds the very system that the daemon builds of the plan, in the shadow – a clock
// moved by hand, a journal in memory, simulated venues, phones that nobody holds – and tries to get past the breaker in
// every way that the field has taught.
//
// [Run] goes through the table of invariants. Each starts from worlds of its own, is held, broken (with what was seen and
// the entries of the journal that show it), or does not apply, with the reason: what a plan does not configure is never
// counted as proved. What the kit had to add to try something is told in the result.
//
// It sends nothing, writes nothing, reads no clock, and asks no real venue; that a real venue obeys is for the tests of
// the venue. The same plan gives the same result.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/app"
	"lifeboat/plan"
)

// Options of a check.
type Options struct {
	// Only these invariants, by name; all when empty.
	Only []string
	// FirstOnly ends the check at the first broken invariant.
	FirstOnly bool

	// twin changes the system before anything happens, so that a test can see the kit notice it.
	twin func(*app.System)
}

// Verdict on one invariant.
type Verdict string

const (
	Held   Verdict = "held"
	Broken Verdict = "broken"
	// NotApplicable is neither: the plan has nothing that it could be tried on.
	NotApplicable Verdict = "not applicable"
)

// Finding on one invariant.
type Finding struct {
	Name     string   `json:"name"`
	Sentence string   `json:"sentence"` // what it promises
	Verdict  Verdict  `json:"verdict"`
	Seen     string   `json:"seen,omitempty"`    // what was seen instead, or why it does not apply
	Journal  []string `json:"journal,omitempty"` // the entries that show it
	Notes    []string `json:"notes,omitempty"`   // what of it could not be tried
}

// Result of a check.
type Result struct {
	Plan     string    `json:"plan"`
	Hash     string    `json:"hash"`
	Added    []string  `json:"added,omitempty"` // what the plan does not say and the kit put in its place
	Findings []Finding `json:"findings"`
}

// Count of the findings with a verdict.
func (r Result) Count(v Verdict) int {
	n := 0
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// start is the hour at which every check begins: a Monday on which all markets are open, so that a plan is always found
// to be the same.
var start = time.Date(2026, 1, 5, 15, 0, 0, 0, time.UTC)

// Run checks a plan. An error means that the check itself could not be made; a breaker that fails it is in the result.
func Run(ctx context.Context, p *plan.Plan, o Options) (Result, error) {
	k, err := newKit(ctx, p, o)
	if err != nil {
		return Result{}, fmt.Errorf("prepare the check: %w", err)
	}
	r := Result{Plan: p.Portfolio.Name, Hash: p.Hash(), Added: k.added}
	chosen, err := choose(o.Only)
	if err != nil {
		return Result{}, err
	}
	for _, i := range chosen {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		f := k.find(i)
		r.Findings = append(r.Findings, f)
		if f.Verdict == Broken && o.FirstOnly {
			break
		}
	}
	return r, nil
}

func choose(only []string) ([]invariant, error) {
	if len(only) == 0 {
		return invariants, nil
	}
	var chosen []invariant
	for _, name := range only {
		found := false
		for _, i := range invariants {
			if i.name == name {
				chosen, found = append(chosen, i), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no invariant %q", name)
		}
	}
	return chosen, nil
}

// An invariant is a promise and the attempt to break it. check returns nil when it was held, *broken with what was seen
// instead, *beside when there was nothing to try it on; any other error came from the system under test, and a system that
// fails in the middle of it has not held it.
type invariant struct {
	name, sentence string
	check          func(*kit) error
}

type broken struct {
	seen    string
	journal []string
}

func (b *broken) Error() string { return b.seen }

type beside struct{ why string }

func (b *beside) Error() string { return b.why }

func notApplicable(format string, args ...any) error { return &beside{fmt.Sprintf(format, args...)} }

func (k *kit) find(i invariant) Finding {
	k.notes = nil
	f := Finding{Name: i.name, Sentence: i.sentence, Verdict: Held}
	err := i.check(k)
	var seen *broken
	var nothing *beside
	switch {
	case errors.As(err, &seen):
		f.Verdict, f.Seen, f.Journal = Broken, seen.seen, seen.journal
	case errors.As(err, &nothing):
		f.Verdict, f.Seen = NotApplicable, nothing.why
	case err != nil:
		f.Verdict, f.Seen = Broken, "the system itself failed: "+err.Error()
	}
	f.Notes = k.notes
	return f
}
