// Package canary measures how long it really takes to leave a venue: at set times a tiny withdrawal or redemption is made, and
// how long it took is compared with those before it. Reserves that run dry show here first, in exits that slow down or stop.
//
// [Canary] is a state machine without I/O: what happened goes in, with its time, and comes out as a [Finding] for people and as
// a reading, exit_latency.ACCOUNT in seconds, for triggers. While an exit is under way, or has failed, the reading grows with the
// time since it was asked for: nobody has to wait for an end that may never come. [Stage] holds the canaries of a plan, as a
// stage of the flow: it asks for the trials that are due and tells the owners when the alarm of an account turns.
//
// It moves no money: a trial is a task like any other, which needs authority, is written before it is made, and is made by
// act/withdraw. What an account's trials say is a fold over the journal, so that a restart forgets none of them.
package canary

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
)

// Config of the canary of one venue.
type Config struct {
	Venue string
	Every time.Duration // between the beginnings of two trials
	// Keep is how many ended trials count; 20 when 0. Least is how many of them it takes to call one slow; 5 when 0.
	Keep, Least int
	// Slow is how many times the median makes a trial slow; 3 when 0.
	Slow float64
	// Late is after how long a trial that has not ended is reported, whatever the others took.
	Late time.Duration
}

// Step is how far a trial has come.
type Step string

const (
	Began  Step = "began"
	Ended  Step = "ended"  // the money has left
	Failed Step = "failed" // the venue refused, or gave it up
)

// Event is one step of one trial.
type Event struct {
	At   time.Time    `json:"at"`
	Key  lifeboat.Key `json:"key"`
	Step Step         `json:"step"`
	Why  string       `json:"why,omitempty"` // of a failure
}

// Alarm says what is wrong.
type Alarm string

const (
	Calm    Alarm = ""        // exits take what they always took
	Slower  Alarm = "slower"  // the newest took, or takes, much longer than the others
	Late    Alarm = "late"    // one has not ended within its limit
	Refused Alarm = "refused" // the newest has failed
	Blind   Alarm = "blind"   // nobody knows: no trial has ended for long
)

// Finding is what the trials say now.
type Finding struct {
	Venue           string
	Alarm           Alarm
	Text            string // a sentence for people
	Ended           int    // trials that count
	Newest          time.Duration
	Median, Slowest time.Duration // of those that count
	Running         time.Duration // of the trial under way; 0 for none
}

// InAWord says how things stand.
func (f Finding) InAWord() string {
	switch {
	case f.Alarm != Calm:
		return string(f.Alarm)
	case f.Running > 0:
		return "under way"
	case f.Ended == 0:
		return "not tried yet"
	}
	return "as usual"
}

// Canary of one venue. Applying the same events gives the same state; an event that cannot be is left out.
type Canary struct {
	cfg   Config
	took  []time.Duration // of ended trials, oldest first
	ended time.Time       // of the newest
	open  Event           // the trial under way; zero for none
	began time.Time       // of the newest trial
	since time.Time       // of the first trial after the last success that has not succeeded; zero for none
	why   string          // the newest trial failed for this; "" when it did not
}

// New canary. Every and Late have to be positive.
func New(cfg Config) (*Canary, error) {
	switch {
	case cfg.Venue == "" || strings.ContainsAny(cfg.Venue, " \t\n"):
		return nil, fmt.Errorf("canary: %q is no name of a venue", cfg.Venue)
	case cfg.Every <= 0 || cfg.Late <= 0:
		return nil, fmt.Errorf("canary of %s: every (%s) and late (%s) have to be longer than nothing", cfg.Venue, cfg.Every, cfg.Late)
	case cfg.Slow != 0 && !(cfg.Slow > 1):
		return nil, fmt.Errorf("canary of %s: slow (%v) has to be more than 1", cfg.Venue, cfg.Slow)
	case cfg.Keep < 0 || cfg.Keep > keepMax || cfg.Least < 0:
		return nil, fmt.Errorf("canary of %s: keep (%d) has to be from 0 to %d, and least (%d) not below 0", cfg.Venue, cfg.Keep, keepMax, cfg.Least)
	}
	cfg.Keep, cfg.Least, cfg.Slow = cmp.Or(cfg.Keep, 20), cmp.Or(cfg.Least, 5), cmp.Or(cfg.Slow, 3)
	if cfg.Least >= cfg.Keep {
		return nil, fmt.Errorf("canary of %s: at least %d trials are wanted and only %d are kept", cfg.Venue, cfg.Least, cfg.Keep)
	}
	return &Canary{cfg: cfg}, nil
}

const keepMax = 1000

// Apply takes an event in. Steps of trials that are not under way, and steps back in time, change nothing.
func (c *Canary) Apply(e Event) {
	switch e.Step {
	case Began:
		if c.open.Key != "" || e.Key == "" || e.At.Before(c.began) {
			return
		}
		c.open, c.began = e, e.At
		if c.since.IsZero() {
			c.since = e.At
		}
	case Ended, Failed:
		if e.Key != c.open.Key || c.open.Key == "" || e.At.Before(c.open.At) {
			return
		}
		took := e.At.Sub(c.open.At)
		c.open = Event{}
		if e.Step == Failed {
			c.why = cmp.Or(e.Why, "it does not say why")
			return
		}
		c.why, c.since, c.ended = "", time.Time{}, e.At
		if c.took = append(c.took, took); len(c.took) > c.cfg.Keep {
			c.took = slices.Delete(c.took, 0, len(c.took)-c.cfg.Keep)
		}
	}
}

// Due is when the next trial begins, the first one at once; false while one is under way.
func (c *Canary) Due() (time.Time, bool) {
	if c.open.Key != "" {
		return time.Time{}, false
	}
	if c.began.IsZero() {
		return time.Time{}, true
	}
	return c.began.Add(c.cfg.Every), true
}

// Open is the key of the trial under way; "" for none.
func (c *Canary) Open() lifeboat.Key { return c.open.Key }

// NextKey names the trial that would begin at a time.
func (c *Canary) NextKey(at time.Time) lifeboat.Key {
	return lifeboat.NewKey("canary", c.cfg.Venue, at.UnixNano())
}

// Find says what the trials say at a time.
func (c *Canary) Find(at time.Time) Finding {
	f := Finding{Venue: c.cfg.Venue, Ended: len(c.took), Median: median(c.took)}
	if len(c.took) > 0 {
		f.Newest, f.Slowest = c.took[len(c.took)-1], slices.Max(c.took)
	}
	if c.open.Key != "" {
		f.Running = max(0, at.Sub(c.open.At))
	}
	f.Alarm, f.Text = c.judge(at, f)
	return f
}

func (c *Canary) judge(at time.Time, f Finding) (Alarm, string) {
	usual, known := c.usual()
	limit := time.Duration(float64(usual) * c.cfg.Slow)
	switch {
	case f.Running > c.cfg.Late:
		return Late, fmt.Sprintf("an exit from %s has been under way for %s, and its limit is %s", f.Venue, short(f.Running), short(c.cfg.Late))
	case c.why != "" && c.open.Key == "":
		return Refused, fmt.Sprintf("%s let no money out: %s", f.Venue, c.why)
	case known && f.Running > limit:
		return Slower, fmt.Sprintf("an exit from %s has been under way for %s, and the median is %s", f.Venue, short(f.Running), short(usual))
	case c.why != "": // another trial is under way, and the last one that is over has failed
		return Refused, fmt.Sprintf("%s let no money out the last time: %s", f.Venue, c.why)
	case known && c.open.Key == "" && f.Newest > limit:
		return Slower, fmt.Sprintf("the newest exit from %s took %s, and the median of those before it is %s", f.Venue, short(f.Newest), short(usual))
	case c.ended.IsZero() && c.open.Key != "":
		return Calm, fmt.Sprintf("the first exit from %s has been under way for %s", f.Venue, short(f.Running))
	case c.ended.IsZero():
		return Blind, fmt.Sprintf("no exit from %s has been tried", f.Venue)
	case c.open.Key == "" && at.Sub(c.ended) > 2*c.cfg.Every:
		return Blind, fmt.Sprintf("no exit from %s has been tried for %s", f.Venue, short(at.Sub(c.ended)))
	}
	return Calm, fmt.Sprintf("exits from %s take %s (median of %d), at most %s", f.Venue, short(f.Median), f.Ended, short(f.Slowest))
}

// usual is the median that a trial is held against: while one is under way all that have ended, and afterwards those before
// the newest. False while they are too few.
func (c *Canary) usual() (time.Duration, bool) {
	before := c.took
	if c.open.Key == "" && len(before) > 0 {
		before = before[:len(before)-1]
	}
	return median(before), len(before) >= c.cfg.Least
}

// Series under which the latency is known to triggers.
func (c *Canary) Series() lifeboat.Series { return lifeboat.Series("exit_latency." + c.cfg.Venue) }

// Reading is the latency in seconds: of the newest exit that ended, or the time since the first one was asked for that has not,
// whichever is longer.
func (c *Canary) Reading(at time.Time) lifeboat.Reading {
	r := lifeboat.Reading{Series: c.Series(), Source: "canary", At: at}
	if c.ended.IsZero() && c.since.IsZero() {
		r.Quality, r.Why = lifeboat.None, "no exit has been tried"
		return r
	}
	latency := time.Duration(0)
	if len(c.took) > 0 {
		latency = c.took[len(c.took)-1]
	}
	if !c.since.IsZero() {
		latency = max(latency, at.Sub(c.since))
	} else if at.Sub(c.ended) > 2*c.cfg.Every {
		r.Quality, r.At = lifeboat.Stale, c.ended
	}
	r.Value = latency.Seconds()
	return r
}

func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	middle := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		below := sorted[len(sorted)/2-1]
		middle = below + (middle-below)/2
	}
	return middle
}

func short(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
