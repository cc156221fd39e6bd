package trigger_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
	"lifeboat/watch/trigger"
)

// start is the minute from which the tapes below are counted.
var start = time.Date(2025, 10, 10, 20, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

func span(d time.Duration) plan.Duration { return plan.Duration(d) }

// A desk is a watch in a flow of its own: what it tells is recorded and applied at once, as the journal does it.
type desk struct {
	t       *testing.T
	watch   *trigger.Watch
	book    *lifeboat.Book
	journal []entry
}

type entry struct {
	at    time.Time
	event lifeboat.Event
}

// setting of a watch; readings go stale after ten minutes.
type setting struct {
	triggers  []plan.Trigger
	sources   map[lifeboat.Series][]string
	positions []lifeboat.Position
	from      time.Time
	calendar  *session.Calendar
	quorum    int
}

func (s setting) open(t *testing.T) *desk {
	t.Helper()
	book := lifeboat.NewBook("USD")
	book.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: s.positions})
	if s.sources == nil {
		s.sources = map[lifeboat.Series][]string{"VIX": nil}
	}
	engine := signal.New(signal.Config{Book: book, Sources: s.sources, Calendar: s.calendar,
		StaleAfter: func(lifeboat.Series, string) time.Duration { return 10 * time.Minute },
		Quorum:     func(lifeboat.Series) int { return s.quorum }})
	env := rule.Env{Series: []string{"VIX", "USDE"}}
	for _, p := range s.positions {
		env.Symbols = append(env.Symbols, p.Symbol)
	}
	watch, err := trigger.New(s.triggers, env, rule.NewBoard(engine, s.calendar), s.from)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, watch: watch, book: book}
}

func (d *desk) record(at time.Time, e lifeboat.Event) {
	d.journal = append(d.journal, entry{at, e})
	d.watch.Apply(at, e)
}

// advance asks until there is no news, and holds Next to telling everything once.
func (d *desk) advance(at time.Time) {
	for round := 0; ; round++ {
		events := d.watch.Next(at)
		if len(events) == 0 {
			return
		}
		if round > 5 {
			d.t.Fatalf("the watch does not come to rest at %s: %v", at, events)
		}
		for _, e := range events {
			d.record(at, e)
		}
	}
}

// read takes an instant in after everything that was due before it.
func (d *desk) read(at time.Time, readings ...lifeboat.Reading) {
	d.wait(at)
	d.record(at, lifeboat.Instant{At: at, Readings: readings})
	d.advance(at)
}

// wait lets time pass in which nothing is read.
func (d *desk) wait(until time.Time) {
	for range 1000 {
		due := d.watch.Due()
		if due.IsZero() || !due.Before(until) {
			return
		}
		d.advance(due)
		if again := d.watch.Due(); !again.IsZero() && !again.After(due) {
			d.t.Fatalf("due at %s after it was asked at %s", again, due)
		}
	}
	d.t.Fatal("something is due for ever")
}

func vix(v float64) lifeboat.Reading { return lifeboat.Reading{Series: "VIX", Value: v} }

func usde(source string, v float64) lifeboat.Reading {
	return lifeboat.Reading{Series: "USDE", Source: source, Value: v}
}

// told is what the watch made known, in short: "3 fired fear" at the third minute.
func (d *desk) told() []string {
	var lines []string
	for _, e := range d.journal {
		minutes := e.at.Sub(start)
		stamp := fmt.Sprint(int(minutes.Minutes()))
		if s := minutes % time.Minute; s != 0 {
			stamp += fmt.Sprintf(":%02d", int(s.Seconds()))
		}
		switch e := e.event.(type) {
		case lifeboat.Firing:
			line := fmt.Sprintf("%s %s %s", stamp, e.State, e.Trigger)
			if len(e.Sources) > 0 {
				line += " by " + strings.Join(e.Sources, "+")
			}
			lines = append(lines, line)
		case lifeboat.Gap:
			lines = append(lines, fmt.Sprintf("%s gap %s %s %v", stamp, e.State, e.Series, e.Triggers))
		}
	}
	return lines
}

func (d *desk) want(lines ...string) {
	d.t.Helper()
	if got := d.told(); !slices.Equal(got, lines) {
		d.t.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// A tape of VIX, one value a minute; NaN stands for no reading. The trigger is VIX > 30.
func TestHoldClearAndCoolDown(t *testing.T) {
	none := math.NaN()
	for _, c := range []struct {
		name    string
		trigger plan.Trigger
		tape    []float64
		want    []string
	}{
		{"at once, once", plan.Trigger{}, []float64{20, 31, 35, 32}, []string{"1 fired fear"}},
		{"and clears at once", plan.Trigger{}, []float64{31, 30, 31}, []string{"0 fired fear", "1 cleared fear", "2 fired fear"}},
		{"true before the first reading", plan.Trigger{}, []float64{40}, []string{"0 fired fear"}},
		{"held for three minutes", plan.Trigger{For: span(3 * time.Minute)}, []float64{31, 31, 31, 31, 20},
			[]string{"3 fired fear", "4 cleared fear"}},
		{"the hold ends between readings", plan.Trigger{For: span(150 * time.Second)}, []float64{31, none, none, none, 31},
			[]string{"2:30 fired fear"}},
		{"one bad tick does not fire", plan.Trigger{For: span(2 * time.Minute)}, []float64{20, 99, 20, 99, 20}, nil},
		{"a break starts the hold anew", plan.Trigger{For: span(2 * time.Minute)}, []float64{31, 31, 30, 31, 31, 31}, []string{"5 fired fear"}},
		{"its own all-clear", plan.Trigger{Clear: "VIX < 25"}, []float64{31, 28, 26, 31, 24, 28}, []string{"0 fired fear", "4 cleared fear"}},
		{"an all-clear that holds", plan.Trigger{ClearFor: span(2 * time.Minute)}, []float64{31, 20, 31, 20, 20, 20},
			[]string{"0 fired fear", "5 cleared fear"}},
		{"an all-clear that contradicts", plan.Trigger{Clear: "VIX < 50"}, []float64{31, 31, 29}, []string{"0 fired fear", "2 cleared fear"}},
		{"cooling down", plan.Trigger{Cooldown: span(3 * time.Minute)}, []float64{31, 20, 31, 31, 31, 31},
			[]string{"0 fired fear", "1 cleared fear", "4 fired fear"}},
		{"cool between readings", plan.Trigger{Cooldown: span(150 * time.Second)}, []float64{31, 20, 31, none, none, none, 31},
			[]string{"0 fired fear", "1 cleared fear", "3:30 fired fear"}},
		{"calm again before it is cool", plan.Trigger{Cooldown: span(3 * time.Minute)}, []float64{31, 20, 31, 20, 20, 20},
			[]string{"0 fired fear", "1 cleared fear"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.trigger.Name, c.trigger.Condition, c.trigger.Tier = "fear", "VIX > 30", lifeboat.Watch
			d := setting{triggers: []plan.Trigger{c.trigger}}.open(t)
			for n, v := range c.tape {
				if !math.IsNaN(v) {
					d.read(minute(n), vix(v))
				}
			}
			d.want(c.want...)
		})
	}
}

func TestSuspectReadingsNeitherFireNorClear(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "fear", Condition: "VIX > 30"}, {Name: "crash", Condition: "VIX < 0 OR drawdown(VIX) > 90%"}}}.open(t)
	d.read(minute(0), vix(40))
	for n, why := range []string{"not a number", "negative", "outside what the series can be"} {
		d.read(minute(n+1), lifeboat.Reading{Series: "VIX", Quality: lifeboat.Suspect, Why: why})
	}
	d.wait(minute(11))
	d.want("0 fired fear", "10:01 gap opened VIX [fear crash]")
}

func TestAStaleSeriesIsNotCalm(t *testing.T) {
	d := setting{triggers: []plan.Trigger{
		{Name: "fear", Condition: "VIX > 30"},
		{Name: "slow", Condition: "VIX > 30", For: span(15 * time.Minute)},
		{Name: "silent", Condition: "age(VIX) > 15m"},
	}}.open(t)
	d.read(minute(0), vix(31))
	d.wait(minute(30))
	d.read(minute(30), vix(31))
	d.read(minute(31), vix(31))
	d.wait(minute(34))
	d.want(
		"0 fired fear",
		"10:01 gap opened VIX [fear slow]", // by the clock alone; fear is not cleared, the hold of slow stops
		"15:01 fired silent",
		"30 gap closed VIX [fear slow]",
		"30 cleared silent",
	)
	d.read(minute(34), vix(31))
	d.read(minute(36), vix(31))
	if last := d.told()[len(d.told())-1]; last != "34:59 fired slow" { // 10:01 before the gap, 4:59 after it
		t.Error(last)
	}
}

func TestASeriesThatNeverCame(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "fear", Condition: "VIX > 30"}}, from: minute(5)}.open(t)
	d.record(minute(0), lifeboat.Instant{At: minute(0)})
	d.wait(minute(60))
	d.want("15:01 gap opened VIX [fear]")
	if gap := d.journal[1].event.(lifeboat.Gap); !gap.Since.IsZero() {
		t.Errorf("it was never seen, and not at %s", gap.Since)
	}
	if s := d.watch.Status(minute(60))[0]; s.Phase != trigger.NoData || s.Why != "no fresh data of VIX" {
		t.Errorf("%+v", s)
	}
}

func TestNothingFiresBeforeFrom(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "fear", Condition: "VIX > 30", For: span(2 * time.Minute)}}, from: minute(4)}.open(t)
	for n := range 5 {
		d.read(minute(n), vix(40))
	}
	d.want("4 fired fear") // the hold began in the warm-up
}

func TestSources(t *testing.T) {
	depeg := plan.Trigger{Name: "depeg", Condition: "USDE < 0.95", Sources: 2, Tier: lifeboat.Emergency}
	three := map[lifeboat.Series][]string{"USDE": {"binance", "curve", "uniswap"}, "VIX": nil}
	two := map[lifeboat.Series][]string{"USDE": {"binance", "uniswap"}, "VIX": nil}
	t.Run("one of two lies", func(t *testing.T) {
		one := plan.Trigger{Name: "one", Condition: "USDE < 0.95"}
		d := setting{triggers: []plan.Trigger{depeg, one}, sources: two}.open(t)
		d.read(minute(0), usde("binance", 1), usde("uniswap", 1))
		d.read(minute(1), usde("binance", 0.65), usde("uniswap", 0.999))
		d.want()
		if s := d.watch.Status(minute(1))[0]; s.Phase != trigger.Calm || s.Values["USDE@binance"] != 0.65 || s.Values["USDE"] != 0.999 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("both say so", func(t *testing.T) {
		d := setting{triggers: []plan.Trigger{depeg}, sources: two}.open(t)
		d.read(minute(0), usde("binance", 0.65), usde("uniswap", 1))
		d.read(minute(1), usde("uniswap", 0.9))
		d.want("1 fired depeg by binance+uniswap")
		want := lifeboat.Firing{Trigger: "depeg", Tier: lifeboat.Emergency, Severity: "CRITICAL", State: lifeboat.Fired,
			Values:  map[string]float64{"USDE": 0.9, "USDE@binance": 0.65, "USDE@uniswap": 0.9},
			Sources: []string{"binance", "uniswap"}}
		if got := d.journal[len(d.journal)-1].event; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("fewer than wanted are blind", func(t *testing.T) {
		d := setting{triggers: []plan.Trigger{depeg}, sources: two}.open(t)
		d.read(minute(0), usde("binance", 0.65), usde("uniswap", 1))
		d.read(minute(9), usde("binance", 0.65))
		d.wait(minute(18))
		d.want("10:01 gap opened USDE@uniswap [depeg]")
		if s := d.watch.Status(minute(11))[0]; s.Phase != trigger.NoData || !slices.Equal(s.Missing, []lifeboat.Series{"USDE@uniswap"}) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("two of three are enough", func(t *testing.T) {
		d := setting{triggers: []plan.Trigger{depeg}, sources: three}.open(t)
		d.read(minute(0), usde("binance", 0.9), usde("curve", 1))
		d.read(minute(1), usde("curve", 0.9))
		d.read(minute(2), usde("uniswap", 1))
		d.want("1 fired depeg by binance+curve")
		d.read(minute(3), usde("curve", 1))
		d.want("1 fired depeg by binance+curve", "3 cleared depeg by binance")
	})
	t.Run("context is shared", func(t *testing.T) {
		both := depeg
		both.Condition = "USDE < 0.95 AND VIX > 30"
		d := setting{triggers: []plan.Trigger{both}, sources: two}.open(t)
		d.read(minute(0), usde("binance", 0.9), usde("uniswap", 0.9), vix(20))
		d.read(minute(1), vix(31))
		d.want("1 fired depeg by binance+uniswap")
	})
	t.Run("nobody to ask", func(t *testing.T) {
		lonely := depeg
		lonely.Condition = "VIX > 30"
		d := setting{triggers: []plan.Trigger{lonely}}.open(t)
		d.read(minute(0), vix(40))
		d.want()
		if len(d.watch.Warnings()) != 1 || d.watch.Status(minute(0))[0].Why != "it wants 2 sources and has 0" {
			t.Errorf("%v %+v", d.watch.Warnings(), d.watch.Status(minute(0)))
		}
	})
}

func TestPortfolioTriggersSeeGapsOfWhatIsHeld(t *testing.T) {
	held := []lifeboat.Position{{Account: "a", Symbol: "SPY", Quantity: decimal.NewFromInt(10)}, {Account: "a", Symbol: "GLD", Quantity: decimal.NewFromInt(1)}}
	d := setting{positions: held, sources: map[lifeboat.Series][]string{"SPY": nil, "GLD": nil},
		triggers: []plan.Trigger{{Name: "fall", Condition: "portfolio_drawdown >= 10%"}}}.open(t)
	spy := func(v float64) lifeboat.Reading { return lifeboat.Reading{Series: "SPY", Value: v} }
	d.read(minute(0), spy(100), lifeboat.Reading{Series: "GLD", Value: 20})
	d.read(minute(9), spy(100))
	d.read(minute(12), spy(80)) // GLD is 2.4 % and counts at its last price
	d.wait(minute(30))
	d.want("10:01 gap opened GLD []", "12 fired fall", "22:01 gap opened SPY [fall]")
}

func TestAPlanThatRegistersLessIsNoLoss(t *testing.T) {
	held := func(n int64) []lifeboat.Position {
		return []lifeboat.Position{{Account: "a", Symbol: "VIX", Quantity: decimal.NewFromInt(n)}}
	}
	d := setting{positions: held(10), triggers: []plan.Trigger{{Name: "fall", Condition: "portfolio_drawdown >= 10%"}}}.open(t)
	d.read(minute(0), vix(100))
	moved := lifeboat.PlanLoaded{Positions: held(2)}
	d.book.Apply(minute(1), moved)
	d.record(minute(1), moved)
	d.advance(minute(1))
	d.read(minute(2), vix(95))
	d.want()
	d.read(minute(3), vix(90))
	d.want("3 fired fall")
}

func TestContradictoryPlansAreRefused(t *testing.T) {
	for _, c := range []struct {
		trigger plan.Trigger
		want    string
	}{
		{plan.Trigger{Name: "x", Condition: "VIX"}, `trigger "x": condition: a condition must be true or false, and this is a number`},
		{plan.Trigger{Name: "x", Condition: "VIX > 3", Clear: "VUX < 2"}, `trigger "x": clear: nothing provides the series VUX; did you mean VIX?`},
	} {
		engine := signal.New(signal.Config{})
		if _, err := trigger.New([]plan.Trigger{c.trigger}, rule.Env{Series: []string{"VIX"}}, rule.NewBoard(engine, nil), time.Time{}); err == nil || err.Error() != c.want {
			t.Errorf("%v", err)
		}
	}
}

// A fresh watch that is shown the journal stands where the first one stood, and tells nothing twice.
// TestAQuorum: one source of two that are wanted is no data, neither to fire on nor to be calm about.
func TestAQuorum(t *testing.T) {
	s := setting{quorum: 2, sources: map[lifeboat.Series][]string{"USDE": {"a", "b"}}, triggers: []plan.Trigger{
		{Name: "depeg", Condition: "USDE < 0.95"},
		{Name: "apart", Condition: "disagreement(USDE) > 10%"},
	}}
	d := s.open(t)
	d.read(minute(0), usde("a", 0.5)) // alone
	d.read(minute(1), usde("b", 1))
	d.read(minute(2), usde("a", 0.5), usde("b", 0.9))
	d.read(minute(3), usde("a", 0.9), usde("b", 0.9))
	d.read(minute(8), usde("b", 0.98))
	d.wait(minute(20))
	d.read(minute(20), usde("b", 1)) // b says that it is over, and is no quorum
	d.read(minute(21), usde("a", 1))
	d.want(
		"1 fired depeg", // 0.75
		"1 fired apart", // 0.5 and 1: 67 % of it
		"3 cleared apart",
		"13:01 gap opened USDE [depeg apart]",
		"21 gap closed USDE [depeg apart]",
		"21 cleared depeg",
	)
	again := s.open(t)
	for _, e := range d.journal {
		again.watch.Apply(e.at, e.event)
	}
	if a, b := d.watch.Status(minute(21)), again.watch.Status(minute(21)); !reflect.DeepEqual(a, b) || again.watch.Next(minute(21)) != nil {
		t.Errorf("the replay stands at\n%+v\nnot\n%+v", b, a)
	}
}

func TestReplay(t *testing.T) {
	s := setting{
		sources: map[lifeboat.Series][]string{"USDE": {"a", "b"}, "VIX": nil},
		triggers: []plan.Trigger{
			{Name: "fear", Condition: "VIX > 30", For: span(90 * time.Second), Cooldown: span(4 * time.Minute)},
			{Name: "depeg", Condition: "USDE < 0.95", Sources: 2, ClearFor: span(3 * time.Minute)},
			{Name: "silent", Condition: "age(VIX) > 12m", For: span(time.Minute)},
			{Name: "slow", Condition: "VIX > 20", For: span(25 * time.Minute)},
		},
	}
	d := s.open(t)
	for n := range 60 {
		v := 25 + 10*math.Sin(float64(n)/3)
		if n%20 < 15 { // with silences of five minutes, and one longer
			d.read(minute(n), usde("a", 0.94+0.02*math.Sin(float64(n))), usde("b", 0.94))
		}
		if n < 20 || n > 40 {
			d.read(minute(n), vix(v))
		}
		now := minute(n)
		d.wait(now)
		d.advance(now)
		again := s.open(t)
		for _, e := range d.journal {
			again.watch.Apply(e.at, e.event)
		}
		if events := again.watch.Next(now); events != nil {
			t.Fatalf("minute %d: the replay tells %v", n, events)
		}
		if a, b := d.watch.Status(now), again.watch.Status(now); !reflect.DeepEqual(a, b) {
			t.Fatalf("minute %d:\n%+v\n%+v", n, a, b)
		}
		if a, b := d.watch.ExactDue(), again.watch.ExactDue(); !a.Equal(b) {
			t.Fatalf("minute %d: due at %s and %s", n, a, b)
		}
	}
	if len(d.told()) < 10 {
		t.Errorf("the tape is too calm to prove anything: %v", d.told())
	}
}

// Next tells the same until it is applied, and changes nothing.
func TestNextChangesNothing(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "fear", Condition: "VIX > 30"}}}.open(t)
	d.record(minute(0), lifeboat.Instant{Readings: []lifeboat.Reading{vix(40)}})
	first, second := d.watch.Next(minute(0)), d.watch.Next(minute(0))
	if len(first) != 1 || !reflect.DeepEqual(first, second) {
		t.Errorf("%v, then %v", first, second)
	}
}

func TestStatus(t *testing.T) {
	d := setting{triggers: []plan.Trigger{
		{Name: "calm", Condition: "VIX > 90"},
		{Name: "holding", Condition: "VIX > 30", For: span(time.Hour)},
		{Name: "fired", Condition: "VIX > 30", Tier: lifeboat.Action},
		{Name: "cooling", Condition: "VIX > 40", Cooldown: span(time.Hour)},
		{Name: "short", Condition: "vix_20d_ma_breach"},
	}}.open(t)
	d.read(minute(0), vix(45))
	d.read(minute(1), vix(35))
	states := d.watch.Status(minute(1))
	want := []trigger.State{
		{Trigger: "calm", Phase: trigger.Calm},
		{Trigger: "holding", Phase: trigger.Holding, Since: minute(0), Until: minute(60)},
		{Trigger: "fired", Tier: lifeboat.Action, Severity: "HIGH", Phase: trigger.Fired, Since: minute(0)},
		{Trigger: "cooling", Phase: trigger.Cooling, Since: minute(1), Until: minute(61)},
		{Trigger: "short", Phase: trigger.NoData, Why: "too little history yet"},
	}
	for i, w := range want {
		s := states[i]
		if s.Trigger != w.Trigger || s.Phase != w.Phase || !s.Since.Equal(w.Since) || !s.Until.Equal(w.Until) || s.Why != w.Why || w.Severity != "" && s.Severity != w.Severity {
			t.Errorf("%+v, want %+v", s, w)
		}
	}
	if v := states[0].Values["VIX"]; v != 35 {
		t.Errorf("VIX is told as %v", v)
	}
}

func TestAReadingWithoutAFiringDoesNotAllocate(t *testing.T) {
	d := setting{triggers: many(20), positions: []lifeboat.Position{{Account: "a", Symbol: "VIX", Quantity: decimal.NewFromInt(1)}}}.open(t)
	at := start
	var event lifeboat.Event = lifeboat.Instant{Readings: []lifeboat.Reading{vix(20), {Series: "VIX.volume", Value: 3}}}
	for range 10 { // until the gaps of what never came are told
		at = at.Add(10 * time.Minute)
		d.record(at, event)
		d.advance(at)
	}
	if n := testing.AllocsPerRun(1000, func() {
		at = at.Add(time.Millisecond)
		d.watch.Apply(at, event)
		if d.watch.Next(at) != nil {
			t.Error("it fired")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// many triggers of the kinds that plans have, on VIX.
func many(n int) []plan.Trigger {
	conditions := []string{
		"portfolio_drawdown >= %d%% AND vix_200d_ma_breach == true", "daily_return < -%d%% AND volume_spike > 2x", "VIX > 9%d",
		"drawdown(VIX) > %d%% OR return(VIX, 5d) < -%d%%", "var(95%%) > %d%%", "ma(VIX, 50d) > 9%d",
	}
	var triggers []plan.Trigger
	for i := range n {
		condition := conditions[i%len(conditions)]
		args := slices.Repeat([]any{30 + i}, strings.Count(condition, "%d"))
		triggers = append(triggers, plan.Trigger{Name: fmt.Sprint(i), Condition: fmt.Sprintf(condition, args...)})
	}
	return triggers
}

// Twenty years of daily bars of ten series (open, high, low, volume, close) with twenty triggers, through the flow's
// own questions: two instants a session.
func BenchmarkTwentyYears(b *testing.B) {
	symbols := []string{"SPY", "QQQ", "TLT", "IEF", "GLD", "EFA", "EEM", "VNQ", "VIX", "AGG"}
	type instant struct {
		at    time.Time
		event lifeboat.Event
	}
	var tape []instant
	nyse := session.NYSE()
	day := nyse.Of(time.Date(2004, 1, 3, 0, 0, 0, 0, time.UTC))
	for n := 0; n < 20*252; n++ {
		day = nyse.Next(day.Open)
		var opening, closing []lifeboat.Reading
		for i, s := range symbols {
			price := 100 + 10*math.Sin(float64(n*(i+3))/50)
			column := func(c string, v float64) lifeboat.Reading {
				return lifeboat.Reading{Series: lifeboat.Series(s + "." + c), Value: v}
			}
			opening = append(opening, column("open", price))
			closing = append(closing, column("high", price), column("low", price), column("volume", 1e6),
				lifeboat.Reading{Series: lifeboat.Series(s), Value: price})
		}
		tape = append(tape, instant{day.Open, lifeboat.Instant{At: day.Open, Readings: opening}},
			instant{day.Close, lifeboat.Instant{At: day.Close, Readings: closing}})
	}
	var positions []lifeboat.Position
	for _, s := range symbols {
		positions = append(positions, lifeboat.Position{Account: "a", Symbol: s, Quantity: decimal.NewFromInt(10)})
	}
	for b.Loop() {
		book := lifeboat.NewBook("USD")
		book.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: positions})
		engine := signal.New(signal.Config{Book: book, Calendar: nyse,
			StaleAfter: func(lifeboat.Series, string) time.Duration { return 12 * time.Hour }})
		watch, err := trigger.New(many(20), rule.Env{Symbols: symbols}, rule.NewBoard(engine, nyse), time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		for _, in := range tape {
			watch.Apply(in.at, in.event)
			for range 3 {
				for _, e := range watch.Next(in.at) {
					watch.Apply(in.at, e)
				}
			}
			watch.Due()
		}
	}
	b.ReportMetric(float64(len(tape)), "instants/op")
}

// A window that cannot hold all its readings blinds its trigger, and the trigger says so.
func TestAnOverfullWindowSaysSo(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "calm", Condition: "VIX < min(VIX, 24h) OR VIX > 90"}}}.open(t)
	at, readings := start, []lifeboat.Reading{vix(20)}
	for range 1_100_000 {
		at = at.Add(50 * time.Millisecond)
		d.watch.Apply(at, lifeboat.Instant{At: at, Readings: readings})
	}
	s := d.watch.Status(at)[0]
	if want := "its window holds more readings of VIX than are kept; write it in sessions, such as 30d"; s.Phase != trigger.NoData || s.Why != want {
		t.Errorf("%s: %q", s.Phase, s.Why)
	}
}
