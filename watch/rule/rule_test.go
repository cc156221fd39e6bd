package rule_test

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
)

var update = flag.Bool("update", false, "write the golden files anew")

var env = rule.Env{
	Series:  []string{"SPY", "SPY.volume", "VIX", "DGS10", "USDE", "BTC-USD", "BRK.B"},
	Symbols: []string{"SPY", "TLT", "USDE", "USD"},
	Classes: []string{"equities", "bonds", "stablecoin"},
	Signals: []plan.Signal{
		{Name: "stress", Expr: "VIX > 30 OR spy_200d_ma_breach"},
		{Name: "spy_gap", Expr: "SPY / ma(SPY, 200d) - 1"},
		{Name: "silence", Expr: "age(SPY)"},
		{Name: "limit", Expr: "15%"},
		{Name: "chicken", Expr: "egg + 1"},
		{Name: "egg", Expr: "chicken - 1"},
		{Name: "broken", Expr: "SPY > 30%"},
	},
}

// Every expression of good.txt is sound; its meaning in a sentence is in good.golden. Every expression of bad.txt is
// refused; what a person is told is in bad.golden.
func TestGolden(t *testing.T) {
	t.Run("good", func(t *testing.T) {
		golden(t, "good", func(expr string) string {
			if faults := rule.Check(expr, env); faults != nil {
				t.Errorf("%s\n%s", expr, faults[0].Show(expr))
			}
			meaning, err := rule.Describe(expr, env)
			if err != nil {
				t.Error(err)
			}
			return expr + "\n  " + meaning.Sentence + "\n"
		})
	})
	t.Run("bad", func(t *testing.T) {
		golden(t, "bad", func(expr string) string {
			faults := rule.Check(expr, env)
			if faults == nil {
				t.Errorf("accepted: %s", expr)
			}
			var b strings.Builder
			for _, f := range faults {
				b.WriteString(f.Show(expr) + "\n")
			}
			return b.String()
		})
	})
}

func golden(t *testing.T, name string, tell func(expr string) string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for expr := range strings.Lines(string(source)) {
		b.WriteString(tell(strings.TrimSuffix(expr, "\n")) + "\n")
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", file, got)
	}
}

func TestLimits(t *testing.T) {
	for name, expr := range map[string]string{
		"length":      strings.Repeat(" ", 4097) + "true",
		"depth":       strings.Repeat("(", 65) + "true" + strings.Repeat(")", 65),
		"NOTs":        strings.Repeat("NOT ", 65) + "true",
		"minuses":     strings.Repeat("-", 65) + "1 < 2",
		"parts":       "VIX > 0" + strings.Repeat("+1", 300),
		"calls":       strings.Repeat("ma(", 65),
		"comparisons": "1" + strings.Repeat("<1", 600),
	} {
		if faults := rule.Check(expr, env); len(faults) != 1 {
			t.Errorf("%s: %v", name, faults)
		}
	}
	deep := strings.Repeat("(", 64) + "true" + strings.Repeat(")", 64)
	if faults := rule.Check(deep, env); faults != nil {
		t.Errorf("64 deep: %v", faults)
	}
}

// Signals that double each other are stopped before they fill the memory.
func TestSignalsThatMultiply(t *testing.T) {
	e := rule.Env{Signals: []plan.Signal{{Name: "s0", Expr: "VIX + VIX"}}}
	for i := 1; i < 60; i++ {
		e.Signals = append(e.Signals, plan.Signal{Name: fmt.Sprintf("s%d", i), Expr: fmt.Sprintf("s%d + s%d", i-1, i-1)})
	}
	if faults := rule.Check("s59 > 0", e); len(faults) != 1 || !strings.Contains(faults[0].Message, "more than 4096 parts") {
		t.Errorf("%v", faults)
	}
}

func TestCheckCondition(t *testing.T) {
	if faults := rule.CheckCondition("portfolio_value", env); len(faults) != 1 {
		t.Errorf("money passed for a condition: %v", faults)
	}
	if faults := rule.CheckCondition("stress", env); faults != nil {
		t.Error(faults)
	}
}

// at is half past ten in the morning; the readings of tape come hourly before it.
var at = time.Date(2020, 3, 12, 10, 30, 0, 0, time.UTC)

// compile an expression on an engine that has read SPY 100, 90 and VIX 35, while DGS10 is stale and TLT was never seen.
// USDE is 1 at a and 0.65 at b.
func compile(t *testing.T, expr, source string) *rule.Cond {
	t.Helper()
	cond, _ := onBoard(t, expr, source)
	return cond
}

func onBoard(t *testing.T, expr, source string) (*rule.Cond, *rule.Board) {
	t.Helper()
	e := signal.New(signal.Config{
		Sources:    map[lifeboat.Series][]string{"USDE": {"a", "b"}},
		StaleAfter: func(lifeboat.Series, string) time.Duration { return 24 * time.Hour },
	})
	board := rule.NewBoard(e, nil)
	cond, err := board.Compile(expr, env, source)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	read := func(when time.Time, readings ...lifeboat.Reading) {
		board.Take(when, lifeboat.Instant{At: when, Readings: readings})
	}
	read(at.Add(-48*time.Hour), lifeboat.Reading{Series: "DGS10", Value: 4}, lifeboat.Reading{Series: "SPY", Value: 100})
	read(at.Add(-time.Hour), lifeboat.Reading{Series: "SPY", Value: 90}, lifeboat.Reading{Series: "VIX", Value: 35},
		lifeboat.Reading{Series: "USDE", Source: "a", Value: 1}, lifeboat.Reading{Series: "USDE", Source: "b", Value: 1})
	read(at.Add(-time.Minute), lifeboat.Reading{Series: "USDE", Source: "b", Value: 0.65})
	board.Tick(at)
	return cond, board
}

func TestEval(t *testing.T) {
	for _, c := range []struct {
		expr string
		want string
	}{
		{"true", "true"},
		{"NOT true", "false"},
		{"SPY < 95", "true"},
		{"spy < $95", "true"},
		{"VIX > 30 AND SPY < 80", "false"},
		{"VIX > 30 OR SPY < 80", "true"},
		{"VIX > 30 OR SPY < 80 AND SPY < 70", "true"}, // AND binds closer
		{"(VIX > 30 OR SPY < 80) AND SPY < 70", "false"},
		{"NOT SPY == 90", "false"}, // NOT is of the comparison
		{"30 < VIX <= 35", "true"},
		{"30 < VIX < 35", "false"},
		{"30 < VIX != 35", "false"},
		{"SPY - 2 * 5 == 80", "true"},
		{"SPY - 10 - 10 == 70", "true"}, // from the left
		{"SPY / 2 / 3 == 15", "true"},
		{"-SPY < -89", "true"},
		{"drawdown(SPY) == 10%", "true"},
		{"spy_drawdown >= 0.0999999999", "true"},
		{"return(SPY, 1d) < -9%", "true"},
		{"(VIX > 30) == true", "true"},
		{"(VIX > 30) != (SPY > 95)", "true"},
		{"7% == 0.07", "true"},
		{"1.5x == 150%", "true"},
		{"$5,000.50 == 5000.5", "true"},
		{"1h30m == 90m", "true"},
		{"age(SPY) == 1h", "true"},
		{"age(DGS10) > 1d", "true"}, // known, although DGS10 is stale
		{"stress", "true"},
		{"silence >= 1h", "true"},
		{"spread(USDE) > 50%", "true"},
		{"USDE > 0.9", "true"},

		// Three values.
		{"DGS10 > 3", "unknown"},
		{"TLT > 3", "unknown"},
		{"NOT TLT > 3", "unknown"},
		{"TLT > 3 AND VIX > 50", "false"},
		{"VIX > 50 AND TLT > 3", "false"},
		{"TLT > 3 AND VIX > 30", "unknown"},
		{"TLT > 3 OR VIX > 30", "true"},
		{"VIX > 30 OR TLT > 3", "true"},
		{"TLT > 3 OR VIX > 50", "unknown"},
		{"TLT < 3 OR TLT >= 3", "unknown"},
		{"0 < VIX < TLT", "unknown"},
		{"99 < VIX < TLT", "false"},
		{"spy_200d_ma_breach == true", "unknown"}, // two sessions of 200
		{"VIX / (SPY - 90) > 1", "unknown"},       // division by zero
		{"portfolio_drawdown > 10%", "unknown"},   // no book
	} {
		truth, known := compile(t, c.expr, "").Eval()
		got := fmt.Sprint(truth)
		if !known {
			got = "unknown"
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.expr, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for expr, want := range map[string]float64{"SPY * 2": 180, "spy_drawdown": 0.1, "silence": 3600, "limit": 0.15, "VIX > 30": 1} {
		if v, known := compile(t, expr, "").Number(); !known || math.Abs(v-want) > 1e-12 {
			t.Errorf("%s: %v %v", expr, v, known)
		}
	}
}

func TestASourcesOwnValues(t *testing.T) {
	cond := compile(t, "USDE < 0.95 AND VIX > 30", "b")
	if truth, known := cond.Eval(); !truth || !known {
		t.Error("b says 0.65")
	}
	want := map[string]float64{"USDE@b": 0.65, "VIX": 35}
	if got := cond.Values(at); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if truth, known := compile(t, "USDE < 0.95", "a").Eval(); truth || !known {
		t.Error("a says 1")
	}
}

func TestValuesAreTold(t *testing.T) {
	cond, board := onBoard(t, "stress AND drawdown( SPY ) > limit AND TLT < 3 AND age(SPY) < 2h", "")
	want := map[string]float64{"stress": 1, "VIX": 35, "drawdown(SPY)": 0.1, "limit": 0.15, "age(SPY)": 3600}
	got := cond.Values(at)
	for name, v := range want {
		if math.Abs(got[name]-v) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	if s := cond.Series(); !slices.Equal(s, []lifeboat.Series{"VIX", "SPY", "TLT"}) {
		t.Errorf("series %v", s)
	}
	if cond.Portfolio() {
		t.Error("it does not read the portfolio")
	}
	if next := board.NextChange(at); !next.Equal(at.Add(time.Hour + time.Second)) {
		t.Errorf("the age passes two hours at %s", next)
	}
}

func TestTheSourceDocument(t *testing.T) {
	for _, expr := range []string{
		"portfolio_drawdown >= 0.15 AND spy_200d_ma_breach == true",
		"IF daily_return < -0.07 AND volume_spike > 2.0 THEN severity = CRITICAL",
		"portfolio_drawdown >= 10% OR vix > 30",
		"var_1d_95 > 5%",
	} {
		if faults := rule.CheckCondition(expr, rule.Env{}); faults != nil {
			t.Errorf("%s\n%s", expr, faults[0].Show(expr))
		}
		compile(t, expr, "")
	}
}

// Two that differ are told under names that differ.
func TestEverySinceIsTold(t *testing.T) {
	got := compile(t, "since(VIX > 30) > 2h AND since(SPY < 95) > 3h", "").Values(at)
	for _, name := range []string{"since(VIX > 30)", "since(SPY < 95)"} {
		if _, told := got[name]; !told {
			t.Errorf("%s is missing in %v", name, got)
		}
	}
}

func TestEvalDoesNotAllocate(t *testing.T) {
	cond := compile(t, "stress AND 5% < drawdown(SPY) < limit OR TLT / SPY > 2x AND age(SPY) < 2h", "")
	if n := testing.AllocsPerRun(100, func() { cond.Eval() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever is written, the parser ends, and what Check accepts compiles.
func FuzzCheck(f *testing.F) {
	for _, name := range []string{"good", "bad"} {
		source, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			f.Fatal(err)
		}
		for expr := range strings.Lines(string(source)) {
			f.Add(strings.TrimSpace(expr))
		}
	}
	f.Fuzz(func(t *testing.T, expr string) {
		faults := rule.Check(expr, env)
		cond, err := rule.NewBoard(signal.New(signal.Config{}), nil).Compile(expr, env, "")
		if (faults == nil) != (err == nil) {
			t.Fatalf("%q: Check says %v, Compile says %v", expr, faults, err)
		}
		for _, fault := range faults {
			if fault.Offset < 0 || fault.Length < 1 || fault.Offset > len([]rune(expr)) {
				t.Fatalf("%q: the fault is at %d+%d", expr, fault.Offset, fault.Length)
			}
			fault.Show(expr)
		}
		if err != nil {
			return
		}
		cond.Eval()
		cond.Number()
		cond.Values(at)
		if _, err := rule.Describe(expr, env); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := rule.NewBoard(signal.New(signal.Config{}), nil).Compile("portfolio_drawdown >= 0.15 AND spy_200d_ma_breach == true", env, ""); err != nil {
			b.Fatal(err)
		}
	}
}
