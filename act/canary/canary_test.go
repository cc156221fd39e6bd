package canary

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lifeboat"
)

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

// trials writes a history: "5m 6m 4m -suspended +20m" is three that took so long, one that failed, and one that has been under
// way for twenty minutes. One begins each hour.
func trials(t *testing.T, text string) (c *Canary, now time.Time) {
	t.Helper()
	c, err := New(Config{Venue: "kraken", Every: time.Hour, Late: 40 * time.Minute, Keep: 6, Least: 3})
	if err != nil {
		t.Fatal(err)
	}
	now = noon
	for i, word := range strings.Fields(text) {
		began := noon.Add(time.Duration(i) * time.Hour)
		key := lifeboat.Key(fmt.Sprint("lb-", i))
		c.Apply(Event{At: began, Key: key, Step: Began})
		now = began.Add(time.Minute)
		switch word[0] {
		case '-':
			c.Apply(Event{At: now, Key: key, Step: Failed, Why: word[1:]})
		case '+':
			d, _ := time.ParseDuration(word[1:])
			now = began.Add(d)
		default:
			d, err := time.ParseDuration(word)
			if err != nil {
				t.Fatal(err)
			}
			now = began.Add(d)
			c.Apply(Event{At: now, Key: key, Step: Ended})
		}
	}
	return c, now
}

func TestFind(t *testing.T) {
	for _, tc := range []struct {
		name, history   string
		later           time.Duration // after the last event
		alarm           Alarm
		says            string
		median, slowest time.Duration
		seconds         float64 // of the reading
		quality         lifeboat.Quality
	}{
		{"nothing tried", "", 0, Blind, "no exit from kraken has been tried", 0, 0, 0, lifeboat.None},
		{"the first under way", "+3m", 0, Calm, "", 0, 0, 180, lifeboat.Good},
		{"the first is late", "+41m", 0, Late, "under way for 41m0s, and its limit is 40m0s", 0, 0, 2460, lifeboat.Good},
		{"too few to say", "1m 1m 30m", 0, Calm, "", time.Minute, 30 * time.Minute, 1800, lifeboat.Good},
		{"usual", "4m 5m 6m 5m", 0, Calm, "take 5m0s (median of 4), at most 6m0s", 5 * time.Minute, 6 * time.Minute, 300, lifeboat.Good},
		{"exactly the limit", "4m 5m 6m 15m", 0, Calm, "", 330 * time.Second, 15 * time.Minute, 900, lifeboat.Good},
		{"over it", "4m 5m 6m 15m1s", 0, Slower, "took 15m1s, and the median of those before it is 5m0s", 330 * time.Second, 901 * time.Second, 901, lifeboat.Good},
		{"usual again", "4m 5m 6m 16m 5m", 0, Calm, "", 5 * time.Minute, 16 * time.Minute, 300, lifeboat.Good},
		{"slow while under way", "4m 5m 6m +16m", 0, Slower, "under way for 16m0s, and the median is 5m0s", 5 * time.Minute, 6 * time.Minute, 960, lifeboat.Good},
		{"under way in time", "4m 5m 6m +2m", 0, Calm, "", 5 * time.Minute, 6 * time.Minute, 360, lifeboat.Good},
		{"refused", "4m 5m 6m -suspended", 0, Refused, "suspended", 5 * time.Minute, 6 * time.Minute, 360, lifeboat.Good},
		{"refused for hours", "4m 5m 6m -suspended -suspended", 0, Refused, "suspended", 5 * time.Minute, 6 * time.Minute, 3660, lifeboat.Good},
		{"refused, another under way", "4m 5m 6m -suspended +1m", 0, Refused, "the last time: suspended", 5 * time.Minute, 6 * time.Minute, 3660, lifeboat.Good},
		{"refused, then out", "4m 5m 6m -suspended 5m", 0, Calm, "", 5 * time.Minute, 6 * time.Minute, 300, lifeboat.Good},
		{"nothing tried for long", "4m 5m 6m", 2*time.Hour + time.Second, Blind, "for 2h0m1s", 5 * time.Minute, 6 * time.Minute, 360, lifeboat.Stale},
		{"old ones are forgotten", "30m 30m 30m 30m 1m 1m 1m 1m 1m 1m", 0, Calm, "(median of 6), at most 1m0s", time.Minute, time.Minute, 60, lifeboat.Good},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, now := trials(t, tc.history)
			now = now.Add(tc.later)
			f, r := c.Find(now), c.Reading(now)
			if f.Alarm != tc.alarm || !strings.Contains(f.Text, tc.says) || f.Median != tc.median || f.Slowest != tc.slowest {
				t.Errorf("found %+v", f)
			}
			if r.Series != "exit_latency.kraken" || r.Value != tc.seconds || r.Quality != tc.quality {
				t.Errorf("read %+v", r)
			}
		})
	}
}

// Events that cannot be change nothing: a second beginning, the end of another trial, a step back in time, one that comes twice.
func TestApplyLeavesOut(t *testing.T) {
	c, now := trials(t, "4m 5m +1m")
	before := c.Find(now)
	for _, e := range []Event{
		{At: now, Key: "lb-9", Step: Began},
		{At: now, Key: "lb-1", Step: Ended},
		{At: noon, Key: "lb-2", Step: Ended},
		{At: now, Key: "lb-2", Step: "wandered"},
		{At: now, Step: Ended},
	} {
		if c.Apply(e); c.Find(now) != before {
			t.Errorf("%+v changed %+v into %+v", e, before, c.Find(now))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []Config{
		{}, {Venue: "a b", Every: 1, Late: 1}, {Venue: "a", Every: 1}, {Venue: "a", Late: 1}, {Venue: "a", Every: 1, Late: 1, Slow: 0.5},
		{Venue: "a", Every: 1, Late: 1, Keep: -1}, {Venue: "a", Every: 1, Late: 1, Keep: 2000}, {Venue: "a", Every: 1, Late: 1, Keep: 3},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}
