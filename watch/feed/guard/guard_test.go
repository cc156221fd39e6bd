package guard

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/state"
)

var noon = time.Date(2020, 3, 13, 12, 0, 0, 0, time.UTC)

func usual(s lifeboat.Series, _ string) Band { return Usual(s) }

// said is one minute's readings: "ETH=110 ETH@dex=111 ETH.high=323".
func said(t *testing.T, text string) (readings []lifeboat.Reading) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		name, source, _ := strings.Cut(name, "@")
		r := lifeboat.Reading{Series: lifeboat.Series(name), Source: source}
		if _, err := fmt.Sscan(value, &r.Value); err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		readings = append(readings, r)
	}
	return readings
}

// refused are the readings that did not pass, with the first words of the reason.
func refused(readings []lifeboat.Reading) string {
	var told []string
	for _, r := range readings {
		if r.Quality == lifeboat.Good {
			continue
		}
		name := string(r.Series)
		if r.Source != "" {
			name += "@" + r.Source
		}
		why, _, _ := strings.Cut(r.Why, ",")
		told = append(told, name+" "+why)
	}
	return strings.Join(told, "; ")
}

func TestWhatPasses(t *testing.T) {
	tests := []struct {
		name  string
		steps []string // minute by minute: what is said => what is refused
	}{
		{"a calm day", []string{"ETH=110", "ETH=112", "ETH=108"}},
		{"doubled and halved is the limit", []string{"ETH=100", "ETH=200", "ETH=100", "ETH=49.9 => ETH jumped from 100 to 49.9"}},
		{"one bad tick", []string{"ETH=110", "ETH=323 => ETH jumped from 110 to 323", "ETH=111", "ETH=112"}},
		{"one in the wrong unit", []string{"ETH=110", "ETH=1e13 => ETH jumped from 110 to 1e+13", "ETH=111"}},
		{"a bad tick down", []string{"ETH=110", "ETH=0.0011 => ETH jumped from 110 to 0.0011", "ETH=109"}},
		{"bad ticks on either side agree on nothing", []string{"ETH=110", "ETH=1100 => ETH jumped from 110 to 1100", "ETH=11 => ETH jumped from 110 to 11", "ETH=1200 => ETH jumped from 110 to 1200", "ETH=111"}},
		{"no number", []string{"ETH=110", "ETH=NaN => ETH NaN is not a finite number", "ETH=+Inf => ETH +Inf is not a finite number", "ETH=-Inf => ETH -Inf is not a finite number", "ETH=111"}},
		{"no price, however often", []string{"ETH=110", "ETH=0 => ETH 0 is no price: prices are positive", "ETH=0 => ETH 0 is no price: prices are positive", "ETH=-3 => ETH -3 is no price: prices are positive", "ETH=111"}},
		{"nor as the first", []string{"ETH=0 => ETH 0 is no price: prices are positive", "ETH=110"}},

		{"a split four for one", []string{"AAPL=500", "AAPL=125 => AAPL jumped from 500 to 125", "AAPL=126", "AAPL=127"}},
		{"LUNA on 12 May 2022, in hours", []string{"LUNA=5.2", "LUNA=1.1 => LUNA jumped from 5.2 to 1.1", "LUNA=0.32", "LUNA=0.09 => LUNA jumped from 0.32 to 0.09", "LUNA=0.005", "LUNA=0.00004 => LUNA jumped from 0.005 to 4e-05", "LUNA=0.00002"}},
		{"99 % at once", []string{"LUNA=80", "LUNA=0.8 => LUNA jumped from 80 to 0.8", "LUNA=0.7"}},
		{"a crash that goes on", []string{"X=80", "X=30 => X jumped from 80 to 30", "X=10", "X=4 => X jumped from 10 to 4", "X=1"}},

		{"a wick on a bar", []string{"ETH.open=110 ETH.high=112 ETH.low=108 ETH=110", "ETH.open=110 ETH.high=323 ETH.low=107 ETH=109 => ETH.high jumped from 112 to 323", "ETH.open=109 ETH.high=111 ETH.low=107 ETH=110"}},
		{"a wick on the first bar", []string{"ETH.open=110 ETH.high=323 ETH.low=107 ETH=109 => ETH.high jumped from 109 to 323"}},
		{"a wick down", []string{"BTC=6000 BTC.low=5900", "BTC=5900 BTC.low=0.1 => BTC.low jumped from 5900 to 0.1", "BTC=5950 BTC.low=5800"}},
		{"a bar of a crash", []string{"X=80 X.low=79 X.high=81", "X.high=81 X.low=2 X=3 => X jumped from 80 to 3; X.low jumped from 79 to 2", "X.high=5 X.low=1 X=2"}},
		{"a whole row in the wrong unit", []string{"X.high=11 X.low=9 X=10", "X.high=1100 X.low=900 X=1000 => X jumped from 10 to 1000; X.high jumped from 11 to 1100; X.low jumped from 10 to 900", "X.high=11 X.low=9 X=10"}},

		{"a volume may do anything", []string{"SPY.volume=1000", "SPY.volume=0", "SPY.volume=1e12"}},
		{"so may a yield", []string{"DGS10=0.5", "DGS10=-0.5", "DGS10=2"}},
		{"and fear doubles", []string{"VIX=15", "VIX=38", "VIX=82"}},

		{"two sources see the same crash", []string{"X@cex=100 X@dex=101", "X@cex=40 X@dex=41"}},
		{"and one after the other", []string{"X@cex=100 X@dex=101", "X@cex=40 => X@cex jumped from 100 to 40", "X@dex=41", "X@cex=39"}},
		{"one of two lies", []string{"X@cex=1 X@dex=1", "X@cex=0.3 X@dex=0.999 => X@cex jumped from 1 to 0.3", "X@cex=0.99 X@dex=1"}},
		{"one of two is alone in coming back", []string{"X@cex=1 X@dex=1", "X@cex=0.3 => X@cex jumped from 1 to 0.3", "X@cex=0.3", "X@cex=1"}},
		{"a frozen source is believed, and hides a crash from nobody for more than one reading", []string{"X@cex=100 X@dex=100", "X@cex=99 X@dex=100", "X@cex=40 X@dex=100 => X@cex jumped from 99 to 40", "X@cex=39 X@dex=100"}},
		{"a new source is measured by the others", []string{"X@cex=100", "X@dex=1000 => X@dex jumped from 100 to 1000", "X@dex=101"}},
		{"unless it insists", []string{"X@cex=100", "X@dex=1000 => X@dex jumped from 100 to 1000", "X@dex=1001"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := New(usual)
			for i, step := range tt.steps {
				readings, want, _ := strings.Cut(step, " => ")
				got := refused(g.Pass(noon.Add(time.Duration(i)*time.Minute), said(t, readings)))
				// The order of the reasons is the order of the readings.
				if !slices.Equal(sorted(got), sorted(want)) {
					t.Errorf("step %d, %s:\nrefused %q\nwant    %q", i+1, readings, got, want)
				}
			}
		})
	}
}

func sorted(list string) []string {
	words := strings.Split(list, "; ")
	slices.Sort(words)
	return words
}

func TestBounds(t *testing.T) {
	least, most := -1.0, 20.0
	bands := Feeds([]plan.Feed{
		{Series: "DGS10", Source: "fed", Level: true, Min: &least, Max: &most},
		{Series: "USDC", Source: "cex", Jump: 0.05},
		{Series: "ETH", Source: "cex", Max: &most},
		{Series: "TVL", Source: "llama", Level: true, Jump: 0.5},
	})
	g := New(bands)
	for i, c := range []struct{ readings, want string }{
		{"DGS10@fed=4 USDC@cex=1 ETH@cex=18 ETH.high@cex=19 ETH.volume@cex=1e6 TVL@llama=100", ""},
		{"DGS10@fed=21", "DGS10@fed 21 is above 20"},
		{"DGS10@fed=21", "DGS10@fed 21 is above 20"}, // however often
		{"DGS10@fed=-1.5 DGS10@other=-1.5", "DGS10@fed -1.5 is below -1"},
		{"USDC@cex=0.94 USDC@dex=0.999", "USDC@cex jumped from 1 to 0.94"},
		{"USDC@cex=0.955", ""},
		{"ETH.high@cex=21 ETH@cex=19 ETH.volume@cex=1e9", "ETH.high@cex 21 is above 20"},
		{"TVL@llama=-5", "TVL@llama jumped from 100 to -5"},
		{"TVL@llama=-5", ""}, // where the owner says it may be negative, it is believed the second time
		{"TVL@llama=70", ""}, // from below zero no ratio tells anything
	} {
		if got := refused(g.Pass(noon.Add(time.Duration(i)*time.Minute), said(t, c.readings))); got != c.want {
			t.Errorf("%s: refused %q, want %q", c.readings, got, c.want)
		}
	}
}

// TestANightChangesNothing: the first value after a silence is held to the same jump, and the second is believed.
func TestANightChangesNothing(t *testing.T) {
	g := New(usual)
	g.Pass(noon, said(t, "FTT=22"))
	later := noon.Add(17 * time.Hour)
	if got := refused(g.Pass(later, said(t, "FTT=1.5"))); got == "" {
		t.Error("after a night, -93 % was believed at once")
	}
	if got := refused(g.Pass(later.Add(time.Hour), said(t, "FTT=1.4"))); got != "" {
		t.Errorf("the second was refused: %s", got)
	}
}

// TestOldAgreementIsNone: what another source said hours ago confirms nothing now.
func TestOldAgreementIsNone(t *testing.T) {
	g := New(usual)
	g.Pass(noon, said(t, "X@cex=100 X@dex=40"))
	g.Pass(noon.Add(time.Minute), said(t, "X@dex=41"))
	if got := refused(g.Pass(noon.Add(30*time.Minute), said(t, "X@cex=42"))); got != "" {
		t.Errorf("a fresh source did not count: %s", got)
	}
	g.Pass(noon.Add(40*time.Minute), said(t, "X@cex=41"))
	g.Pass(noon.Add(50*time.Minute), said(t, "X@cex=90 X@cex=91"))
	if got := refused(g.Pass(noon.Add(3*time.Hour), said(t, "X@cex=9"))); got == "" {
		t.Error("a jump was believed although nobody else spoke for two hours")
	}
}

// TestRowsThatWereMissed: several readings of one source in one instant are several steps.
func TestRowsThatWereMissed(t *testing.T) {
	g := New(usual)
	g.Pass(noon, said(t, "LUNA=80"))
	rows := said(t, "LUNA=75 LUNA=7500 LUNA=74 LUNA=20 LUNA=5 LUNA=4")
	for i := range rows {
		rows[i].At = noon.Add(time.Duration(i+1) * time.Minute)
	}
	want := "LUNA jumped from 75 to 7500; LUNA jumped from 74 to 20"
	if got := refused(g.Pass(noon.Add(time.Hour), rows)); got != want {
		t.Errorf("refused %q\nwant    %q", got, want)
	}
	// Two rows of one time are one report, which cannot confirm itself.
	twice := said(t, "LUNA=400 LUNA=400")
	if got := refused(g.Pass(noon.Add(2*time.Hour), twice)); strings.Count(got, "jumped") != 2 {
		t.Errorf("a value confirmed itself: %q", got)
	}
}

// TestWhatComesLateIsNoMeasure: a reading older than the last one of its source is left out by the signals, and changes
// nothing here either.
func TestWhatComesLateIsNoMeasure(t *testing.T) {
	g := New(usual)
	g.Pass(noon, said(t, "X=100"))
	late := said(t, "X=190")
	late[0].At = noon.Add(-time.Hour)
	g.Pass(noon.Add(time.Minute), late)
	if got := refused(g.Pass(noon.Add(2*time.Minute), said(t, "X=210"))); got != "X jumped from 100 to 210" {
		t.Errorf("refused %q", got)
	}
}

// TestMemoryComesBackFromTheJournal: a guard that is reminded of judged readings goes on as the one that judged them,
// and so does one whose state was written down.
func TestMemoryComesBackFromTheJournal(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		live := New(usual)
		reminded := New(usual)
		for step := range 150 {
			at := noon.Add(time.Duration(step) * time.Minute)
			readings := anything(random, at)
			judged := live.Pass(at, slices.Clone(readings))
			reminded.Note(at, judged)
			if !bytes.Equal(saved(live), saved(reminded)) {
				t.Fatalf("seed %d, step %d: after %v the memories differ", seed, step, judged)
			}
			if step%50 == 49 {
				again := New(usual)
				c := state.Reader(saved(live))
				if again.State(c); c.Err() != nil {
					t.Fatal(c.Err())
				}
				live = again
			}
		}
	}
}

// anything a few sources may say in one instant, old rows and rubbish among it.
func anything(random *rand.Rand, at time.Time) []lifeboat.Reading {
	var readings []lifeboat.Reading
	for range random.IntN(6) {
		r := lifeboat.Reading{
			Series: []lifeboat.Series{"X", "X.high", "X.low", "X.volume", "VIX"}[random.IntN(5)],
			Source: []string{"", "cex", "dex"}[random.IntN(3)],
			Value:  []float64{100, 101, 99, 40, 41, 300, 310, 1e13, 0, -1, math.NaN(), math.Inf(1)}[random.IntN(12)],
		}
		if random.IntN(3) == 0 {
			r.At = at.Add(time.Duration(random.IntN(10)-8) * time.Minute)
		}
		if random.IntN(10) == 0 {
			r = lifeboat.Reading{Series: r.Series, Source: r.Source, Quality: lifeboat.Suspect, Why: `"halted" is not a number`}
		}
		readings = append(readings, r)
	}
	return readings
}

func saved(g *Guard) []byte {
	c := state.Writer()
	g.State(c)
	return slices.Clone(c.Bytes())
}

func TestADamagedStateIsRefused(t *testing.T) {
	g := New(usual)
	g.Pass(noon, said(t, "X@cex=100 X@dex=101 Y=3"))
	whole := saved(g)
	for n := range len(whole) {
		c := state.Reader(whole[:n])
		if New(usual).State(c); c.Err() == nil {
			t.Errorf("%d of %d bytes were taken for a state", n, len(whole))
		}
	}
}

// TestACrashIsSeenOneReadingLater: whatever the fall, at most one reading of a single source is refused.
func TestACrashIsSeenOneReadingLater(t *testing.T) {
	for _, left := range []float64{0.5, 0.4, 0.1, 0.01, 1e-6, 1e-12} {
		g := New(usual)
		g.Pass(noon, said(t, "X=80"))
		late := 0
		for i := range 10 {
			after := fmt.Sprintf("X=%g", 80*left*(1-0.03*float64(i)))
			if refused(g.Pass(noon.Add(time.Duration(i+1)*time.Minute), said(t, after))) != "" {
				late++
			}
		}
		if late > 1 {
			t.Errorf("a fall to %g of the price was refused %d times", left, late)
		}
	}
}

func TestNoAllocationWhenAllIsWell(t *testing.T) {
	g := New(usual)
	readings := said(t, "X@cex=100 X.high@cex=101 X.low@cex=99 X.volume@cex=7 X@dex=100 VIX=20")
	at := noon
	if n := testing.AllocsPerRun(100, func() {
		at = at.Add(time.Second)
		g.Pass(at, readings)
	}); n > 0 {
		t.Errorf("%v allocations for an instant of good readings", n)
	}
}

func TestTape(t *testing.T) {
	const table = "time,ETH.high,ETH.low,ETH,VIX\n" +
		"2020-03-13T01:00:00Z,118,107,112,60\n2020-03-13T02:00:00Z,323.33,98,110,130\n2020-03-13T03:00:00Z,117,105,113,62\n"
	whole, err := tape.Read("eth.csv", strings.NewReader(table), tape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	judged, notes := Tape(whole, usual)
	want := "ETH.high has 1 suspect value, first at 2020-03-13T02:00:00Z: jumped from 118 to 323.33, farther than 100%"
	if len(notes) != 1 || !strings.HasPrefix(notes[0], want) {
		t.Errorf("notes %q", notes)
	}
	if r := judged.Instants[1].Readings[0]; r.Quality != lifeboat.Suspect || r.Value != 323.33 {
		t.Errorf("%+v", r)
	}
	if r := whole.Instants[1].Readings[0]; r.Quality != lifeboat.Good {
		t.Error("the tape that was given has changed")
	}
	if again, notes := Tape(whole.Between(time.Time{}, noon.Add(-10*time.Hour-30*time.Minute)), usual); len(notes) > 0 || len(again.Instants) != 1 {
		t.Errorf("a clean part: %q", notes)
	}
}

func TestBandsOfATape(t *testing.T) {
	const table = "time,SPREAD,USDC,ETH@dex,ETH.volume@dex\n" +
		"2020-03-13T01:00:00Z,0.1,1,112,0\n2020-03-13T02:00:00Z,-2,0.94,110,5\n2020-03-13T03:00:00Z,30,0.99,500,1\n"
	whole, err := tape.Read("x.csv", strings.NewReader(table), tape.Options{Levels: map[string]bool{"SPREAD": true}})
	if err != nil {
		t.Fatal(err)
	}
	_, notes := Tape(whole, OfTape(whole, []plan.Feed{{Series: "USDC", Source: "cex", Jump: 0.05}, {Series: "USDC", Source: "dex"}, {Series: "ETH", Source: "cex", Jump: 0.01}}))
	for i, want := range []string{"USDC has 1 suspect value, first at 2020-03-13T02:00:00Z: jumped from 1 to 0.94", "ETH@dex has 1 suspect value, first at 2020-03-13T03:00:00Z: jumped from 110 to 500"} {
		if len(notes) != 2 || !strings.HasPrefix(notes[i], want) {
			t.Errorf("notes %q, want %s", notes, want)
		}
	}
}

func BenchmarkPass(b *testing.B) {
	g := New(usual)
	readings := []lifeboat.Reading{{Series: "SPY", Value: 400}, {Series: "BTC", Source: "cex", Value: 60000}, {Series: "BTC", Source: "dex", Value: 60010}, {Series: "VIX", Value: 20}}
	at := noon
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Second)
		g.Pass(at, readings)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(readings)), "ns/reading")
}
