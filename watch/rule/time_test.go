package rule_test

import (
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
)

// A course is one condition on a board that time passes over, as the watch lets it: what is due before a reading comes
// before it.
type course struct {
	t     *testing.T
	board *rule.Board
	cond  *rule.Cond
	now   time.Time
}

func newCourse(t *testing.T, expr, source string, cfg signal.Config) *course {
	t.Helper()
	board := rule.NewBoard(signal.New(cfg), cfg.Calendar)
	cond, err := board.Compile(expr, env, source)
	if err != nil {
		t.Fatal(err)
	}
	return &course{t: t, board: board, cond: cond}
}

func (c *course) wait(until time.Time) {
	for c.board.MayChange(until) {
		next := c.board.NextChange(c.now)
		if next.IsZero() || next.After(until) {
			return
		}
		c.board.Tick(next)
		c.now = next
	}
}

func (c *course) read(at time.Time, readings ...lifeboat.Reading) {
	c.wait(at)
	c.board.Take(at, lifeboat.Instant{At: at, Readings: readings})
	c.now = at
}

func (c *course) want(at time.Time, want string) {
	c.t.Helper()
	c.wait(at)
	got := "unknown"
	if truth, known := c.cond.Eval(); known && truth {
		got = "true"
	} else if known {
		got = "false"
	}
	if got != want {
		c.t.Errorf("at %s: %s, want %s", at.Format(time.RFC3339), got, want)
	}
}

func vix(v float64) lifeboat.Reading { return lifeboat.Reading{Series: "VIX", Value: v} }

// Round the clock midnight is the end of one session and the beginning of the next, and no session counts twice.
func TestSessionsRoundTheClockCountOnce(t *testing.T) {
	noon := time.Date(2024, 3, 4, 12, 0, 0, 0, time.UTC)
	fresh := newCourse(t, "VIX > 30 for 3 of 5d", "", signal.Config{})
	for hour := range 84 {
		at := noon.Add(time.Duration(hour) * time.Hour)
		fresh.read(at, vix(40))
		want := "unknown" // two sessions before the tape are not known
		if at.After(noon.Add(36 * time.Hour)) {
			want = "true"
		}
		fresh.want(at, want)
	}
}

// What is true in the evening counts for the session that closed; when data are missing at night, it counts once all the
// same.
func TestAnEveningWithoutDataCountsOnce(t *testing.T) {
	evening := time.Date(2024, 3, 4, 23, 0, 0, 0, time.UTC) // two hours after the close in New York
	c := newCourse(t, "VIX > 30 for 2d", "", signal.Config{Calendar: session.NYSE(),
		Calendars:  map[string]*session.Calendar{"VIX": session.AllDay()},
		StaleAfter: func(lifeboat.Series, string) time.Duration { return time.Hour }})
	c.read(evening, vix(40))
	c.want(evening.Add(2*time.Hour), "unknown")
	c.read(evening.Add(3*time.Hour), vix(40))
	c.want(evening.Add(3*time.Hour), "false")
	for at := evening.Add(4 * time.Hour); at.Before(evening.Add(22 * time.Hour)); at = at.Add(time.Hour) {
		c.read(at, vix(40))
	}
	c.want(evening.Add(21*time.Hour), "false")
	c.read(evening.Add(22*time.Hour), vix(40))
	c.want(evening.Add(22*time.Hour), "true")
}

// A limit that is no number would be true of everything, and stand in the way of the limits of other rules.
func TestAFigureIsANumber(t *testing.T) {
	huge := strings.Repeat("9", 300)
	for _, expr := range []string{"VIX < 1/0", "VIX < 0/0", "1/0 > 5", "least(VIX, 1/0) > 3", "VIX > " + huge + " * " + huge, "VIX * (1/0) > 3"} {
		if faults := rule.CheckCondition(expr, env); len(faults) != 1 || !strings.Contains(faults[0].Message, "is no number") {
			t.Errorf("%.20s: %v", expr, faults)
		}
	}
}

// However long ago something was, and however the limit is written, it is passed when it is reached.
func TestSincePassesItsLimit(t *testing.T) {
	begin := time.Date(2023, 3, 4, 12, 0, 0, 0, time.UTC)
	for written, limit := range map[string]time.Duration{
		"> 90m": 90 * time.Minute, ">= 90m": 90 * time.Minute, "> 200d": 200 * 24 * time.Hour, "> 4000d": 4000 * 24 * time.Hour, ">= 4.35s": 4350 * time.Millisecond,
	} {
		c := newCourse(t, "since(VIX > 30) "+written, "", signal.Config{StaleAfter: func(lifeboat.Series, string) time.Duration { return 0 }})
		c.read(begin, vix(40))
		c.read(begin.Add(time.Hour), vix(20))
		c.want(begin.Add(time.Hour+limit-time.Microsecond), "false")
		c.want(begin.Add(time.Hour+limit+time.Microsecond), "true")
	}
}

// The age of one source passes its limit in its own time, whenever another one spoke last.
func TestTheAgeOfOneSource(t *testing.T) {
	begin := time.Date(2024, 3, 4, 12, 0, 0, 0, time.UTC)
	c := newCourse(t, "age(USDE) > 2h", "a", signal.Config{Sources: map[lifeboat.Series][]string{"USDE": {"a", "b"}}})
	c.read(begin, lifeboat.Reading{Series: "USDE", Source: "a", Value: 1})
	c.read(begin.Add(119*time.Minute), lifeboat.Reading{Series: "USDE", Source: "b", Value: 1})
	c.want(begin.Add(2*time.Hour), "false")
	c.want(begin.Add(2*time.Hour+time.Second), "true")
}
