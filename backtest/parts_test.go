package backtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/backtest/disaster"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/rule"
)

var noon = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }

// said makes firings (odd ones fired, even ones cleared) at hours after noon.
func said(hours ...float64) []Told[lifeboat.Firing] {
	var all []Told[lifeboat.Firing]
	for i, h := range hours {
		state := lifeboat.Fired
		if i%2 == 1 {
			state = lifeboat.Cleared
		}
		all = append(all, Told[lifeboat.Firing]{at(h), lifeboat.Firing{State: state}})
	}
	return all
}

// TestLead: the signal comes at noon, the point of no return at 10 hours, the end at 20.
func TestLead(t *testing.T) {
	noReturn := at(10)
	for _, c := range []struct {
		name   string
		own    []Told[lifeboat.Firing]
		kind   disaster.Kind
		open   bool // there is no point of no return
		judged Judgement
		lead   float64 // hours
	}{
		{"nothing", nil, disaster.Exit, false, Never, 0},
		{"after the signal", said(4), disaster.Exit, false, InTime, 6},
		{"at the last moment", said(10), disaster.Exit, false, InTime, 0},
		{"too late", said(13), disaster.Exit, false, Late, -3},
		{"after the end", said(21), disaster.Exit, false, Never, 0},
		{"before the signal, and still on", said(-5), disaster.Exit, false, InTime, 15},
		{"before the signal, cleared after it", said(-5, 1), disaster.Exit, false, InTime, 15},
		{"cleared before the signal", said(-5, -1), disaster.Exit, false, Never, 0},
		{"cleared before the signal, and again", said(-5, -1, 12), disaster.Exit, false, Late, -2},
		{"no point of no return", said(30.0 / 60), disaster.Exit, true, Fires, 0},
		{"on for a season", said(-100 * 24), disaster.Exit, false, Already, 0},
		{"on since before, where holding was right", said(-5), disaster.Hold, false, Silent, 0},
		{"false", said(4), disaster.Hold, false, Alarmed, 0},
		{"silent", nil, disaster.Hold, false, Silent, 0},
	} {
		e := Episode{ID: "x", Kind: c.kind, Signal: noon, Begin: noon, NoReturn: &noReturn, End: at(20)}
		if c.open {
			e.NoReturn = nil
		}
		l := lead(c.own, e)
		if l.Judged != c.judged {
			t.Errorf("%s: judged %q, want %q", c.name, l.Judged, c.judged)
		}
		measured := c.judged == InTime || c.judged == Late
		if (l.LeadS != nil) != measured || measured && *l.LeadS != c.lead*3600 {
			t.Errorf("%s: the lead is %v, want %v h", c.name, l.LeadS, c.lead)
		}
	}
}

// TestTickCompare: what a bad value at noon did to a trigger.
func TestTickCompare(t *testing.T) {
	for _, c := range []struct {
		name          string
		good, spoilt  []Told[lifeboat.Firing]
		differs       bool
		changes       float64
		fires         bool
		checkedUntilH float64
	}{
		{"nothing", said(5, 6), said(5, 6), false, 0, false, 99},
		{"fires on it", nil, said(0, 1), true, 0, true, 99},
		{"fires on it, and as before", said(5, 6), said(0, 1, 5, 6), true, 0, true, 99},
		{"loses a firing", said(5, 6), nil, true, 5, false, 99},
		{"fires later", said(5), said(7), true, 5, false, 99},
		{"clears sooner", said(-3, 5), said(-3, 0), true, 0, false, 99},
		{"what was not checked", said(5), nil, false, 0, false, 4},
	} {
		var tick Tick
		differs := tick.compare(c.good, c.spoilt, at(c.checkedUntilH))
		if differs != c.differs || differs && !tick.Changes.Equal(at(c.changes)) || (tick.Fires != nil) != c.fires {
			t.Errorf("%s: differs %v at %s, fires %v", c.name, differs, tick.Changes, tick.Fires)
		}
	}
}

// TestSpoilt: one reading of one source at one time is another, and the history itself stays as it was.
func TestSpoilt(t *testing.T) {
	instants := []lifeboat.Instant{
		{At: at(0), Readings: []lifeboat.Reading{{Series: "X", Source: "a", Value: 1}, {Series: "X", Source: "b", Value: 2}}},
		{At: at(1), Readings: []lifeboat.Reading{{Series: "X", Source: "a", Value: 3}}},
	}
	s := &spoilt{&reel{instants}, place{channel{"X", "a"}, at(0), 1}, 99}
	var values []float64
	for in, more := s.Next(); more; in, more = s.Next() {
		for _, r := range in.Readings {
			values = append(values, r.Value)
		}
	}
	if !slices.Equal(values, []float64{99, 2, 3}) || instants[0].Readings[0].Value != 1 {
		t.Errorf("values are %v, and the history begins with %v", values, instants[0].Readings[0].Value)
	}
}

func TestMoved(t *testing.T) {
	for _, c := range []struct {
		expr   string
		factor float64
		want   string
	}{
		{"USDC < 0.97", 0.8, "USDC < 0.976"}, // the distance from the peg
		{"USDC < 0.97", 1.25, "USDC < 0.9625"},
		{"VIX > 30", 1.1, "VIX > 33"},
		{"daily_return < -7%", 0.8, "daily_return < -5.6%"},
		{"volume_spike > 1x", 1.25, "volume_spike > 1.25x"},
	} {
		l := rule.Thresholds(c.expr)[0]
		if got := l.With(c.expr, moved(l, c.factor)); got != c.want {
			t.Errorf("%s times %v is %s, want %s", c.expr, c.factor, got, c.want)
		}
	}
}

// TestOpenUntil: nothing after the cut reaches the source.
func TestOpenUntil(t *testing.T) {
	record := OfTape(&tape.Tape{Instants: []lifeboat.Instant{{At: at(0)}, {At: at(1)}, {At: at(2)}}})
	for _, c := range []struct {
		until time.Time
		want  int
	}{{time.Time{}, 3}, {at(-1), 0}, {at(1), 2}, {at(1.5), 2}, {at(9), 3}} {
		source, err := record.Open(context.Background(), c.until)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, more := source.Next(); more; _, more = source.Next() {
			n++
		}
		if n != c.want {
			t.Errorf("until %s there are %d instants, want %d", c.until, n, c.want)
		}
	}
}

// TestSpells: a benchmark that falls by a tenth ends the calm, and so does a disaster.
func TestSpells(t *testing.T) {
	var instants []lifeboat.Instant
	for i, price := range []float64{100, 101, 90, 95, 102, 103, 103} {
		instants = append(instants, lifeboat.Instant{At: at(float64(i)), Readings: []lifeboat.Reading{{Series: "SPY", Value: price}}})
	}
	trial := &trial{Options: Options{Plan: &plan.Plan{}}, scene: Scene{Record: OfTape(&tape.Tape{Instants: instants}), To: at(99), Parts: app.Parts{Sources: map[lifeboat.Series][]string{"SPY": {""}}}}}
	trial.played.Episodes = []Episode{{Signal: at(5), End: at(5.5)}}
	spells, err := trial.spells(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	// 90 is more than a tenth below 101; 95 is not. From the instant at 5 h on there is a disaster.
	if want := []spell{{at(0), at(2)}, {at(3), at(5)}}; !slices.Equal(spells, want) {
		t.Errorf("calm is %v, want %v", spells, want)
	}
	instants[0].Readings[0].Series, instants[1].Readings[0].Series = "VIX", "VIX"
	if spells, err := trial.spells(t.Context(), time.Time{}); err != nil || spells[0].from != at(2) {
		t.Errorf("it was calm from %v before the benchmark had a price (%v)", spells, err)
	}
	if !within(spells, at(1)) || within(spells, at(2)) || within(spells, at(5)) {
		t.Error("a spell holds its beginning and not its end")
	}
}

func TestPerYear(t *testing.T) {
	if rate := (calmTime{long: calmLeast - 1}).perYear(3); rate != nil {
		t.Errorf("a quarter of a year that is not whole gives %v", *rate)
	}
	if rate := (calmTime{long: 2 * 8766 * time.Hour}).perYear(3); rate == nil || *rate != 1.5 {
		t.Errorf("three alerts in two years are %v", rate)
	}
}

// TestReads: what a condition is about, by its names and by what it asks of the book.
func TestReads(t *testing.T) {
	p := &plan.Plan{
		Portfolio: plan.Portfolio{BaseCurrency: "USD", Calendar: "nyse"},
		Holdings:  []plan.Holding{{Symbol: "SPY", Class: "equities"}, {Symbol: "USDC", Class: "stablecoin"}, {Symbol: "VARX", Class: "crypto"}},
		Signals:   []plan.Signal{{Name: "reserve", Expr: "value(stablecoin)"}, {Name: "variation", Expr: "weight(SPY)"}},
	}
	parts := app.Parts{Plan: p, Sources: map[lifeboat.Series][]string{"SPY": {""}, "VIX": {""}}, Calendar: session.NYSE()}
	all := []lifeboat.Series{"SPY", "USDC", "VARX"}
	for _, c := range []struct {
		condition string
		want      []lifeboat.Series
	}{
		{"portfolio_drawdown > 10%", all},
		{"weight(VARX) > 60%", []lifeboat.Series{"VARX"}},
		{"variation > 60%", []lifeboat.Series{"SPY"}},
		{"reserve < $100", []lifeboat.Series{"USDC"}},
		{"age(vix) > 1d", []lifeboat.Series{"VIX"}},
		{"VIX > 30", []lifeboat.Series{"VIX"}},
		{"var(SPY, 95%, 250d) > 2%", []lifeboat.Series{"SPY"}},
		{"max_drawdown > 10% AND VIX > 30", append(slices.Clone(all), "VIX")},
		{"hhi(symbol) > 0.5 OR weight(SPY) > 60%", all},
		{"liquidity_days > 5 AND drawdown(SPY) > 10%", all},
	} {
		p.Triggers = []plan.Trigger{{Name: "it", Condition: c.condition}}
		found, err := readers(p, parts)
		if err != nil || !slices.Equal(found[0].symbols, slices.Sorted(slices.Values(c.want))) {
			t.Errorf("%s reads %v, want %v (%v)", c.condition, found, c.want, err)
		}
	}
}
