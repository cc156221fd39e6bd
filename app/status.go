package app

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
	"lifeboat/prose"
	"lifeboat/serve/api"
	"lifeboat/watch/trigger"
)

// Status is the latest snapshot, empty before Run; safe for concurrent use.
func (d *Daemon) Status() api.Status {
	if s := d.status.Load(); s != nil {
		return *s
	}
	return api.Status{}
}

// publish makes a new snapshot for everybody who asks. Only the flow's goroutine calls it.
func (d *Daemon) publish(at time.Time) {
	s := api.Status{
		At: at, Portfolio: d.record.Plan.Name, PlanHash: d.record.Plan.Hash, Since: d.started, Currency: d.Book.Currency(),
		Triggers: []api.Trigger{}, Series: []api.Series{}, Runs: []api.Run{}, Questions: []api.Question{}, Held: []api.Held{}, Venues: []api.Venue{}, Sandbox: d.Sandbox, Endpoints: []api.Endpoint{}, Channels: []api.Channel{}, Exits: []api.Exit{},
		Orders: d.Flow.Open(), Feeds: append([]api.FeedProblem{}, d.feeds...), Journal: api.Journal{Entries: d.record.Entries},
	}
	if head, ok := d.store.Head(); ok {
		s.Journal.Head = hex.EncodeToString(head.Hash[:])
	}
	if value, known := d.Signals.PortfolioValue(at); known {
		s.Value = &value
	}
	if open := d.record.Incidents.Open(); open != nil {
		s.Incident = &api.Incident{ID: open.ID, Opened: open.Opened, Tier: int(open.Tier)}
	}
	blind := false
	for _, t := range d.Watch.Status(at) {
		shown := api.Trigger{Name: t.Trigger, Tier: int(t.Tier), State: string(t.Phase), Values: t.Values}
		for _, series := range t.Missing {
			shown.NoData = append(shown.NoData, string(series))
		}
		if !t.Since.IsZero() {
			shown.Since = &t.Since
		}
		if t.Phase == trigger.Fired {
			s.Tier = max(s.Tier, int(t.Tier))
		}
		blind = blind || len(t.Missing) > 0 || t.Phase == trigger.NoData
		s.Triggers = append(s.Triggers, shown)
	}
	s.State = inOneWord(s.Tier, blind)
	s.Missed = d.ledger.Short(at.Add(-missedFor), at)
	d.openThings(&s)
	d.tellVenues(&s)
	d.tellWatches(&s)
	if !d.rehearsed.At.IsZero() {
		last := d.rehearsed
		s.Rehearsed = &last
	}
	if found := d.outlooks.Load(); found != nil {
		s.Exits = *found
	}
	d.tell(&s)
	d.status.Store(&s)
	d.metrics.follow(s)
}

// missedFor is how long the status page tells of what was not evaluated.
const missedFor = 24 * time.Hour

// inOneWord says how things stand. What fired outranks what cannot be seen; what cannot be seen is never calm.
func inOneWord(tier int, blind bool) string {
	switch {
	case tier >= int(lifeboat.Emergency):
		return "emergency"
	case tier == int(lifeboat.Action):
		return "action"
	case tier == int(lifeboat.Watch):
		return "watch"
	case blind:
		return "no data"
	}
	return "calm"
}

func (d *Daemon) openThings(s *api.Status) {
	for _, f := range d.DaemonOptions.Plan.Feeds {
		shown := api.Series{Name: f.Series, Source: f.Source}
		if last, ok := d.record.Readings[f.Series+"@"+f.Source]; ok {
			stale := d.Signals.StaleAt(last.Series, last.Source, last.At)
			shown.Value, shown.At, shown.Fresh = &last.Value, &last.At, s.At.Before(stale)
		}
		s.Series = append(s.Series, shown)
	}
	for _, r := range d.record.Open() {
		s.Runs = append(s.Runs, api.Run{ID: r.Run, Playbook: r.Playbook, Trigger: r.Trigger, Started: r.At, Step: r.Step, Waits: d.Player.Waits(r.Run)})
	}
	for _, account := range append(d.record.Held.Unasked(), d.record.Held.Strange()...) {
		why, _ := d.record.Held.Holds(account)
		s.Held = append(s.Held, api.Held{Account: account, Why: why, Person: slices.Contains(d.record.Held.Strange(), account)})
	}
	s.Breaker = api.Breaker{State: string(d.Breaker.State()), Since: d.Breaker.Since(), Why: d.Breaker.Why(), Next: d.letGo(s.At)}
	for t := range d.Flow.Tasks() {
		if d.Breaker.Holds(t) != nil {
			s.Breaker.Holds = append(s.Breaker.Holds, api.Task{Run: t.Run, Step: t.Step, Kind: t.Task.Kind})
		}
	}
	for _, q := range d.record.Questions {
		s.Questions = append(s.Questions, api.Question{Key: string(q.Key), Asked: q.At, Run: q.Run, To: q.To, Text: q.Text, Content: q.Content, Factor: q.Factor,
			Answered: slices.Clone(q.Answered), Signing: signing(q), Proposal: q.Proposal})
	}
}

// signing is what wallets sign for a yes; nil where they sign nothing.
func signing(q Question) *api.Signing {
	if q.Factor != "wallet" {
		return nil
	}
	tx, err := approve.SafeTx(q.Proposal)
	if err != nil {
		return nil // asking for the typed data says why
	}
	hashes := api.Signing(approve.HashesOf(tx))
	return &hashes
}

// letGo says what it takes to let the breaker go, or when it moves by itself; "" while it is active.
func (d *Daemon) letGo(at time.Time) string {
	if d.Breaker.State() == lifeboat.Active {
		return ""
	}
	if due := d.Breaker.Due(); !due.IsZero() {
		return fmt.Sprintf("people have let it go; it moves on at %s", due.UTC().Format("15:04:05 UTC"))
	}
	held := ""
	var early *lifeboat.Problem
	if errors.As(d.Breaker.Fits(at, lifeboat.Request{Verb: lifeboat.MoveBreaker, Object: string(lifeboat.Active)}), &early) {
		held = early.What + "; "
	}
	terms, err := d.Breaker.Terms()
	if err != nil {
		return held + err.Error()
	}
	takes := fmt.Sprintf("%slifeboat breaker release takes %d of %s", held, terms.Need, strings.Join(terms.To, ", "))
	if len(terms.To) == terms.Need {
		takes = fmt.Sprintf("%slifeboat breaker release takes %s", held, strings.Join(terms.To, " and "))
	}
	if terms.Factor != "" {
		takes += " with a second factor"
	}
	if terms.Need == 1 {
		takes += fmt.Sprintf(", and then %s", prose.Span(time.Duration(d.DaemonOptions.Plan.BreakerRules().Wait)))
	}
	return takes
}
