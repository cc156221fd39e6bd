package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lifeboat"
	"lifeboat/act/play"
	"lifeboat/plan"
	"lifeboat/serve/api"
)

// Preview is what a playbook would send, and Examined one order of it.
type (
	Preview  = play.Preview
	Examined = play.Examined
)

// Preflight is what every playbook of the plan would send at a time, and every rule's word on it. Nothing is sent.
func (s *System) Preflight(at time.Time) []Preview {
	var all []Preview
	for _, b := range s.Plan.Playbooks {
		all = append(all, s.Player.Preview(at, b))
	}
	return all
}

// DailyPreflight is the sandbox run of every playbook: what each would send now, and in sentences what has changed since the
// last result, which the file keeps and which this one replaces. Without a last one there are no changes. Of a running system only the
// flow's goroutine may call it.
func (s *System) DailyPreflight(at time.Time, file string) (all []Preview, drift []string, err error) {
	last, known, err := lastPreflight(file)
	if err != nil {
		return nil, nil, err
	}
	all = s.Preflight(at)
	if known {
		drift = Drift(all, last)
	}
	return all, drift, keepPreflight(file, all)
}

const (
	rehearseFirst = 10 * time.Minute // after the start, when prices and statements are in
	rehearseEvery = 24 * time.Hour
	driftMax      = 20 // sentences that the status page tells
	// LastPreflight is the file in the data directory that keeps the last daily result.
	LastPreflight = "preflight.json"
)

// rehearse is the sandbox run of every playbook once a day. What has changed since the day before is told in the log and on
// the status page. That it fails is no reason to stop watching.
func (d *Daemon) rehearse() {
	due := d.rehearsed.At.Add(rehearseEvery)
	if d.rehearsed.At.IsZero() {
		due = d.started.Add(rehearseFirst)
	}
	if d.last.Before(due) || d.Flow.Open() > 0 {
		return
	}
	all, drift, err := d.DailyPreflight(d.last, filepath.Join(d.DataDir, LastPreflight))
	d.rehearsed = api.Rehearsed{At: d.last, Drift: drift[:min(len(drift), driftMax)]}
	for _, v := range all {
		if !v.Passes() {
			d.rehearsed.Fails = append(d.rehearsed.Fails, v.Playbook)
		}
	}
	if err != nil {
		d.rehearsed.Problem = err.Error()
		d.Log.Warn("the daily pre-flight could not be kept", "problem", err.Error())
	}
	for _, sentence := range d.rehearsed.Drift {
		d.Log.Info("a playbook would do something else than yesterday", "change", sentence)
	}
}

// Drift of all playbooks since the last result, those that came and went included.
func Drift(now, last []Preview) []string {
	var drift []string
	before := map[string]Preview{}
	for _, v := range last {
		before[v.Playbook] = v
	}
	for _, v := range now {
		old, was := before[v.Playbook]
		if delete(before, v.Playbook); !was {
			drift = append(drift, fmt.Sprintf("%s: it is new, with %d orders", v.Playbook, len(v.Orders)))
			continue
		}
		drift = append(drift, v.Drift(old)...)
	}
	for _, v := range last {
		if _, gone := before[v.Playbook]; gone {
			drift = append(drift, v.Playbook+": the plan has no such playbook any more")
		}
	}
	return drift
}

// preflightMax bounds the file of the last result in bytes.
const preflightMax = 64 << 20

// lastPreflight reads the last result; it is not known where there is no file yet.
func lastPreflight(file string) (last []Preview, known bool, err error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	var text []byte
	if err == nil && info.Size() > preflightMax {
		err = errors.New("it is too large to be one")
	}
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	if err != nil {
		return nil, false, &lifeboat.Problem{Reason: "not-written", What: fmt.Sprintf("the last result in %s cannot be read: %v", file, err),
			Money: "nothing was sent", Next: "name another file, or remove this one: then there is nothing to compare with", Err: err}
	}
	return last, true, nil
}

// keepPreflight puts the result in the place of the last one, whole or not at all.
func keepPreflight(file string, all []Preview) error {
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	next := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".new")
	if err = os.WriteFile(next, append(text, '\n'), 0o600); err == nil {
		err = os.Rename(next, file)
	}
	if err != nil {
		_ = os.Remove(next)
		return &lifeboat.Problem{Reason: "not-written", What: fmt.Sprintf("the result cannot be kept in %s: %v", file, err), Money: "nothing was sent", Next: "free space, or name another file", Err: err}
	}
	return nil
}

// Recall folds the journal of a data directory into the stages of a plan, to look at them: it takes hold of nothing, and a
// daemon may run on it meanwhile. The plan need not be the one that the journal ends with.
func Recall(ctx context.Context, p *plan.Plan, dataDir string, at time.Time) (*System, error) {
	var record Record
	if err := EachEntry(ctx, dataDir, record.Apply); err != nil {
		return nil, err
	}
	parts := LiveParts(p)
	for _, run := range record.Open() {
		parts.Pinned = append(parts.Pinned, run.Content)
	}
	s, err := Build(parts)
	if err != nil {
		return nil, err
	}
	if err := EachEntry(ctx, dataDir, s.Flow.Recover); err != nil {
		return nil, err
	}
	if loaded := Loaded(p, "preflight"); record.Plan.Hash != loaded.Hash {
		s.Flow.Recover(at, loaded)
	}
	return s, nil
}

// Registered is a system without a flow, which knows only what the plan registers: the quantities and the prices noted there.
func Registered(p *plan.Plan, at time.Time) (*System, error) {
	calendars, err := newCalendars(p, nil, nil)
	if err != nil {
		return nil, err
	}
	book := lifeboat.NewBook(p.Portfolio.BaseCurrency)
	book.Apply(at, Loaded(p, "preflight"))
	return &System{Plan: p, Book: book, Player: play.New(register{&view{calendars: calendars}, prices(p)}, book, p, nil)}, nil
}

// register is a view in which every price is the one that the owner noted, and nothing else is known.
type register struct {
	*view
	prices map[string]float64
}

func (r register) Quote(symbol string, at time.Time) (float64, time.Time, lifeboat.Quality) {
	if price, known := r.prices[symbol]; known {
		return price, at, lifeboat.Good
	}
	return 0, time.Time{}, lifeboat.None
}

func (r register) Age(string, time.Time) time.Duration { return 0 }

func (r register) Volume(string) (float64, bool) { return 0, false }
